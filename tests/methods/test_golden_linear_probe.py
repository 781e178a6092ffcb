"""Golden numbers of the linear probe: its solution, by Newton's method and frozen, and what its search for C tries."""

from __future__ import annotations

import math

import pytest
import scipy.optimize
import torch

from clipcompat.methods import linear_probe
from clipcompat.methods.linear_probe import LinearProbe, search_c
from clipcompat.plugins.fit import fit
from tests.methods import golden
from tests.methods.learners import PHOTO
from tests.reference.linear_probe import objective, predict, search, solve
from tests.toys import NAMES

METHOD = LinearProbe(c=0.5)
SOLUTION, FOUND_C = 2.502164, 406.79443


def train_features(kind, width, normalize=False):
    labels = golden.data_of().train.labels
    x = golden.features("train", labels, width)
    return x / x.norm(dim=-1, keepdim=True) if normalize else x, labels


@pytest.fixture
def to_the_end(monkeypatch):
    """L-BFGS goes on where scikit-learn's tolerance would have stopped it."""
    stopped = scipy.optimize.minimize

    def minimize(*args, options, **kwargs):
        return stopped(*args, options={**options, "gtol": 1e-11, "ftol": 0, "maxiter": 10_000}, **kwargs)

    monkeypatch.setattr(scipy.optimize, "minimize", minimize)


EVERY_KIND = pytest.mark.parametrize(
    ("kind", "width", "normalize"),
    [("penultimate", 8, False), ("penultimate", 8, True), ("projected", 16, False), ("projected", 16, True)],
)


@EVERY_KIND
@pytest.mark.parametrize("c", [0.001, 0.5, 100.0])
def test_the_solution_is_the_references(tiny, written_down, to_the_end, kind, width, normalize, c):
    x, labels = train_features(kind, width, normalize)
    method = LinearProbe(features=kind, normalize=normalize, c=c)
    ours = fit(method, tiny, golden.data_of()).tensors
    weight, bias = solve(x, labels, 3, c)
    torch.testing.assert_close(ours["weight"].double(), weight, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours["bias"].double(), bias, rtol=1e-5, atol=1e-6)
    assert float(ours["c"]) == pytest.approx(c)
    features = 3 * x + 1
    seen = features / features.norm(dim=-1, keepdim=True) if normalize else features
    scores = method.logits(ours, tiny, features, NAMES, PHOTO)
    expected = torch.stack([ours["weight"] @ row + ours["bias"] for row in seen])
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-4)
    assert scores.argmax(-1).tolist() == predict(seen, ours["weight"], ours["bias"])


@EVERY_KIND
@pytest.mark.parametrize("c", [1e-4, 0.001, 0.05, 5.0, 1e4])
def test_it_stops_where_scikit_learn_did_for_coop(tiny, written_down, kind, width, normalize, c):
    """No entry of the summed loss's gradient is above 1e-4, or a step changed the loss by less than 2.2e-9 of it."""
    x, labels = train_features(kind, width, normalize)
    ours = fit(LinearProbe(features=kind, normalize=normalize, c=c), tiny, golden.data_of()).tensors
    value, gradient = objective(ours["weight"].double(), ours["bias"].double(), x.double(), labels, c)
    best, _ = objective(*solve(x, labels, 3, c), x.double(), labels, c)
    assert gradient.abs().max() < 1.01e-4 or value - best < 1e-6 * value
    assert gradient.abs().max() > 1e-9  # it does stop


def test_the_solution_is_the_golden_number(tiny, written_down):
    weight, bias = solve(*train_features("penultimate", 8), 3, 0.5)
    assert golden.digest({"weight": weight, "bias": bias}) == pytest.approx(SOLUTION, abs=1e-5)
    ours = dict(fit(METHOD, tiny, golden.data_of()).tensors)
    assert float(ours.pop("c")) == 0.5 and golden.digest(ours) == pytest.approx(SOLUTION, abs=1e-3)


CHANGES = {"c": 0.51, "features": "projected", "normalize": True, "max_iter": 3}


def test_every_constant_is_changed_below():
    assert golden.constants(METHOD) == set(CHANGES)


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_the_golden_solution_notices_one_changed_constant(tiny, written_down, field):
    moved = dict(fit(golden.change(METHOD, field, CHANGES[field]), tiny, golden.data_of()).tensors)
    moved.pop("c")
    assert abs(golden.digest(moved) - SOLUTION) > 2e-3


def plateaus(peak, width, steps):
    """Accuracies with ties: a bump over log C, rounded."""
    return lambda c: round(steps * math.exp(-(((math.log10(c) - peak) / width) ** 2))) / steps


SCORES = {
    "peak": lambda c: -abs(math.log10(c) - 2.607),
    "flat": lambda c: 0.5,
    "rising": lambda c: c,
    "falling": lambda c: -c,
    **{f"bump at {p}": plateaus(p, 2.0, 12) for p in (-5.7, -2.1, 0.4, 3.3)},
    **{f"narrow bump at {p}": plateaus(p, 0.4, 200) for p in (-1.7, 0.15)},
}


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
def test_the_search_asks_for_the_same_values_of_c_and_returns_the_same(score):
    asked = []
    winner = search_c(lambda c: asked.append(c) or score(c))
    tried, expected = search(score)
    assert asked == pytest.approx(tried, rel=1e-9) and len(asked) == 7 + 2 * 8
    assert winner == pytest.approx(expected, rel=1e-9)


def test_the_found_c_is_the_golden_number(monkeypatch):
    assert search(SCORES["peak"])[1] == pytest.approx(FOUND_C, abs=1e-3)
    assert search_c(SCORES["peak"]) == pytest.approx(FOUND_C, abs=1e-3)
    for name, other in (("_BISECTIONS", 7), ("_COARSE", linear_probe._COARSE[3:])):
        with monkeypatch.context() as patch:
            patch.setattr(linear_probe, name, other)
            assert abs(search_c(SCORES["peak"]) - FOUND_C) > 1


@EVERY_KIND
def test_fit_chooses_the_c_of_most_validation_hits(tiny, written_down, kind, width, normalize):
    data, method = golden.data_of(), LinearProbe(features=kind, normalize=normalize)
    val, labels = golden.features("val", data.val.labels, width), data.val.labels.tolist()

    def share(weight, bias):
        seen = val / val.norm(dim=-1, keepdim=True) if normalize else val
        return sum(a == b for a, b in zip(predict(seen, weight, bias), labels, strict=True)) / len(val)

    def alone(c):
        return fit(golden.change(method, "c", c), tiny, data).tensors

    ours = fit(method, tiny, data).tensors
    _, expected = search(lambda c: share(alone(c)["weight"], alone(c)["bias"]))
    assert float(ours["c"]) == pytest.approx(expected, rel=1e-6)
    assert (ours["weight"] - alone(expected)["weight"]).abs().max() < 1e-5
    if not normalize:  # features of unit norm need a C so large that L-BFGS stops far from the exact solution
        _, exact = search(lambda c: share(*solve(*train_features(kind, width), 3, c)))
        assert float(ours["c"]) == pytest.approx(exact, rel=1e-6)


def test_the_defaults_are_those_of_the_clip_paper_and_lpclip():
    method = LinearProbe()
    assert (method.features, method.normalize, method.c, method.max_iter) == ("penultimate", False, None, 1000)


def test_the_search_solves_no_c_twice(tiny, written_down, monkeypatch):
    solve_once, solved = linear_probe.logistic_regression, []

    def regression(x, y, classes, c, max_iter, held):
        solved.append(c)
        return solve_once(x, y, classes, c, max_iter, held)

    monkeypatch.setattr(linear_probe, "logistic_regression", regression)
    fit(LinearProbe(), tiny, golden.data_of())
    assert len(solved) == len(set(solved)) < 7 + 2 * 8

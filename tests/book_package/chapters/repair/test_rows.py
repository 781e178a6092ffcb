"""Shares, verdicts and curves from given accuracies."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.repair.rows import controls_of, methods_of, sizes_of
from tests.book_package.chapters.repair.made import TWIN, made


def one(**numbers):
    (method,) = methods_of(made(**numbers), "mini").values()
    return method


def test_gains_are_over_zero_shot_and_shares_of_what_retraining_adds():
    method = one(carried=65, repaired=77, retrained=80)
    assert method.gain("carried").mean == pytest.approx(15) and method.gain("retrained").mean == pytest.approx(30)
    assert method.share("carried") == pytest.approx(0.5) and method.share("repaired") == pytest.approx(0.9)
    assert method.behind("repaired").mean == pytest.approx(-3) and method.mean("retrained") == pytest.approx(81)


@pytest.mark.parametrize(("carried", "repaired", "verdict"), [
    (75, 79, "keep"), (60, 75, "repair"), (60, 70, "retrain"), (20, 45, "retrain"),
])  # fmt: skip
def test_the_verdict_is_the_cheapest_step_that_is_enough(carried, repaired, verdict):
    assert one(carried=carried, repaired=repaired).verdict == verdict


@pytest.mark.parametrize(("method", "default"), [("linear_probe", "map_orthogonal_200"), ("coop", "imitate_200")])
def test_repaired_is_what_the_library_does_by_default(method, default):
    assert one(method=method).column("repaired") == default


def test_a_curve_begins_with_the_carried_plugin():
    curve = one(method="tip_adapter", carried=65, repaired=80).by_count()
    assert list(curve) == [0, 25, 50, 100, 200]
    assert curve[0] == pytest.approx(0.5) and curve[200] == pytest.approx(1.0) and curve[25] < curve[100]


def test_methods_are_told_apart_by_upgrade_and_controls_are_found():
    twin, random = made("coop", carried=50, upgrade=TWIN), made("linear_probe", upgrade="mini*")
    records = [*made("linear_probe"), *made("coop"), *twin, *random]
    assert list(methods_of(records, "mini")) == ["linear probe", "CoOp"]
    found = controls_of(records)
    assert {words: list(methods) for words, methods in found.items()} == {
        "another start": ["CoOp"],
        "random weights": ["linear probe"],
    }
    assert controls_of(made()) == {}


def test_smaller_upgrades_are_found_by_what_is_new_there_and_the_smallest_comes_first():
    titles = ("mini-image-only, made again", "mini-identity, pair 2, made again", "mini-identity, pair 2, step 5000")
    controls = ("mini-activation-only", "mini-identity")
    records = [record for title in (*titles, *controls) for record in made("coop", upgrade=title)]
    steps = ["500 steps more", "3,000 steps more", "a new image tower"]
    assert list(sizes_of([*records, *made()])) == ["nothing", "the activation alone", *steps]

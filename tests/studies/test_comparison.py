"""A comparison is that of a slow reference, and a result that hangs on one dataset is called so."""

from __future__ import annotations

import random
from statistics import fmean, pstdev

import numpy as np
import pytest

from clipcompat.studies import comparison
from clipcompat.studies.comparison import Comparison, agrees, holm
from clipcompat.studies.statistic import Statistic
from tests.reference import comparison as reference

GENERATOR = random.Random()


@pytest.fixture(autouse=True)
def same_numbers_in_every_order_of_tests():
    GENERATOR.seed(16)


def toy_cells(pairs: int, datasets: int, seeds: int, between: float = 2.0, shift: float = 1.0) -> reference.Cells:
    """Differences around `shift`; datasets differ by `between`, pairs by half of it, the last set has more seeds."""
    sets = [GENERATOR.gauss(0, between) for _ in range(datasets)]
    found = {}
    for p in range(pairs):
        level = shift + GENERATOR.gauss(0, between / 2) * (pairs > 1)
        rows = [[level + own + GENERATOR.gauss(0, 1) for _ in range(seeds)] for own in sets]
        rows[-1] += [level + GENERATOR.gauss(0, 1) for _ in range(seeds > 1) for _ in range(3)]
        found[f"pair {p}"] = {f"set {d}": row for d, row in enumerate(rows)}
    return found


def compared(cells: reference.Cells) -> Comparison:
    first = {(p, d, k): gap for p, own in cells.items() for d, gaps in own.items() for k, gap in enumerate(gaps)}
    return Comparison.of(first, dict.fromkeys(first, 0.0))


SHAPES = [(1, 11, 5), (3, 11, 5), (3, 4, 2), (1, 5, 1), (2, 1, 5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_interval_is_that_of_a_bootstrap_in_plain_loops(shape):
    cells = toy_cells(*shape)
    found, n = compared(cells), shape[1] if shape[1] > 1 else shape[0]
    widened = reference.T[n] * (n / (n - 1)) ** 0.5
    assert found.interval == pytest.approx(widened * reference.spread(cells), rel=0.025)
    draws = [reference.draw(cells, GENERATOR) for _ in range(3000)]
    assert pstdev(draws) == pytest.approx(reference.spread(cells), rel=0.06)
    assert found.mean == pytest.approx(fmean(fmean(fmean(g) for g in own.values()) for own in cells.values()))


def test_one_dataset_on_one_pair_has_the_t_interval_over_seeds():
    gaps = [1.0, 2.5, 1.5, 0.7, 1.8]
    found = compared({"pair": {"set": gaps}})
    assert (found.mean, found.interval) == pytest.approx((Statistic.of(gaps).mean, Statistic.of(gaps).interval))
    assert found.direction == "higher" and found.flips == ()


def test_one_value_has_no_interval_and_no_direction():
    found = compared({"pair": {"set": [30.0]}})
    assert found.interval is None and found.direction == "no difference seen" and found.wilcoxon == 1.0


def test_differences_are_paired_and_what_only_one_side_or_one_pair_has_is_left_out():
    first = {("p", "a", 1): 5.0, ("p", "a", 2): 7.0, ("p", "a", 3): 99.0, ("q", "a", 1): 4.0, ("q", "b", 1): 50.0}
    second = {("p", "a", 1): 4.0, ("p", "a", 2): 9.0, ("q", "a", 1): 4.0, ("q", "b", 1): 0.0, ("p", "c", 1): 0.0}
    found = Comparison.of(first, second)
    assert found.differences == {("p", "a"): (1.0, -2.0), ("q", "a"): (0.0,)}
    assert found.by_dataset == {"a": -0.25}, "mean of the seeds, then of the pairs"
    assert Comparison.of(first, {("p", "c", 1): 0.0}) is None


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shift_moves_the_mean_and_leaves_the_interval(shape):
    cells = toy_cells(*shape)
    moved = {p: {d: [gap + 7.25 for gap in gaps] for d, gaps in own.items()} for p, own in cells.items()}
    plain, shifted = compared(cells), compared(moved)
    assert shifted.mean - plain.mean == pytest.approx(7.25) and shifted.interval == pytest.approx(plain.interval)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_other_way_round_it_is_the_same_interval_with_the_other_sign(shape):
    cells = toy_cells(*shape, shift=9.0)
    turned = compared({p: {d: [-gap for gap in gaps] for d, gaps in own.items()} for p, own in cells.items()})
    plain = compared(cells)
    assert turned.mean == pytest.approx(-plain.mean) and turned.wilcoxon == pytest.approx(plain.wilcoxon)
    assert turned.interval == pytest.approx(plain.interval, rel=0.025), "by other draws"


def test_equal_sides_show_no_difference():
    values = {(p, d, k): GENERATOR.random() for p in "pq" for d in "abcdef" for k in range(5)}
    found = Comparison.of(values, values)
    assert (found.mean, found.interval, found.direction) == (0.0, 0.0, "no difference seen")
    assert found.flips == () and found.wilcoxon == 1.0


def test_means_that_differ_by_rounding_only_show_no_difference():
    first = {("p", d, k): 0.1 + 0.2 for d in "abcdef" for k in range(5)}
    found = Comparison.of(first, dict.fromkeys(first, 0.3))
    assert found.mean != 0 and found.direction == "no difference seen" and found.wilcoxon == 1.0


@pytest.mark.parametrize("shape", SHAPES)
def test_names_and_order_of_datasets_change_nothing(shape):
    cells = toy_cells(*shape)
    names = list(next(iter(cells.values())))
    others = dict(zip(names, GENERATOR.sample(names, len(names)), strict=True))
    renamed = {p: {others[d]: gaps[::-1] for d, gaps in own.items()} for p, own in cells.items()}
    plain, found = compared(cells), compared(renamed)
    assert found.interval == plain.interval and found.direction == plain.direction
    assert found.mean == pytest.approx(plain.mean, abs=1e-12) and found.wilcoxon == plain.wilcoxon
    assert sorted(found.flips) == sorted(others[name] for name in plain.flips)


def test_a_result_that_one_dataset_makes_names_it():
    cells = {"pair": {f"set {d}": [1.0 + 0.1 * d] for d in range(11)}}
    assert compared(cells).direction == "higher" and compared(cells).flips == ()
    cells["pair"]["set 3"] = [-9.0]
    found = compared(cells)
    assert found.direction == "no difference seen" and found.flips == ("set 3",)
    assert found.without["set 3"] == "higher" and found.without["set 0"] == "no difference seen"


@pytest.mark.parametrize("count", [1, 5, 6, 11])
@pytest.mark.parametrize("tied", [False, True])
def test_the_signed_rank_test_goes_through_all_signs(count, tied):
    gaps = [GENERATOR.gauss(1, 2) for _ in range(count)]
    gaps = [float(round(gap)) for gap in gaps] if tied else gaps
    gaps = gaps if any(gaps) else [1.0] * count
    found = compared({"pair": {f"set {d}": [gap] for d, gap in enumerate(gaps)}})
    assert found.wilcoxon == pytest.approx(reference.signed_rank(gaps), abs=1e-12)


def test_datasets_that_all_agree_have_the_least_p_value():
    assert compared({"pair": {str(d): [1.0 + d] for d in range(11)}}).wilcoxon == pytest.approx(2 / 2**11)
    assert compared({"pair": {str(d): [1.0] for d in range(6)}}).wilcoxon == pytest.approx(2 / 2**6)
    assert compared({"pair": {str(d): [1.0 + d] for d in range(60)}}).wilcoxon < 1e-9


def test_holm_is_the_step_down_procedure_and_keeps_order_and_names():
    p_values = {"a": 0.04, "b": 0.001, "c": 0.03, "d": 0.9}
    assert holm(p_values) == pytest.approx({"a": 0.09, "b": 0.004, "c": 0.09, "d": 0.9})
    for _ in range(50):
        many = [GENERATOR.random() ** 3 for _ in range(GENERATOR.randrange(1, 9))]
        assert list(holm(dict(zip(map(str, range(len(many))), many, strict=True))).values()) == pytest.approx(
            reference.holm(many)
        )
    assert holm({}) == {}


@pytest.mark.parametrize(
    ("gaps", "paper", "verdict"),
    [
        ([1.0, 1.1, 1.2], 3.9, "agrees"),
        ([1.0, 1.1, 1.2], -3.9, "disagrees"),
        ([-1.0, -1.1, -1.2], -0.1, "agrees"),
        ([-1.0, -1.1, -1.2], 0.1, "disagrees"),
        ([30.0, 1.0, 2.0], 3.9, "undecided"),
        ([30.0], 3.9, "undecided"),
        ([1.0, 1.1, 1.2], 0.0, "disagrees"),
    ],
)
def test_agreement_with_a_paper_needs_the_interval_and_not_only_the_mean(gaps, paper, verdict):
    assert agrees(Statistic.of(gaps), paper) == agrees(compared({"pair": {"set": gaps}}), paper) == verdict


@pytest.mark.parametrize(("pairs", "low", "high"), [(1, 0.90, 0.99), (3, 0.90, 1.0)])
def test_the_interval_holds_the_truth_of_simulated_studies_about_as_often_as_it_says(monkeypatch, pairs, low, high):
    """Sets differ more than seeds do, and far more than pairs. An interval over seeds alone holds it in 30 %."""
    monkeypatch.setattr(comparison, "_DRAWS", 500)
    generator, held, held_by_seeds, studies = np.random.default_rng(3), 0, 0, 300
    for _ in range(studies):
        gaps = 0.5 * generator.standard_normal((pairs, 1, 1)) * (pairs > 1) + generator.standard_normal((pairs, 11, 5))
        gaps += 3 * generator.standard_normal((1, 11, 1))
        found = Comparison({(str(p), str(d)): tuple(gaps[p, d]) for p in range(pairs) for d in range(11)})
        held += abs(found.mean) <= found.interval
        over_seeds = Statistic.of(gaps.mean(axis=(0, 1)).tolist())
        held_by_seeds += abs(over_seeds.mean) <= over_seeds.interval
    assert low <= held / studies <= high and held_by_seeds / studies < 0.4

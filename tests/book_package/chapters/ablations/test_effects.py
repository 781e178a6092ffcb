"""An effect is a paired difference on every set, and its p pays for how many switches there are."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.ablations.effects import MEASURES, effects, pairs, ranks
from clipcompat_book.chapters.ablations.readings import READINGS, SETS, Reading
from clipcompat_book.means import compared, reports_of
from tests.book_package.chapters.ablations.made import made, study


def by_label(records):
    return {e.reading.label: e for e in effects(records)}


def test_a_switch_is_paired_with_its_own_method_as_published_in_the_order_of_the_readings():
    records = [*study(), *made(method="KgCoOp", old=2), *made("n_ctx=16, ctx_init=None", method="KgCoOp", old=1)]
    found = by_label(records)
    assert list(found) == ["4 heads", "no condition", "biases", "tau = 0.01", "KgCoOp: 16 tokens, from noise"]
    assert found["KgCoOp: 16 tokens, from noise"].moves["old"].mean == pytest.approx(-1)
    assert found["tau = 0.01"].moves["new"].mean == pytest.approx(-5, abs=0.1)
    assert set(found["tau = 0.01"].moves["new"].by_dataset) == set(SETS) and pairs(found["tau = 0.01"]) == 12


def test_kept_is_the_gain_on_new_minus_that_on_old_so_that_moving_both_alike_keeps_it():
    found = by_label(study())
    assert found["tau = 0.01"].moves["kept"].mean == pytest.approx(0, abs=0.2)
    assert found["no condition"].moves["kept"].mean == pytest.approx(-3, abs=0.2)
    (report, *_) = reports_of(made(old=5, new=4))
    assert MEASURES["kept"](report) == pytest.approx((report.new - 45) - (report.old - 40))


def test_only_what_is_always_on_one_side_is_sure_and_moves():
    found = by_label(study())
    assert found["tau = 0.01"].sure("old") and found["tau = 0.01"].moved("old")
    assert not found["biases"].sure("new") and not found["biases"].moved("new")
    assert not found["4 heads"].moved("old") and found["4 heads"].p["old"] == 1


def test_a_switch_that_other_sets_would_undo_is_sure_on_these_and_does_not_move_by_more_than_its_interval():
    records = [*made(noise=0.0), *made("tau=0.01", old=0.5, new=0.5, bend=4)]
    effect = by_label(records)["tau = 0.01"]
    assert effect.sure("new") and not effect.moved("new")


def test_p_values_are_corrected_for_the_switches_there_are_one_measure_at_a_time():
    one = effects([*made(noise=0.0), *made("tau=0.01", old=-5, new=-5)])[0]
    many = by_label([*study(), *made("attention.heads=2", old=1, new=1), *made("attention.heads=8", old=-1, new=1)])
    plain = ranks(one.moves["old"])
    assert plain == pytest.approx(2 / 2**12) and one.p["old"] == pytest.approx(plain)
    assert many["tau = 0.01"].p["old"] == pytest.approx(6 * plain)


def test_a_switch_without_a_set_is_left_out_and_so_are_other_upgrades_shots_and_number_types():
    assert not effects([*made(), *made("tau=0.01", sets=SETS[:3])])
    assert not effects([*made(), *made("tau=0.01", shots=4)])
    assert not effects([*made(), *made("tau=0.01", upgrade="mini-identity")])
    assert not effects([*made("tau=0.01")])
    bf16 = effects([*made(), *made(old=-1, dtype="bfloat16")])
    assert [e.reading.label for e in bf16] == ["towers in bf16"]


def test_of_two_records_of_one_run_the_first_counts():
    gap = effects([*made(noise=0.0), *made("tau=0.01", old=3, noise=0.0), *made("tau=0.01", old=9, noise=0.0)])[0]
    assert gap.moves["old"].mean == pytest.approx(3)


def test_ranks_are_over_pairs_and_not_over_datasets():
    one, two = reports_of(made(old=1)), reports_of(made(noise=0.0))
    gap = compared(one, two, lambda r: r.old)
    assert ranks(gap) < 0.01 < gap.wilcoxon


def test_every_reading_has_a_label_and_a_title_of_its_own():
    assert len({r.label for r in READINGS}) == len(READINGS) == len({(r.variant, r.dtype) for r in READINGS})
    assert Reading("", "", "", "").variant == "ContCoOp"
    kinds = [r.kind for r in READINGS]
    assert len(dict.fromkeys(kinds)) == sum(a != b for a, b in zip(["", *kinds], kinds, strict=False))

"""An effect is a paired difference of the right two methods, on the datasets that all have; words and dots follow."""

from __future__ import annotations

from statistics import fmean

import pytest

from clipcompat.common.config import to_config
from clipcompat.methods import METHODS
from clipcompat_book.chapters.compatibility.controls import TWIN, UPGRADE
from clipcompat_book.chapters.contcoop.charts import factor_rows
from clipcompat_book.chapters.contcoop.factors import FACTORS, effects, lead_by_dataset, upgrade_effects
from clipcompat_book.chapters.contcoop.sentences import movers_sentence
from clipcompat_book.chapters.contcoop.tables import movers_table
from tests.book_package.chapters.compatibility.test_controls import know_toys, toy_run

SETS = {"eurosat": 0.0, "dtd": 4.0}


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    know_toys(monkeypatch)


def settings(method, **changes):
    """A method's configuration with nested changes: recipe_lr=0.008."""
    config = to_config(METHODS[method]())
    for where, value in changes.items():
        part, _, field = where.partition("_")
        config = {**config, part: {**config[part], field: value} if field else value}
    return config


def made(gain, method="contcoop", place=UPGRADE, bend=0.0, sets=SETS, **changes):
    """Records with 3 seeds, `gain` on both datasets, and `bend` more on the second."""
    more = {"settings": settings(method, **changes)} if changes else {}
    return [toy_run(place, gain + k * bend, method, d, seeds=3, **more) for k, d in enumerate(sets)]


def study():
    return [
        *made(10, "coop"),
        *made(12, "coop", recipe_lr=0.008),
        *made(13),
        *made(13.5, attention=None),
        *made(13, condition_pool="none"),
        *made(9, distillation_weight=0.0),
    ]


def by_label(records):
    return {effect.factor.label: effect for effect in effects(records)}


def test_an_effect_is_against_plain_contcoop_and_a_lead_against_its_own_rival():
    found = by_label(study())
    assert list(found) == [
        "as published",
        "no attention",
        "no distillation",
        "attention that sees no name",
        "CoOp at ContCoOp's rate",
    ]
    assert {label: e.new.mean for label, e in found.items()} == pytest.approx(
        dict(zip(found, [0, 0.5, -4, 0, 0], strict=True))
    )
    assert {label: e.lead.mean for label, e in found.items()} == pytest.approx(
        dict(zip(found, [3, 3.5, -1, 3, 1], strict=True))
    )
    assert found["CoOp at ContCoOp's rate"].shift.mean == pytest.approx(-2)
    assert found["no distillation"].shift.direction == "lower" and found["no distillation"].p < 1e-6
    assert found["as published"].is_plain and found["as published"].p == 1
    assert sum(e.is_plain for e in found.values()) == 1


def test_every_factor_has_its_own_row_and_all_but_the_first_change_something():
    assert len({(f.kind, f.label) for f in FACTORS}) == len(FACTORS)
    assert len({(f.variant, f.rival) for f in FACTORS}) == len(FACTORS)


def test_only_datasets_that_every_row_has_are_compared():
    records = [*study(), *made(50, sets={"pets": 0.0})]
    assert all(
        e.datasets == 2 and e.new.mean == f.new.mean for e, f in zip(effects(records), effects(study()), strict=True)
    )


def test_a_run_that_two_studies_made_counts_once():
    assert by_label([*study(), *made(13)])["as published"].lead.mean == pytest.approx(3)


def test_a_shift_that_hangs_on_one_dataset_names_it():
    records = [*made(10, "coop"), *made(13), *made(13, bend=-6, distillation_weight=0.0)]
    found = by_label(records)["no distillation"]
    assert found.shift.mean == pytest.approx(-3) and found.rests_on == ("dtd",)
    ((label, *_, remark),) = movers_table(effects(records)).rows
    assert label == "no distillation" and remark.endswith("another direction without dtd")


def test_an_upgrade_is_compared_with_the_shipped_one_over_datasets():
    records = [*made(10, "coop"), *made(13), *made(10, "coop", TWIN), *made(8, "contcoop", TWIN, bend=-2)]
    twin = {e.factor.label: e for e in upgrade_effects(records)}
    assert list(twin) == [UPGRADE, TWIN] and twin[UPGRADE].is_plain
    assert twin[TWIN].lead.mean == pytest.approx(-3) and twin[TWIN].shift.mean == pytest.approx(-6)
    assert twin[TWIN].old is None and twin[TWIN].datasets == 2
    assert twin[TWIN].lead.interval > 1  # over datasets, not only over seeds
    assert upgrade_effects(made(10, "coop")) == []


def test_the_lead_of_a_dataset_is_the_mean_over_its_seeds():
    records = [*made(10, "coop"), *made(13, bend=2)]
    assert lead_by_dataset(records, lambda r: r.new) == pytest.approx({"eurosat": 3, "dtd": 5})


def test_the_sentence_names_what_moves_the_lead_or_says_that_nothing_does():
    words = movers_sentence(effects(study()))
    assert words.startswith("**3 of 4 changes move the lead on new by more than their interval.** Told from chance")
    rows = {row[0]: row[1:] for row in movers_table(effects(study())).rows}
    assert len(rows) == 3 and rows["no distillation"][:3] == ("-4.0 ± 0.0", "-1.0 ± 0.0", "2")
    assert float(rows["no distillation"][3]) < 0.05 and rows["no distillation"][4] == "–"
    assert "no distillation" in words.split("correction: ")[1] and not any("sees no name" in label for label in rows)
    still = [*made(10, "coop"), *made(13), *made(13, condition_pool="none")]
    assert (
        movers_sentence(effects(still))
        == "**No factor moves the lead on new by more than its interval** (of 1 changes)."
    )


def test_a_dot_is_full_where_the_interval_leaves_nothing_to_doubt():
    rows = effects(study())
    twin = upgrade_effects([*made(10, "coop"), *made(13), *made(10, "coop", TWIN), *made(8, "contcoop", TWIN)])
    fig = factor_rows(rows, twin)
    labels = list(fig.layout.yaxis.ticktext)
    assert labels[-2:] == [UPGRADE, f"upgrade: {TWIN}"] and len(labels) == len(rows) + 2
    old, new, lead, *dotted = fig.data
    assert [line.x[0] for line in dotted] == [3.0, 3.0] and [line.y for line in dotted] == [(0.5, -4.5), (-4.5, -6.5)]
    assert len(old.x) == len(rows) and len(lead.x) == len(labels)
    assert list(new.x) == [e.new.mean for e in rows] and list(lead.x) == [e.lead.mean for e in (*rows, *twin)]
    full = {label for label, colour in zip(labels, lead.marker.color, strict=True) if colour.startswith("#")}
    assert full == {"no attention", "no distillation", "CoOp at ContCoOp's rate", f"upgrade: {TWIN}"}
    assert fmean(lead.error_x.array) >= 0

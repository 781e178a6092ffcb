"""The lead over CoOp is a sum of its steps, on the datasets that all have, with intervals over datasets and seeds."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.contcoop.charts import ablation_dots
from clipcompat_book.chapters.contcoop.lead import ablation, leads, parts_of_lead
from clipcompat_book.chapters.contcoop.prediction import ABLATION
from clipcompat_book.chapters.contcoop.sentences import ablation_sentence, condition_sentence
from clipcompat_book.chapters.contcoop.tables import leads_table, parts_table
from tests.book_package.chapters.compatibility.test_controls import know_toys
from tests.book_package.chapters.contcoop.test_factors import made, study


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    know_toys(monkeypatch)


def studied():
    """As in `study`, and what the study "lead" has besides."""
    weights = {0.5: 13.2, 2.0: 12.5, 8.0: 11}
    more = [record for weight, gain in weights.items() for record in made(gain, distillation_weight=weight)]
    return [*study(), *made(11, condition_pool="none", distillation_weight=0.0), *more]


def test_the_parts_add_up_to_the_lead():
    parts = parts_of_lead(studied())
    means = {name: part.mean for name, part in parts.items()}
    assert means == pytest.approx(
        {"rate": 2, "distillation": 1.5, "attention": -0.5, "condition": 0, "numbers": -1, "lead": 3}
    )
    assert sum(means[step] for step in ("rate", "distillation", "attention")) == pytest.approx(means["lead"])
    table = parts_table(parts, parts)
    assert table.rows[2] == ("and attention", "-0.5 ± 0.0 *", "-0.5 ± 0.0 *") and "over 2 datasets" in table.caption
    assert "no difference seen" in condition_sentence(parts) and "1.0 ± 0.0 points lower" in condition_sentence(parts)


def test_only_datasets_that_every_step_has_are_in_the_sum():
    more = [*studied(), *made(50, sets={"pets": 0.0})]
    assert {name: c.differences for name, c in parts_of_lead(more).items()} == {
        name: c.differences for name, c in parts_of_lead(studied()).items()
    }


def test_an_interval_of_the_lead_is_over_datasets_too():
    bent = [record for record in studied() if record.titles.method != "ContCoOp"]
    assert parts_of_lead([*bent, *made(13, bend=4)])["lead"].interval > 1


def test_every_changed_setting_has_its_lead_over_its_own_rival():
    found = {name: lead.mean for name, lead in leads(studied()).items()}
    assert found["as published"] == pytest.approx(3) and found["CoOp at ContCoOp's rate"] == pytest.approx(1)
    assert found["λ = 8"] == pytest.approx(1) and found["the same, no distillation"] == pytest.approx(1)
    assert [row[0] for row in leads_table(leads(studied())).rows] == list(found)


def test_parts_are_drawn_as_points_above_coop_beside_the_papers():
    ours = ablation(studied())
    assert {parts: new.mean for parts, (_, new) in ours.items()} == pytest.approx(
        {(True, False): -1, (False, True): 3.5, (True, True): 3}
    )
    fig = ablation_dots(ours, ABLATION)
    assert list(fig.layout.yaxis.ticktext) == ["attention alone", "distillation alone", "both: ContCoOp"]
    old, new, ours_old, ours_new = fig.data
    assert list(old.x) == pytest.approx([0.49, 0.85, 2.17]) and list(new.x) == pytest.approx([3.68, 0.47, 6.67])
    assert list(ours_new.x) == pytest.approx([-1, 3.5, 3]) and list(ours_old.x) == pytest.approx([0, 0, 0])
    assert "attention alone: lower; distillation alone: higher; both: higher." in ablation_sentence(ours)

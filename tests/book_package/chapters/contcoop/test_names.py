"""Statistics of names are those of their tokens; a correlation is corrected for how many were looked at."""

from __future__ import annotations

import pytest

from clipcompat.backbones.upgrade import Upgrade
from clipcompat_book.chapters.compatibility.controls import UPGRADE
from clipcompat_book.chapters.contcoop.names import Names, associations, name_statistics, names_table
from tests.book_package.chapters.compatibility.test_controls import know_toys, toy_run
from tests.book_package.chapters.contcoop.test_factors import settings
from tests.tiny import tiny_backbone


@pytest.fixture(scope="module")
def tiny():
    return tiny_backbone()


def test_names_are_counted_compared_and_followed(tiny, mini_old, mini_new):
    same = name_statistics(Upgrade(tiny, tiny), ["owl", "owl", "owl"])
    assert same.alike == pytest.approx(1, abs=1e-5) and same.moved == pytest.approx(0, abs=1e-5)
    assert same.tokens == len(tiny.tokenizer.encode("owl"))
    other = name_statistics(Upgrade(mini_old, mini_new), ["red circle", "blue star"])
    assert other.tokens == 2 and abs(other.alike) < 0.9 and 0 < other.moved < 2


def test_a_correlation_has_its_sign_and_p_is_corrected():
    lead = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0, "e": 5.0}
    up, down, other = associations(
        lead,
        {
            "up": {d: 10 * x for d, x in lead.items()},
            "down": {d: -(x**3) for d, x in lead.items()},
            "other": {"a": 3, "b": 1, "c": 5, "d": 2, "e": 4},
        },
    )
    assert up.rho == pytest.approx(1) and down.rho == pytest.approx(-1) and abs(other.rho) < 0.5
    assert all(a.p <= a.holm <= 1 for a in (up, down, other)) and other.holm == pytest.approx(other.p)


def test_the_table_has_a_row_per_property_and_takes_the_lead_from_records(monkeypatch):
    know_toys(monkeypatch)
    names, records = {}, []
    for k, dataset in enumerate(("eurosat", "dtd", "food101", "sun397")):
        names[dataset] = Names(tokens=1.0 + k, alike=0.1 * (k % 3), moved=0.01 * (2 + k % 2))
        own = {"coop": 10, "contcoop": 10 + k, "zero_shot": 0}
        records += [toy_run(UPGRADE, gain, method, dataset) for method, gain in own.items()]
        half = settings("contcoop", distillation_weight=0.5)
        records.append(toy_run(UPGRADE, 10, "contcoop", dataset, settings=half))
    table = names_table(records, names)
    assert [row[0].split()[0] for row in table.rows] == ["tokens", "names", "names", "teacher:", "zero-shot:"]
    assert table.rows[0][1] == "2.5 (1.0 … 4.0)" and table.rows[0][2].startswith("+1.00")

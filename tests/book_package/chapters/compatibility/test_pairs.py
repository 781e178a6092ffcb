"""One row per method that two pairs have, with what it adds to zero-shot on new, carried and retrained."""

from __future__ import annotations

from dataclasses import replace

from clipcompat_book.chapters.compatibility.pairs import pairs_of_all_methods, pretrained_pairs
from tests.runs.test_tables import run


def made(method: str, gain: float) -> list:
    return [run(method, dataset=d, news=[50 + gain, 52 + gain]) for d in ("eurosat", "dtd")]


def test_a_row_has_the_gain_on_every_pair_carried_and_retrained():
    first = [*made("coop", 9), *made("contcoop", 4), *made("cocoop", 1), *made("zero_shot", 0)]
    second = [*made("contcoop", 2), *made("coop", -3), *made("zero_shot", 0)]
    third = made("coop", 0)
    table = pairs_of_all_methods({"one": first, "two": second, "three": third})
    assert table.columns == ("method", "one", "two", "three")
    rows = {row[0]: row[1:] for row in table.rows}
    assert list(rows) == ["CoOp", "ContCoOp"], "CoCoOp has one pair only"
    assert rows["CoOp"][0].startswith("+10.0 ± ") and rows["CoOp"][1].startswith("-2.0 ± "), "zero-shot is 50"
    assert rows["CoOp"][0].endswith(" | +40.0") and rows["ContCoOp"][2] == "–" and "2 datasets" in table.caption


def test_a_pair_that_was_made_again_stands_beside_the_first():
    def titled(upgrade: str) -> list:
        return [replace(r, titles=replace(r.titles, upgrade=upgrade)) for r in made("coop", 1)]

    records, again = [*titled("mini"), *titled("mini, pair 2")], titled("mini, pair 2, made again")
    assert list(pretrained_pairs(records, [])) == ["pair 1", "pair 2", "larger pair"]
    assert pretrained_pairs([*records, *again], [])["pair 2, made again"] == again
    larger, more = titled("mini-large"), titled("mini-large")
    assert pretrained_pairs([*records, *more], larger)["larger pair"] == [*larger, *more]

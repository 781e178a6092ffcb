"""Cut, joined or longer packings hold every prompt once, and know where each of their rows came from."""

from __future__ import annotations

import pytest

from clipcompat.backbones.text.packing import Packing
from clipcompat.backbones.text.repacking import cut, join, lengthen
from clipcompat.common.errors import ConfigError
from tests.backbones.text.test_packing import LENGTHS, rows_of


@pytest.mark.parametrize("spare", [0, 2])
@pytest.mark.parametrize("most", [1, 6, 11, 25, 40, 1000])
@pytest.mark.parametrize("groups", [1, 2, 3])
def test_parts_hold_every_prompt_once_and_know_where_their_rows_came_from(groups, most, spare):
    packing = Packing.of(LENGTHS, 4, groups, spare)
    parts = cut(packing, most)
    assert sorted(i for p in parts for i in p.prompts.tolist()) == list(range(len(LENGTHS)))
    whole = rows_of(packing)
    for part in parts:
        lengths = [LENGTHS[i] for i in part.prompts.tolist()]
        assert list(part.packing.lengths) == lengths
        assert part.packing.rows <= most or len(lengths) == 1 or spare
        for row, (prompt, token) in zip(part.rows.tolist(), rows_of(part.packing), strict=True):
            i = int(part.prompts[prompt])
            prefix = token < 4
            wanted = (i // packing.per_group * packing.per_group, token) if prefix else (i, min(token, LENGTHS[i] - 1))
            assert whole[row] == wanted or (not prefix and token >= LENGTHS[i])
    assert (len(parts) == 1) == (packing.rows <= most)


@pytest.mark.parametrize("spare", [0, 2])
def test_without_leads_the_rows_of_all_parts_are_those_of_the_packing_in_order(spare):
    packing = Packing.of(LENGTHS, max_padding=spare)
    parts = cut(packing, 15)
    assert len(parts) > 2 and [row for part in parts for row in part.rows.tolist()] == list(range(packing.rows))


def test_groups_stay_whole_where_they_fit():
    parts = cut(Packing.of(LENGTHS[:2] * 6, 4, groups=6), 21)
    assert [p.packing.groups for p in parts] == [2, 2, 2]


@pytest.mark.parametrize("others", [[9, 5, 7], [8, 8, 8]])
def test_joined_packings_hold_all_groups_and_know_where_their_rows_came_from(others):
    one, two = Packing.of(LENGTHS[:3], 4), Packing.of(others + LENGTHS[3:], 4, groups=2)
    packing, rows = join((one, two))
    assert (packing.groups, packing.lengths) == (3, one.lengths + two.lengths)
    before = [(0, *r) for r in rows_of(one)] + [(1, *r) for r in rows_of(two)]
    for row, (prompt, token) in zip(rows.tolist(), rows_of(packing), strict=True):
        assert before[row] == ((0, prompt, token) if prompt < 3 else (1, prompt - 3, token))


def test_joining_what_shares_otherwise_is_refused():
    with pytest.raises(ConfigError, match="one kind"):
        join((Packing.of([5, 6], 2), Packing.of([5, 6], 3)))
    with pytest.raises(ConfigError, match="one kind"):
        join((Packing.of([5, 6]), Packing.of([5])))


def test_a_longer_packing_has_more_rows_in_leads_or_else_in_prompts():
    assert lengthen(Packing.of([5, 7], 4), 3).segments == Packing.of([5, 7], 4).segments
    assert rows_of(lengthen(Packing.of([5, 7], 4), 3)) == rows_of(Packing.of([8, 10], 7))
    assert rows_of(lengthen(Packing.of([5, 7]), 3)) == rows_of(Packing.of([8, 10]))

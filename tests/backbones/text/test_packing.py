"""Where rows lie: every row of every prompt once, each prefix once per group."""

from __future__ import annotations

import pytest

from clipcompat.backbones.text.packing import Packing, Segment
from clipcompat.common.errors import ConfigError

LENGTHS = [9, 5, 7, 5, 6, 9]


def rows_of(packing: Packing) -> list[tuple[int, int]]:
    return list(zip(*(t.tolist() for t in packing.prompt_and_token), strict=True))


@pytest.mark.parametrize("shared", [0, 1, 4])
@pytest.mark.parametrize("groups", [1, 2, 3])
def test_every_row_lies_somewhere_once_and_leads_once_a_group(shared, groups):
    packing = Packing.of(LENGTHS, shared, groups)
    each = len(LENGTHS) // groups
    own = {(i, t) for i, n in enumerate(LENGTHS) for t in range(shared, n)}
    prefixes = {(g * each, t) for g in range(groups) for t in range(shared)}
    found = rows_of(packing)
    assert len(found) == packing.rows == len(own) + len(prefixes) and set(found) == own | prefixes
    assert not packing.padded
    for i, n in enumerate(LENGTHS):
        place = packing.restore[i]
        assert packing.order[place] == i
        assert found[int(packing.eot_rows[0][place])] == (i, n - 1) and packing.eot_rows[1][place] == n - 1 - shared
        assert found[int(packing.own_starts[i])] == (i, shared)


def test_segments_hold_prompts_of_one_length_shortest_first():
    packing = Packing.of(LENGTHS, shared=4)
    assert packing.segments == (Segment(0, 1, 2, 1), Segment(0, 1, 1, 2), Segment(0, 1, 1, 3), Segment(0, 1, 2, 5))
    assert packing.order.tolist() == [1, 3, 4, 2, 0, 5]


def test_groups_of_the_same_lengths_have_common_segments_and_others_their_own():
    same = Packing.of([7, 5, 7, 5], shared=4, groups=2)
    assert same.segments == (Segment(0, 2, 1, 1), Segment(0, 2, 1, 3)) and same.order.tolist() == [1, 3, 0, 2]
    other = Packing.of([7, 5, 6, 5], shared=4, groups=2)
    assert [s.first_group for s in other.segments] == [0, 0, 1, 1] and all(s.groups == 1 for s in other.segments)


def test_prompts_are_padded_into_the_next_segment_where_that_takes_few_rows():
    assert not Packing.of(LENGTHS, shared=4, max_padding=0.9).padded
    packing = Packing.of(LENGTHS, shared=4, max_padding=2)
    assert packing.segments == (Segment(0, 1, 3, 2), Segment(0, 1, 3, 5)) and packing.padded
    assert Packing.of(LENGTHS, shared=4, max_padding=1000).segments == (Segment(0, 1, 6, 5),)
    # a padded row is one beyond the prompt's EOT; the EOT is found all the same
    assert [rows_of(packing)[int(packing.eot_rows[0][packing.restore[i]])] for i in (1, 2)] == [(1, 4), (2, 6)]


@pytest.mark.parametrize(("lengths", "shared", "groups"), [([], 0, 1), ([5, 5, 5], 0, 2), ([5, 4], 4, 1)])
def test_what_cannot_be_packed_is_refused(lengths, shared, groups):
    with pytest.raises(ConfigError, match="cannot be packed"):
        Packing.of(lengths, shared, groups)

"""Packings made from packings: cut into parts, joined, or with more rows per prompt."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby

import torch
from torch import Tensor

from clipcompat.backbones.text.packing import Packing, Segment
from clipcompat.common.errors import ConfigError


@dataclass(frozen=True, eq=False)
class Part:
    """Some prompts of a packing.

    prompts: [prompt], their numbers in the whole packing. packing: their own.
    rows: [row of `packing`], the same row in the whole packing.
    """

    prompts: Tensor
    rows: Tensor
    packing: Packing


def cut(packing: Packing, max_rows: int) -> list[Part]:
    """The same prompts in packings of about `max_rows` rows each; prefixes are repeated in each.

    Groups stay whole if one fits. Otherwise a group's segments are cut in the order of their rows, so that without
    prefixes the rows of all parts, concatenated, are those of the packing.
    """
    rows_per_group, per_group = packing.rows / packing.groups, packing.per_group
    if rows_per_group > max_rows:
        return [_part(packing, *cut) for group in range(packing.groups) for cut in _cut_group(packing, group, max_rows)]
    step, parts = int(max_rows // rows_per_group), []
    for first in range(0, packing.groups, step):
        groups = min(step, packing.groups - first)
        numbers = list(range(first * per_group, (first + groups) * per_group))
        lengths, device = [packing.lengths[i] for i in numbers], packing.order.device
        some = Packing.of(lengths, packing.shared, groups, packing.max_padding, device)
        parts.append(_part(packing, numbers, some))
    return parts


@lru_cache(maxsize=32)
def lengthen(packing: Packing, rows: int) -> Packing:
    """The same with this many more rows in every prefix or, if there is none, in every prompt."""
    segments, shared = packing.segments, packing.shared
    if shared:
        shared += rows
    else:
        segments = tuple(replace(s, rows=s.rows + rows) for s in segments)
    return replace(packing, lengths=tuple(n + rows for n in packing.lengths), shared=shared, segments=segments)


@lru_cache(maxsize=32)
def join(packings: tuple[Packing, ...]) -> tuple[Packing, Tensor]:
    """Several packings as one with all their groups, and [row]: its rows in their concatenation.

    Raises:
        ConfigError: their groups differ in size, or in what they share.
    """
    first, device = packings[0], packings[0].order.device
    kinds = {(p.per_group, p.shared) for p in packings}
    if len(kinds) > 1:
        raise ConfigError(f"packings of one kind are needed; these have (prompts, shared rows) {sorted(kinds)}.")
    lengths = [n for p in packings for n in p.lengths]
    packing = Packing.of(lengths, first.shared, sum(p.groups for p in packings), first.max_padding, device)
    prompt, token = packing.prompt_and_token
    rows, first_row, first_prompt = torch.empty_like(prompt), 0, 0
    for p in packings:
        of_p = (prompt >= first_prompt) & (prompt < first_prompt + len(p.lengths))
        rows[of_p] = first_row + p.find(prompt[of_p] - first_prompt, token[of_p])
        first_row, first_prompt = first_row + p.rows, first_prompt + len(p.lengths)
    return packing, rows


def _cut_group(packing: Packing, group: int, max_rows: int) -> Iterator[tuple[list[int], Packing]]:
    """One group's prompts in the order of their rows, as many together as fit into `max_rows`."""
    starts, own = packing.own_starts.tolist(), packing.own_counts.tolist()
    numbers = range(group * packing.per_group, (group + 1) * packing.per_group)
    cuts, rows = [[]], packing.shared
    for i in sorted(numbers, key=starts.__getitem__):
        if cuts[-1] and rows + own[i] > max_rows:
            cuts.append([])
            rows = packing.shared
        cuts[-1].append(i)
        rows += own[i]
    for some in cuts:
        segments = tuple(Segment(0, 1, len(list(same)), n) for n, same in groupby(own[i] for i in some))
        lengths, order = tuple(packing.lengths[i] for i in some), torch.arange(len(some), device=packing.order.device)
        yield some, Packing(lengths, packing.shared, 1, segments, order, packing.max_padding)


def _part(whole: Packing, numbers: list[int], packing: Packing) -> Part:
    prompts = torch.tensor(numbers, device=whole.order.device)
    prompt, token = packing.prompt_and_token
    return Part(prompts, whole.find(prompts[prompt], token), packing)

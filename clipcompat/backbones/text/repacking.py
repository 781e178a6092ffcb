"""Packings made of packings: cut into parts, joined, or with more rows in every prompt."""

from __future__ import annotations

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
    """Some prompts of a packing. prompts: their numbers there; rows: [row], where each row of `packing` lies there."""

    prompts: Tensor
    rows: Tensor
    packing: Packing


def cut(packing: Packing, most: int) -> list[Part]:
    """The same prompts, in several packings of hardly more than `most` rows each; leads are repeated in each.

    Groups stay whole where several of them are that small. Else a group's segments are cut where they lie, so that
    without leads the rows of all parts, one after the other, are those of the packing.
    """
    of_group = packing.rows / packing.groups
    if of_group > most:
        return [_part(packing, *some) for group in range(packing.groups) for some in _cut_group(packing, group, most)]
    together, found = int(most // of_group), []
    for first in range(0, packing.groups, together):
        groups = min(together, packing.groups - first)
        ids = list(range(first * packing.each, (first + groups) * packing.each))
        lengths, device = [packing.lengths[i] for i in ids], packing.order.device
        found.append(_part(packing, ids, Packing.of(lengths, packing.shared, groups, packing.spare, device)))
    return found


@lru_cache(maxsize=32)
def longer(packing: Packing, rows: int) -> Packing:
    """The same with so many more rows in every lead, or where there are none, in every prompt."""
    segments, shared = packing.segments, packing.shared
    if shared:
        shared += rows
    else:
        segments = tuple(replace(s, rows=s.rows + rows) for s in segments)
    return replace(packing, lengths=tuple(n + rows for n in packing.lengths), shared=shared, segments=segments)


@lru_cache(maxsize=32)
def joined(packings: tuple[Packing, ...]) -> tuple[Packing, Tensor]:
    """Several packings as one with all their groups, and for each of its rows where it lies in their concatenation.

    Raises:
        ConfigError: their groups differ in size, or in what they share.
    """
    first, device = packings[0], packings[0].order.device
    kinds = {(p.each, p.shared) for p in packings}
    if len(kinds) > 1:
        raise ConfigError(f"packings of one kind are needed; these have (prompts, shared rows) {sorted(kinds)}.")
    lengths = [n for p in packings for n in p.lengths]
    packing = Packing.of(lengths, first.shared, sum(p.groups for p in packings), first.spare, device)
    prompt, token = packing.places
    rows, at, of = torch.empty_like(prompt), 0, 0
    for p in packings:
        mine = (prompt >= of) & (prompt < of + len(p.lengths))
        rows[mine] = at + p.find(prompt[mine] - of, token[mine])
        at, of = at + p.rows, of + len(p.lengths)
    return packing, rows


def _cut_group(packing: Packing, group: int, most: int) -> Iterator[tuple[list[int], Packing]]:
    """One group's prompts in the order they lie in, as many together as have at most `most` rows."""
    start = packing.start.tolist()
    ids = sorted(range(group * packing.each, (group + 1) * packing.each), key=start.__getitem__)
    own = packing.own.tolist()
    cuts, rows = [[]], packing.shared
    for i in ids:
        if cuts[-1] and rows + own[i] > most:
            cuts.append([])
            rows = packing.shared
        cuts[-1].append(i)
        rows += own[i]
    for some in cuts:
        segments = tuple(Segment(0, 1, len(list(same)), n) for n, same in groupby(own[i] for i in some))
        lengths, order = tuple(packing.lengths[i] for i in some), torch.arange(len(some), device=packing.order.device)
        yield some, Packing(lengths, packing.shared, 1, segments, order, packing.spare)


def _part(whole: Packing, ids: list[int], packing: Packing) -> Part:
    prompts = torch.tensor(ids, device=whole.order.device)
    prompt, token = packing.places
    return Part(prompts, whole.find(prompts[prompt], token), packing)

"""Prompts of different lengths as one matrix of rows: nothing padded, and what they share is there once.

    lead of group 0 | lead of group 1 | … | segment 0 | segment 1 | …

A lead is the rows that all prompts of a group begin with; a segment holds the other rows of prompts that have equally
many of them, group by group, one prompt after the other. Everything in a transformer but attention acts on single rows
and does not care whose they are; attention goes through leads and segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import groupby

import torch
from torch import Tensor

from clipcompat.errors import ConfigError


@dataclass(frozen=True)
class Segment:
    """Prompts with equally many rows of their own.

    first, groups: the groups they belong to. prompts: how many in each group. rows: of each, after the lead.
    """

    first: int
    groups: int
    prompts: int
    rows: int

    @property
    def size(self) -> int:
        return self.groups * self.prompts * self.rows


@dataclass(frozen=True, eq=False)
class Packing:
    """Where each row of each prompt lies.

    lengths: rows of each prompt, EOT included, in the caller's order, group by group.
    shared: rows of a lead. groups: how many leads. segments: in the order of their rows. spare: see `of`.
    order: [prompt], int64, the caller's numbers of the prompts as segments have them, on the device of the rows.
    """

    lengths: tuple[int, ...] = field(repr=False)
    shared: int
    groups: int
    segments: tuple[Segment, ...]
    order: Tensor = field(repr=False)
    spare: float = 0

    @staticmethod
    def of(
        lengths: Sequence[int], shared: int = 0, groups: int = 1, spare: float = 0, device: torch.device | str = "cpu"
    ) -> Packing:
        """Pack prompts of these lengths.

        spare: rows that cost less than one more segment. Prompts are padded with at most so many to join the next
            longer ones; the padding comes after EOT, where nobody looks.
        """
        lengths = tuple(lengths)
        if not lengths or len(lengths) % groups or min(lengths) <= shared:
            raise ConfigError(
                f"{len(lengths)} prompts, the shortest of {min(lengths, default=0)} rows, cannot be packed as {groups} "
                f"groups that share {shared} rows: groups are of one size, and a prompt ends after what it shares."
            )
        each = len(lengths) // groups
        lists = [lengths[g * each : (g + 1) * each] for g in range(groups)]
        # groups of the same lengths have their segments in common
        spans = [(0, groups)] if len(set(lists)) == 1 else [(g, 1) for g in range(groups)]
        segments, order = [], []
        for first, count in spans:
            for members, rows in _buckets(lists[first], shared, spare / count):
                segments.append(Segment(first, count, len(members), rows))
                order.append((each * torch.arange(first, first + count)[:, None] + torch.tensor(members)).flatten())
        return Packing(lengths, shared, groups, tuple(segments), torch.cat(order).to(device), spare)

    @property
    def each(self) -> int:
        """Prompts a group."""
        return len(self.lengths) // self.groups

    @property
    def rows(self) -> int:
        return self.groups * self.shared + sum(s.size for s in self.segments)

    @property
    def padded(self) -> bool:
        """Whether some prompt has rows after its EOT."""
        return self.rows > sum(self.lengths) - self.shared * (len(self.lengths) - self.groups)

    @cached_property
    def sizes(self) -> tuple[list[int], list[int]]:
        """Rows of all leads, then of each segment; and prompts of each segment."""
        return (
            [self.groups * self.shared, *(s.size for s in self.segments)],
            [s.groups * s.prompts for s in self.segments],
        )

    @cached_property
    def restore(self) -> Tensor:
        """[prompt], at which place of `order` each prompt is."""
        return self.order.argsort()

    @cached_property
    def start(self) -> Tensor:
        """[prompt], the packed row of its first own row; prompts in the caller's order."""
        rows = torch.tensor([s.rows for s in self.segments]).repeat_interleave(torch.tensor(self.sizes[1]))
        return (self.groups * self.shared + rows.cumsum(0) - rows).to(self.order.device)[self.restore]

    @cached_property
    def ends(self) -> tuple[Tensor, Tensor]:
        """[prompt] each, in the order of segments: the packed row of its EOT, and that among its own rows."""
        own = torch.tensor(self.lengths, device=self.order.device)[self.order] - self.shared - 1
        return self.start[self.order] + own, own

    @cached_property
    def places(self) -> tuple[Tensor, Tensor]:
        """[row] each: which prompt's (caller's number), and which of its rows; a lead's are its first prompt's."""
        prompt = [self.each * torch.arange(self.groups).repeat_interleave(self.shared)]
        token = [torch.arange(self.shared).repeat(self.groups)]
        for segment, ids in zip(self.segments, self.order.cpu().split(self.sizes[1]), strict=True):
            prompt.append(ids.repeat_interleave(segment.rows))
            token.append(self.shared + torch.arange(segment.rows).repeat(len(ids)))
        return torch.cat(prompt).to(self.order.device), torch.cat(token).to(self.order.device)

    def find(self, prompt: Tensor, token: Tensor) -> Tensor:
        """Packed rows of these rows of these prompts; what lies beyond a prompt's EOT is its EOT."""
        own = (self.start[prompt] + token - self.shared).minimum(self.ends[0][self.restore[prompt]])
        return torch.where(token < self.shared, prompt // self.each * self.shared + token, own)

    def parts(self, most: int) -> list[Part]:
        """The same prompts as several packings of hardly more than `most` rows each; leads are repeated in each.

        Groups stay whole where several of them are that small.
        """
        of_group = self.rows / self.groups
        if self.rows <= most:
            chosen = [(list(range(len(self.lengths))), self.groups)]
        elif of_group <= most:
            together = int(most // of_group)
            cuts = [range(g, min(g + together, self.groups)) for g in range(0, self.groups, together)]
            chosen = [(list(range(cut[0] * self.each, (cut[-1] + 1) * self.each)), len(cut)) for cut in cuts]
        else:
            groups = [range(g * self.each, (g + 1) * self.each) for g in range(self.groups)]
            chosen = [(ids, 1) for group in groups for ids in _cut(group, self.lengths, self.shared, most)]
        return [self._part(ids, groups) for ids, groups in chosen]

    def _part(self, ids: list[int], groups: int) -> Part:
        packing = Packing.of([self.lengths[i] for i in ids], self.shared, groups, self.spare, self.order.device)
        prompts = torch.tensor(ids, device=self.order.device)
        prompt, token = packing.places
        return Part(prompts, self.find(prompts[prompt], token), packing)


@dataclass(frozen=True, eq=False)
class Part:
    """Some prompts of a packing. prompts: their numbers there; rows: [row], where each row of `packing` lies there."""

    prompts: Tensor
    rows: Tensor
    packing: Packing


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


def _buckets(lengths: Sequence[int], shared: int, spare: float) -> list[tuple[list[int], int]]:
    """(prompts, own rows), shortest first; a bucket joins the next where that pads at most `spare` rows."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    buckets: list[tuple[list[int], int]] = []
    for length, ids in groupby(order, key=lengths.__getitem__):
        rows = length - shared
        cheap = buckets and len(buckets[-1][0]) * (rows - buckets[-1][1]) <= spare
        buckets.append(((buckets.pop()[0] if cheap else []) + list(ids), rows))
    return buckets


def _cut(ids: Sequence[int], lengths: Sequence[int], shared: int, most: int) -> list[list[int]]:
    """Prompts by length, as many together as have at most `most` rows."""
    cuts, rows = [[]], shared
    for i in sorted(ids, key=lengths.__getitem__):
        own = lengths[i] - shared
        if cuts[-1] and rows + own > most:
            cuts.append([])
            rows = shared
        cuts[-1].append(i)
        rows += own
    return cuts

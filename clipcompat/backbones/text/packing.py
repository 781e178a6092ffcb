"""Prompts of different lengths as one matrix of rows: nothing padded, and what they share is there once.

    lead of group 0 | lead of group 1 | … | segment 0 | segment 1 | …

A lead is the rows that all prompts of a group begin with; a segment holds the other rows of prompts that have equally
many of them, group by group, one prompt after the other. Everything in a transformer but attention acts on single rows
and does not care whose they are; attention goes through leads and segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby

import torch
from torch import Tensor

from clipcompat.common.errors import ConfigError


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
    def own(self) -> Tensor:
        """[prompt], rows of its own, padding included; prompts in the caller's order."""
        rows = torch.tensor([s.rows for s in self.segments]).repeat_interleave(torch.tensor(self.sizes[1]))
        return rows.to(self.order.device)[self.restore]

    @cached_property
    def start(self) -> Tensor:
        """[prompt], the packed row of its first own row; prompts in the caller's order."""
        rows = self.own[self.order]
        return (self.groups * self.shared + rows.cumsum(0) - rows)[self.restore]

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
        """Packed rows of these rows of these prompts; what lies beyond a prompt's rows is its last one."""
        own = self.start[prompt] + (token - self.shared).minimum(self.own[prompt] - 1)
        return torch.where(token < self.shared, prompt // self.each * self.shared + token, own)


def _buckets(lengths: Sequence[int], shared: int, spare: float) -> list[tuple[list[int], int]]:
    """(prompts, own rows), shortest first; a bucket joins the next where that pads at most `spare` rows."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    buckets: list[tuple[list[int], int]] = []
    for length, ids in groupby(order, key=lengths.__getitem__):
        rows = length - shared
        cheap = buckets and len(buckets[-1][0]) * (rows - buckets[-1][1]) <= spare
        buckets.append(((buckets.pop()[0] if cheap else []) + list(ids), rows))
    return buckets

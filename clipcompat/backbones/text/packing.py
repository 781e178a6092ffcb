"""Prompts of different lengths as one matrix of rows: no padding, and a shared prefix is stored once per group.

    prefix of group 0 | prefix of group 1 | … | segment 0 | segment 1 | …

A prefix is the rows that all prompts of a group begin with; the rows after it are a prompt's own rows. A segment holds
the own rows of prompts that have equally many: group by group, one prompt after the other. Everything in a transformer
except attention acts on single rows and can ignore this layout; attention goes through prefixes and segments.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby

import torch
from torch import Tensor

from clipcompat.common.errors import ConfigError


@dataclass(frozen=True)
class Segment:
    """Prompts with equally many own rows.

    first_group, groups: the groups they belong to. prompts: how many per group. rows: own rows per prompt.
    """

    first_group: int
    groups: int
    prompts: int
    rows: int

    @property
    def size(self) -> int:
        return self.groups * self.prompts * self.rows


@dataclass(frozen=True, eq=False)
class Packing:
    """Where each row of each prompt lies. Prompts are numbered in the caller's order, group by group.

    lengths: rows of each prompt, EOT included. shared: rows of a prefix. groups: number of prefixes.
    segments: in the order of their rows. max_padding: see `of`.
    order: [prompt], int64: the prompts' numbers in the order of the segments, on the device of the rows.
    """

    lengths: tuple[int, ...] = field(repr=False)
    shared: int
    groups: int
    segments: tuple[Segment, ...]
    order: Tensor = field(repr=False)
    max_padding: float = 0

    @staticmethod
    def of(
        lengths: Sequence[int],
        shared: int = 0,
        groups: int = 1,
        max_padding: float = 0,
        device: torch.device | str = "cpu",
    ) -> "Packing":
        """Pack prompts of these lengths.

        max_padding: rows that cost as much as one more segment. Prompts join the segment of the next longer ones if
            that adds at most so many rows of padding. Padding comes after EOT, where no row attends to it.
        """
        lengths = tuple(lengths)
        if not lengths or len(lengths) % groups or min(lengths) <= shared:
            raise ConfigError(
                f"{len(lengths)} prompts, the shortest of {min(lengths, default=0)} rows, cannot be packed as {groups} "
                f"groups that share {shared} rows: groups are of one size, and a prompt ends after what it shares."
            )
        per_group = len(lengths) // groups
        lists = [lengths[g * per_group : (g + 1) * per_group] for g in range(groups)]
        # groups whose prompts have the same lengths have their segments in common
        spans = [(0, groups)] if len(set(lists)) == 1 else [(g, 1) for g in range(groups)]
        segments, order = [], []
        for first, count in spans:
            for prompts, rows in _buckets(lists[first], shared, max_padding / count):
                segments.append(Segment(first, count, len(prompts), rows))
                start = per_group * torch.arange(first, first + count)[:, None]  # [group, 1]
                order.append((start + torch.tensor(prompts)).flatten())  # [group, prompt] -> [group · prompt]
        return Packing(lengths, shared, groups, tuple(segments), torch.cat(order).to(device), max_padding)

    @property
    def per_group(self) -> int:
        """Prompts per group."""
        return len(self.lengths) // self.groups

    @property
    def rows(self) -> int:
        return sum(self.row_counts)

    @property
    def padded(self) -> bool:
        """Whether some prompt has rows after its EOT."""
        return self.rows > sum(self.lengths) - self.shared * (len(self.lengths) - self.groups)

    @cached_property
    def row_counts(self) -> list[int]:
        """Rows of all prefixes together, then of each segment."""
        return [self.groups * self.shared, *(s.size for s in self.segments)]

    @cached_property
    def prompt_counts(self) -> list[int]:
        """Prompts of each segment."""
        return [s.groups * s.prompts for s in self.segments]

    @cached_property
    def restore(self) -> Tensor:
        """[prompt], the position of each prompt in `order`."""
        return self.order.argsort()

    @cached_property
    def own_counts(self) -> Tensor:
        """[prompt], its own rows, padding included."""
        rows = torch.tensor([s.rows for s in self.segments]).repeat_interleave(torch.tensor(self.prompt_counts))
        return rows.to(self.order.device)[self.restore]

    @cached_property
    def own_starts(self) -> Tensor:
        """[prompt], the packed row of its first own row."""
        rows = self.own_counts[self.order]
        return (self.groups * self.shared + rows.cumsum(0) - rows)[self.restore]

    @cached_property
    def eot_rows(self) -> tuple[Tensor, Tensor]:
        """[prompt] each, in the order of segments: the packed row of its EOT, and that row's index among its own."""
        own = torch.tensor(self.lengths, device=self.order.device)[self.order] - self.shared - 1
        return self.own_starts[self.order] + own, own

    @cached_property
    def prompt_and_token(self) -> tuple[Tensor, Tensor]:
        """[row] each: the prompt and the token that lie there; a prefix counts as the first prompt's of its group."""
        prompt = [self.per_group * torch.arange(self.groups).repeat_interleave(self.shared)]
        token = [torch.arange(self.shared).repeat(self.groups)]
        for segment, numbers in zip(self.segments, self.order.cpu().split(self.prompt_counts), strict=True):
            prompt.append(numbers.repeat_interleave(segment.rows))
            token.append(self.shared + torch.arange(segment.rows).repeat(len(numbers)))
        return torch.cat(prompt).to(self.order.device), torch.cat(token).to(self.order.device)

    def find(self, prompt: Tensor, token: Tensor) -> Tensor:
        """The packed rows of these tokens of these prompts; a token beyond a prompt's rows gives its last row."""
        own = self.own_starts[prompt] + (token - self.shared).minimum(self.own_counts[prompt] - 1)
        return torch.where(token < self.shared, prompt // self.per_group * self.shared + token, own)


def _buckets(lengths: Sequence[int], shared: int, max_padding: float) -> list[tuple[list[int], int]]:
    """(prompts, own rows), shortest first; a bucket joins the next if that adds at most `max_padding` rows."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    buckets: list[tuple[list[int], int]] = []
    for length, prompts in groupby(order, key=lengths.__getitem__):
        rows = length - shared
        join = buckets and len(buckets[-1][0]) * (rows - buckets[-1][1]) <= max_padding
        buckets.append(((buckets.pop()[0] if join else []) + list(prompts), rows))
    return buckets

"""What plug-ins lose in each step of a chain of upgrades, and what they lose when steps are taken at once.

    chains = chains_of(committed_records("chain"))       # one per method, dataset and seed
    chains[0].shortfall(0, 2)                            # points below a plug-in that was tuned on the third generation

A plug-in that is carried unchanged has the same tensors everywhere, so that a chain of carries ends where one carry at
once ends. Step by step differs only if it is tuned again on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from clipcompat.runs.records import Record
from clipcompat.studies.comparison import Comparison
from clipcompat_book.means import groups
from clipcompat_book.words import method_titles


@dataclass(frozen=True)
class Chain:
    """The plug-ins of one method, dataset and seed, one tuned on each generation, in percent.

    method: its title. accuracy: (generation it was tuned on, generation it is tested on) -> accuracy; generations count
    from 0. zero_shot: by generation.
    """

    method: str
    dataset: str
    seed: int
    accuracy: Mapping[tuple[int, int], float]
    zero_shot: tuple[float, ...]

    @property
    def last(self) -> int:
        """The number of the last generation."""
        return len(self.zero_shot) - 1

    def gain(self, tuned: int, there: int) -> float:
        """Points above zero-shot on the same generation."""
        return self.accuracy[tuned, there] - self.zero_shot[there]

    def shortfall(self, tuned: int, there: int) -> float:
        """Points that the plug-in of one generation is below the one that was tuned there."""
        return self.accuracy[there, there] - self.accuracy[tuned, there]

    @property
    def steps(self) -> list[float]:
        """The shortfall after one step, for each step: of the plug-in tuned just before it."""
        return [self.shortfall(j, j + 1) for j in range(self.last)]

    @property
    def excess(self) -> float:
        """How much more all steps at once lose than the single steps together."""
        return self.shortfall(0, self.last) - sum(self.steps)


Measure = Callable[[Chain], float]


def chains_of(records: Sequence[Record]) -> list[Chain]:
    """A chain for each method, dataset and seed of records of the study "chain", methods in the registry's order.

    Methods that were tuned on the oldest generation alone, such as zero-shot, are left out.
    """
    by_title = groups(records, lambda record: record.titles.method)
    rows = [(r, row) for title in method_titles(records) for r in by_title[title] for row in r.per_seed]
    return [_chain(record, row) for record, row in rows if "from_1_at_1" in row]


def by_method(chains: Iterable[Chain]) -> dict[str, list[Chain]]:
    """Method -> its chains."""
    return groups(chains, lambda chain: chain.method)


def over_sets(chains: Iterable[Chain], measure: Measure) -> Comparison:
    """A difference that every chain has in itself, over datasets and seeds of one method."""
    own = {("", c.dataset, c.seed): measure(c) for c in chains}
    return Comparison.of(own, dict.fromkeys(own, 0.0))


def _chain(record: Record, row: Mapping[str, float]) -> Chain:
    count = sum(name.startswith("zero_shot_at_") for name in row)
    accuracy = {(i, j): row[f"from_{i}_at_{j}"] for i in range(count) for j in range(i, count)}
    zero_shot = tuple(row[f"zero_shot_at_{j}"] for j in range(count))
    return Chain(record.titles.method, record.dataset, row["seed"], accuracy, zero_shot)

"""Statistics over seeds, datasets and pairs of backbones in plain loops, as textbooks have them.

Hierarchical bootstrap: Davison and Hinkley 1997, 3.8; with two crossed levels, Owen 2007. Signed ranks: Wilcoxon 1945.
Holm 1979. Cells are pair -> dataset -> differences, one per seed; every pair has the same datasets.
"""

from __future__ import annotations

import itertools
import random
from statistics import fmean, pvariance

T = {2: 12.7062047362, 3: 4.3026527297, 4: 3.1824463053, 5: 2.7764451052, 11: 2.2281388520}
"""Number of values -> the 0.975 quantile of t with one degree of freedom fewer, from a printed table."""

Cells = dict[str, dict[str, list[float]]]


def draw(cells: Cells, generator: random.Random) -> float:
    """One draw: pairs, then datasets that serve all of these pairs, then seeds of each."""
    pairs = [generator.choice(list(cells)) for _ in cells]
    names = list(next(iter(cells.values())))
    datasets = [generator.choice(names) for _ in names]
    means = []
    for pair in pairs:
        for dataset in datasets:
            seeds = cells[pair][dataset]
            means.append(fmean(generator.choice(seeds) for _ in seeds))
    return fmean(means)


def spread(cells: Cells) -> float:
    """The standard deviation of infinitely many draws, from the components of variance."""
    pairs, names = list(cells), list(next(iter(cells.values())))
    mean = {(p, d): fmean(cells[p][d]) for p in pairs for d in names}
    whole = fmean(mean.values())
    of_pair = {p: fmean(mean[p, d] for d in names) - whole for p in pairs}
    of_dataset = {d: fmean(mean[p, d] for p in pairs) - whole for d in names}
    rest = [mean[p, d] - whole - of_pair[p] - of_dataset[d] for p in pairs for d in names]
    seeds = [pvariance(cells[p][d]) / len(cells[p][d]) for p in pairs for d in names]
    variance = pvariance(of_pair.values()) / len(pairs) + pvariance(of_dataset.values()) / len(names)
    variance += (fmean(r * r for r in rest) + fmean(seeds)) / (len(pairs) * len(names))
    return variance**0.5


def signed_rank(gaps: list[float]) -> float:
    """The two-sided p-value: of all signs, the share with a sum of ranks at least as far from the middle."""
    gaps = [gap for gap in gaps if gap]
    size = sorted(abs(gap) for gap in gaps)
    ranks = [fmean(i + 1 for i, other in enumerate(size) if other == abs(gap)) for gap in gaps]
    middle = sum(ranks) / 2
    seen = abs(sum(rank for rank, gap in zip(ranks, gaps, strict=True) if gap > 0) - middle)
    sums = [
        sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        for signs in itertools.product((0, 1), repeat=len(gaps))
    ]
    return sum(abs(s - middle) >= seen - 1e-9 for s in sums) / len(sums)


def holm(p_values: list[float]) -> list[float]:
    """Adjusted p-values: for each, the least level at which the step-down procedure rejects it."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    for place, i in enumerate(order):
        steps = [(len(p_values) - k) * p_values[order[k]] for k in range(place + 1)]
        adjusted[i] = min(1.0, max(steps))
    return adjusted

"""CoOp with its context at each layer of the text tower: records of the study "depth", by way of training and layer.

    found = depth(committed_records("depth"))
    found.over_seeds(NOISE, attrgetter("new"))    # {0: Statistic, 1: …}: layer -> mean over datasets
    found.against_layer_0(NOISE, attrgetter("new"))    # {1: Statistic of differences, paired by seed, …}

A value per seed is a mean over the datasets, so an interval says how far other draws of training pictures would move
it. It says nothing of other datasets than these few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from clipcompat.common.errors import ConfigError
from clipcompat.methods.coop import CoOp
from clipcompat.methods.defaults import default_method
from clipcompat.runs.records import Record
from clipcompat.studies.report import Compatibility, kept_gain
from clipcompat.studies.statistic import Statistic
from clipcompat_book.means import by_seed, groups, reports_of

NOISE, NOISE_TUNED, INSERTED = "noise", "noise, rate tuned", "noise, inserted"
HIDDEN, HIDDEN_TUNED = "hidden states", "hidden states, rate tuned"
WAYS = (NOISE, INSERTED, NOISE_TUNED, HIDDEN, HIDDEN_TUNED)
"""What a context starts from, and its learning rate: CoOp's, or one tuned at each layer (`rates`).

Inserted rows come between SOS and the name; the others overwrite placeholders, which ran through the blocks below.
"""
_ALSO = {NOISE: (INSERTED, NOISE_TUNED), HIDDEN: (HIDDEN_TUNED,)}
"""Ways with the same layer 0: inserting is overwriting there, and CoOp's rate was tuned there."""
_SHARE = ("new", "zs_new", "retrained")

Measure = Callable[[Compatibility], float]


@dataclass(frozen=True)
class Depth:
    """way -> layer -> the reports of all datasets and seeds; ways in the order of `WAYS`, layers from 0."""

    reports: Mapping[str, Mapping[int, list[Compatibility]]]

    @property
    def datasets(self) -> list[str]:
        return sorted({r.dataset for layers in self.reports.values() for own in layers.values() for r in own})

    def on(self, dataset: str) -> Depth:
        """The same of one dataset."""
        kept = {
            way: {layer: [r for r in own if r.dataset == dataset] for layer, own in layers.items()}
            for way, layers in self.reports.items()
        }
        return Depth(kept)

    def by_seed(self, way: str, measure: Measure) -> dict[int, dict[int, float]]:
        """Layer -> seed -> mean over datasets."""
        return {layer: by_seed(own, measure) for layer, own in self.reports[way].items()}

    def over_seeds(self, way: str, measure: Measure) -> dict[int, Statistic]:
        """Layer -> mean over datasets, with the interval over seeds."""
        return {layer: Statistic.of(list(own.values())) for layer, own in self.by_seed(way, measure).items()}

    def against_layer_0(self, way: str, measure: Measure) -> dict[int, Statistic]:
        """Layer -> this layer minus layer 0, paired by seed."""
        own = self.by_seed(way, measure)
        return {layer: Statistic.paired(values, own[0]) for layer, values in own.items() if layer and 0 in own}

    def kept_by_seed(self, way: str) -> dict[int, dict[int, float]]:
        """Layer -> seed -> kept gain in percent, of means over datasets.

        Layers where the gain of retraining is not above 0 by its interval are left out: a share of nothing means
        nothing.
        """
        found = {}
        for layer, gained in self.over_seeds(way, retrained_gain).items():
            seeds = groups(self.reports[way][layer], lambda report: report.seed)
            shares = {
                seed: kept_gain(*(fmean(getattr(r, f) for r in rs) for f in _SHARE)) for seed, rs in seeds.items()
            }
            if gained.direction == "higher" and None not in shares.values():
                found[layer] = {seed: 100 * share for seed, share in shares.items()}
        return found

    def kept(self, way: str) -> dict[int, Statistic | None]:
        """Layer -> the same with the interval over seeds; None where it was left out."""
        shares = self.kept_by_seed(way)
        return {n: Statistic.of(list(shares[n].values())) if n in shares else None for n in self.reports[way]}


def depth(records: Iterable[Record]) -> Depth:
    """The records by way and layer, of one upgrade. Other methods are left out, and layers that some dataset lacks.

    Raises:
        ConfigError: there are no such records.
    """
    found: dict[str, dict[int, list[Record]]] = {way: {} for way in WAYS}
    for record in records:
        config = record.inputs["method"]["config"]
        if record.method != CoOp.name or config["csc"] or (config["insert"] and not config["layer"]):
            continue
        way, layer = _way(record, config), config["layer"]
        for one in (way, *(_ALSO.get(way, ()) if layer == 0 else ())):
            found[one].setdefault(layer, []).append(record)
    most = max((len(own) for layers in found.values() for own in layers.values()), default=0)  # datasets of a layer
    kept = {
        way: {layer: reports_of(own) for layer, own in sorted(layers.items()) if len(own) == most}
        for way, layers in found.items()
    }
    kept = {way: layers for way, layers in kept.items() if set(layers) - {0}}
    if not kept:
        raise ConfigError("there are no records of CoOp at deeper layers; `clipcompat sweep depth` makes them.")
    return Depth(kept)


def _way(record: Record, config: Mapping[str, Any]) -> str:
    if config["insert"]:
        return INSERTED
    plain = default_method(CoOp.name, record.dataset, record.inputs["upgrade"])
    as_is = config["recipe"]["lr"] == plain.recipe.lr
    if config["ctx_init"]:
        return HIDDEN if as_is else HIDDEN_TUNED
    return NOISE if as_is else NOISE_TUNED


def old_gain(report: Compatibility) -> float:
    """Points above zero-shot on the backbone of training: how much there is to gain at all."""
    return report.old - report.zs_old


def retrained_gain(report: Compatibility) -> float:
    """Points that training on the new backbone gains there."""
    return report.retrained - report.zs_new


def lost(report: Compatibility) -> float:
    """Points that the carried context is below one that was trained on the new backbone."""
    return report.retrained - report.new

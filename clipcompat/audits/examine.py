"""One plug-in of an audit: what it answers on both backbones, and what follows."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from torch import Tensor

from clipcompat.audits.findings import PluginAudit
from clipcompat.audits.pictures import Pictures
from clipcompat.audits.predictor import TOLD, UNTOLD
from clipcompat.audits.scores import Measured, Predicted, Scores
from clipcompat.audits.verdict import IMITATED, Case, expect, how_firm, judge
from clipcompat.audits.words import nearest_words
from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, DataError, IncompatibleError
from clipcompat.common.progress import Progress
from clipcompat.data.split import Split
from clipcompat.features.encode import Cache
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.plugin import Plugin
from clipcompat.plugins.repair.repair import repair
from clipcompat.plugins.repair.translate import is_translatable
from clipcompat.studies.accuracy import checked_logits

_AGAIN = "Tune it again there."
_UNMAPPED = "Give the old backbone, too, to learn what a map gives back (on the command line: --old)."


@dataclass(frozen=True)
class Bench:
    """What all plug-ins of an audit share. old: None if only the new backbone is known.

    old_accuracy: of all plug-ins or by name, percent, for those whose pictures have no labels.
    zero_shot: (backbone, classes, template) -> its logits, so that common classes are read once.
    """

    new: Backbone
    old: Backbone | None
    pictures: Pictures | None
    cache: Cache = None
    progress: Progress | None = None
    old_accuracy: float | Mapping[str, float] | None = None
    zero_shot: dict[tuple, Tensor] = field(default_factory=dict, repr=False)

    @property
    def backbones(self) -> list[Backbone]:
        return [self.new] if self.old is None else [self.old, self.new]

    def known(self, name: str) -> float | None:
        """The accuracy on old of the plug-in of this name, percent, if it was told."""
        told = self.old_accuracy
        return told.get(name) if isinstance(told, Mapping) else told

    def answers(self, plugin: Plugin, backbone: Backbone, split: Split) -> Tensor:
        """Its logits, [image, class], on the CPU. Errors as for `checked_logits`."""
        return checked_logits(plugin, backbone, split, cache=self.cache, progress=self.progress).cpu()

    def of_zero_shot(self, plugin: Plugin, backbone: Backbone, split: Split) -> Tensor:
        """The same of zero-shot with the plug-in's classes and template."""
        key = (backbone.stamp, split.classnames, split.template)
        if key not in self.zero_shot:
            named = Plugin(ZeroShot(), {}, {**plugin.origin, "template": split.template})
            self.zero_shot[key] = self.answers(named, backbone, split)
        return self.zero_shot[key]


def examine(plugin: Plugin, name: str, bench: Bench) -> PluginAudit:
    """The row of one plug-in.

    Raises:
        ConfigError: it was not tuned on the old backbone. DataError: no picture is of its classes.
    """
    evidence = "structure" if bench.pictures is None else "measured" if bench.pictures.labelled else "predicted"
    blank = PluginAudit(name, plugin.method.title, evidence, None)
    match = plugin.match(bench.new)
    if match.kind == "exact":
        return _finish(blank, plugin, bench, verdict="keep", reasons=(match.why,), minutes=0.0)
    if bench.old is not None and not plugin.is_tuned_on(bench.old):
        tuned_on = plugin.origin["backbone"]
        raise ConfigError(
            f"it was tuned on {tuned_on['name']} (stamp {tuned_on['stamp']}), and the upgrade starts from "
            f"{bench.old.name} (stamp {bench.old.stamp}). Audit it with the upgrade that starts from its own backbone "
            f"(on the command line: --old {tuned_on['name']})."
        )
    fits = match.kind != "incompatible"
    if bench.pictures is None:
        return _expected(plugin, blank, bench, match.why, fits)
    return _looked_at(plugin, blank, bench, None if fits else match.why)


def _expected(plugin: Plugin, blank: PluginAudit, bench: Bench, why: str, fits: bool) -> PluginAudit:
    """The row of a plug-in without pictures. why: it fits new, or not."""
    method = plugin.method
    if method.needs == "nothing":
        return _finish(blank, plugin, bench, verdict="keep", reasons=(f"{why} It learns nothing.",), minutes=0.0)
    verdict, known = expect(method.name, is_translatable(method), _goes_on(plugin) and fits)
    if not fits and verdict != "repair":
        reasons = (known,) if is_translatable(method) else ()
        return replace(blank, verdict="retrain", error=f"{why} {_AGAIN}", reasons=reasons, minutes=_minutes(plugin))
    cost = None if verdict == "repair" else _minutes(plugin)
    return _finish(blank, plugin, bench, verdict=verdict, reasons=(f"{why} Not measured.", known), minutes=cost)


def _looked_at(plugin: Plugin, blank: PluginAudit, bench: Bench, misfit: str | None) -> PluginAudit:
    """The row of a plug-in from its answers. misfit: why it cannot act on new as it is."""
    split, pictures = bench.pictures.for_plugin(plugin), bench.pictures
    rows, labels = pictures.labels_for(plugin) if pictures.labelled else (slice(None), None)
    if plugin.method.needs != "pixels":
        pictures.look(plugin.method.image_features, bench.backbones, bench.cache, bench.progress)
    scores = _scores(plugin, blank, bench, split, rows, labels)
    repaired, seconds, note = _repaired(plugin, bench)
    mapped = None if repaired is None else scores.accuracy(bench.answers(repaired, bench.new, split)[rows])[0]
    if misfit and mapped is None:
        blind = is_translatable(plugin.method) and bench.old is None
        told = f"{misfit} {_UNMAPPED if blind else _AGAIN}"
        reasons = (note,) if note else ()
        return replace(blank, verdict="retrain", error=told, reasons=reasons, minutes=_minutes(plugin))
    found: dict[str, Any] = {"pictures": len(split.images), "zero_shot": scores.zero_shot, "old": scores.old}
    notes = []
    if labels is not None and (dropped := len(split) - len(labels)):
        notes = [f"{dropped:,} pictures are of classes that it does not know, and were left out."]
        found["pictures"] = len(labels)
    if labels is None and bench.known(blank.name) is None:
        notes.append(
            "Its accuracy on old was not given (old_accuracy). Expected accuracies of this kind were "
            f"{UNTOLD.typical:.1f} points off on average on mini upgrades that the fit had not seen; with the accuracy "
            f"on old, {TOLD.typical:.1f}."
        )
    if not misfit:
        on_new = bench.answers(plugin, bench.new, split)[rows]
        found["expected"], found["interval"] = scores.accuracy(on_new)
        found |= scores.differences(on_new, split.classnames)
    case = Case(
        carried=None if misfit else found["expected"],
        zero_shot=scores.zero_shot,
        old=scores.old,
        repaired=mapped,
        trains=_goes_on(plugin) and not misfit,
        imitated=IMITATED.get(plugin.method.name),
    )
    verdict, after, why = judge(case)
    if labels is None:
        notes.append(how_firm(case, (UNTOLD if bench.known(blank.name) is None else TOLD).typical))
    if misfit and verdict == "repair":
        notes.append(misfit)
    elif misfit:
        found["error"] = f"{misfit} {_AGAIN}"
    if note and verdict != "keep":
        notes.append(note)
    cost = {"keep": 0.0, "repair": seconds and seconds / 60}.get(verdict, _minutes(plugin))
    return _finish(blank, plugin, bench, verdict=verdict, after=after, reasons=(why, *notes), minutes=cost, **found)


def _scores(plugin: Plugin, blank: PluginAudit, bench: Bench, split: Split, rows: Any, labels: Tensor | None) -> Scores:
    zs_new = bench.of_zero_shot(plugin, bench.new, split)[rows]
    on_old = None if bench.old is None else bench.answers(plugin, bench.old, split)[rows]
    if labels is not None:
        return Measured(labels, on_old, zs_new)
    return Predicted(on_old, zs_new, bench.known(blank.name))


def _goes_on(plugin: Plugin) -> bool:
    """Whether its training can go on from the carried tensors: it has epochs. An import does not say."""
    epochs = plugin.origin.get("epochs")
    return any(f.name == "recipe" for f in fields(plugin.method)) if epochs is None else epochs > 0


def _repaired(plugin: Plugin, bench: Bench) -> tuple[Plugin | None, float | None, str]:
    """The plug-in with a map, the seconds that took, and why there is none."""
    if not is_translatable(plugin.method) or bench.old is None:
        return None, None, ""
    start = time.perf_counter()
    upgrade = Upgrade(bench.old, bench.new)
    try:
        made = repair(plugin, upgrade, bench.pictures.pool, cache=bench.cache, progress=bench.progress or False)
    except (DataError, IncompatibleError) as error:
        return None, None, str(error)
    return made, time.perf_counter() - start, ""


def _finish(blank: PluginAudit, plugin: Plugin, bench: Bench, **found: Any) -> PluginAudit:
    words = {"words_new": nearest_words(plugin, bench.new)}
    if bench.old is not None and plugin.is_tuned_on(bench.old):
        words["words_old"] = nearest_words(plugin, bench.old)
    return replace(blank, **words, **found)


def _minutes(plugin: Plugin) -> float | None:
    """Of its own training; None for an import, whose file does not say."""
    seconds = plugin.origin.get("seconds")
    return None if seconds is None else seconds / 60

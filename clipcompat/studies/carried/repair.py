"""Carried, repaired without labels, or retrained: what each gives on the new backbone, by the number of pictures.

Pictures without labels are drawn from the training pool, nested: the first 25 are among the first 50. A plug-in whose
tensors live in image features is taken along by the maps `COMPARED` of `fit_map`; every other one imitates itself.
"""

from collections.abc import Iterator
from typing import Any

from clipcompat.common.errors import ConfigError
from clipcompat.data.mini.sets import SETS, study_names
from clipcompat.data.split import Dataset
from clipcompat.methods.parts.prompts import readable
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin
from clipcompat.plugins.repair.feature_map import COMPARED
from clipcompat.plugins.repair.pictures import unlabelled_pictures
from clipcompat.plugins.repair.repair import repair
from clipcompat.plugins.repair.translate import is_translatable, reads_sentences
from clipcompat.studies.carried.candidates import candidate_columns, zero_shot_columns
from clipcompat.studies.compatibility import look_once
from clipcompat.studies.experiment import Experiment, training_facts

MAPPED = (25, 50, 100, 200)
IMITATED = (50, 200)


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed.

    old, new: the plug-in on both, carried unchanged. zs_old, zs_new: zero-shot. retrained: with labels, if that was
    asked for. map_KIND_N, imitate_N: repaired with N pictures without labels; text_KIND: by a map from class names
    alone, for methods that can have one (see `repair`). With `_flips` behind: negative flips
    against the plug-in on old, in percent. pictures: how many the pool has; counts above it are left out,
    and so are counts below the number of classes for an imitation, which needs one picture of each.

    Raises:
        ConfigError: the method learns nothing.
    """
    upgrade, plugins, method = experiment.upgrade, experiment.plugins, experiment.plugins.method
    if method.needs == "nothing":
        raise ConfigError(f"{method.name} learns nothing, so that there is nothing to repair.")
    experiment.tune_together(upgrade.old, *([upgrade.new] if experiment.retrains else []))
    for seed, data in experiment.datasets.items():
        plugin = plugins.tune(upgrade.old, {seed: data})[seed]
        look_once(plugin, upgrade, (data,), experiment.cache, experiment.progress)
        again = [plugins.tune(upgrade.new, {seed: data})[seed]] if experiment.retrains else []
        candidates = {"new": plugin} | dict(zip(["retrained"], again, strict=False))
        candidates |= dict(_repaired(plugin, experiment, data, seed))
        zero_shot = fit(ZeroShot(), upgrade.old, data, progress=False)
        row = {"seed": seed, "pictures": len(data.unlabelled)}
        row |= candidate_columns(plugin, candidates, experiment, data)
        row |= zero_shot_columns(zero_shot, experiment, data)
        yield row | training_facts(plugin, *again)


def _repaired(plugin: Plugin, experiment: Experiment, data: Dataset, seed: int) -> Iterator[tuple[str, Plugin]]:
    upgrade, told = experiment.upgrade, experiment.options
    mapped = is_translatable(plugin.method)
    if reads_sentences(plugin.method):
        sentences = [f"a photo of a {readable(name)}." for name in _names(data)]
        for kind in COMPARED:
            yield f"text_{kind}", repair(plugin, upgrade, sentences=sentences, kind=kind, **told)
    for count in MAPPED if mapped else IMITATED:
        if count > len(data.unlabelled) or (count < len(data.classnames) and not mapped):
            continue
        pictures = unlabelled_pictures(data, count, seed)
        if mapped:
            for kind in COMPARED:
                yield f"map_{kind}_{count}", repair(plugin, upgrade, pictures, how="map", kind=kind, **told)
        else:
            views = {"views": experiment.plugins.views}
            yield f"imitate_{count}", repair(plugin, upgrade, pictures, how="imitate", **views, **told)


def _names(data: Dataset) -> list[str]:
    """Class names that need not be the task's: of all mini datasets, or ImageNet's thousand."""
    if data.kind == "mini":
        return sorted({name for dataset in study_names() for name in SETS[dataset].classes})
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES  # slow to import

    return list(IMAGENET_CLASSNAMES)

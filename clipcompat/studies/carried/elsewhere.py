"""Repaired by a map from other pictures than the task's: of one other set, or of all other sets together.

A map of the task's own pictures needs those pictures again for every plug-in. One from other pictures could be fitted
once, and serve all. Labels of the other sets are not read, and no picture of the task enters their maps.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clipcompat.common.errors import ConfigError
from clipcompat.data.pictures.joined import joined
from clipcompat.data.split import Dataset, Images
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin
from clipcompat.plugins.repair.feature_map import COMPARED
from clipcompat.plugins.repair.pictures import unlabelled_pictures
from clipcompat.plugins.repair.repair import repair
from clipcompat.plugins.repair.translate import is_translatable
from clipcompat.studies.carried.candidates import candidate_columns, zero_shot_columns
from clipcompat.studies.experiment import Experiment, training_facts

PICTURES = 200
MANY = 2000
"""Of all other sets together, to see whether more of them make up for what they are."""


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed.

    old, new: the plug-in on both, carried unchanged. zs_old, zs_new: zero-shot. retrained: with labels, if that was
    asked for. Repaired by a map of each kind of `COMPARED`: map_KIND_200, from the task's own pictures; other_KIND_200,
    from those of one other set; mixed_KIND_200 and mixed_KIND_2000, from those of all others, equally many of each.
    With `_flips` behind: negative flips against the plug-in on old, in percent. elsewhere: the name of the one other
    set, see `other_set`. What a pool is too small for is left out.

    Raises:
        ConfigError: no map can repair the method.
    """
    upgrade, plugins, method = experiment.upgrade, experiment.plugins, experiment.plugins.method
    if not is_translatable(method):
        raise ConfigError(f"no map of image features repairs {method.name}, so that there is none of other pictures.")
    experiment.tune_together(upgrade.old, *([upgrade.new] if experiment.retrains else []))
    for seed, data in experiment.datasets.items():
        plugin = plugins.tune(upgrade.old, {seed: data})[seed]
        again = [plugins.tune(upgrade.new, {seed: data})[seed]] if experiment.retrains else []
        candidates = {"new": plugin} | dict(zip(["retrained"], again, strict=False))
        candidates |= _repaired(plugin, experiment, drawn(data, experiment.others, seed))
        zero_shot = fit(ZeroShot(), upgrade.old, data, progress=False)
        row = {"seed": seed, "elsewhere": other_set(experiment.others, seed).name}
        row |= candidate_columns(plugin, candidates, experiment, data)
        row |= zero_shot_columns(zero_shot, experiment, data)
        yield row | training_facts(plugin, *again)


def other_set(others: Sequence[Dataset], seed: int) -> Dataset:
    """The one other set: with seed 1 the first, with seed 2 the second …, so that several are seen."""
    return others[(seed - 1) % len(others)]


def drawn(data: Dataset, others: Sequence[Dataset], seed: int) -> dict[str, Images]:
    """Pictures that maps are fitted on, by their columns' names, where {} stands for the kind of map."""
    sources = {
        f"map_{{}}_{PICTURES}": ([data], PICTURES),
        f"other_{{}}_{PICTURES}": ([other_set(others, seed)], PICTURES),
    }
    sources |= {f"mixed_{{}}_{count}": (others, count // len(others)) for count in (PICTURES, MANY)}
    return {
        name: joined([unlabelled_pictures(one, each, seed) for one in sets])
        for name, (sets, each) in sources.items()
        if all(each <= len(one.unlabelled) for one in sets)
    }


def _repaired(plugin: Plugin, experiment: Experiment, pictures: Mapping[str, Images]) -> dict[str, Plugin]:
    return {
        name.format(kind): repair(plugin, experiment.upgrade, seen, kind=kind, **experiment.options)
        for name, seen in pictures.items()
        for kind in COMPARED
    }

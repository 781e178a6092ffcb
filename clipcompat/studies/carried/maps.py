"""Every kind of map that a repair can have, from pictures, from captions, and from captions with means of pictures.

The study `repair` has the same plug-ins retrained, and three of the maps by the number of pictures.
"""

from collections.abc import Iterator
from typing import Any

from clipcompat.common.errors import ConfigError
from clipcompat.data.split import Dataset
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin
from clipcompat.plugins.repair.feature_map import MAPS
from clipcompat.plugins.repair.pictures import unlabelled_pictures
from clipcompat.plugins.repair.repair import repair
from clipcompat.plugins.repair.translate import is_translatable, reads_sentences, takes_residual
from clipcompat.studies.carried.candidates import candidate_columns, zero_shot_columns
from clipcompat.studies.carried.without_pictures import sentences_for
from clipcompat.studies.experiment import Experiment, training_facts

PICTURES = 200
SENTENCES = 200
SHOWN = (25, 200)
"""Pictures whose means give the shift of a map from sentences."""


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed.

    old, new: the plug-in on both, carried unchanged. zs_old, zs_new: zero-shot. map_KIND_200: repaired by a map of this
    kind from 200 pictures without labels; residual is left out for methods that need a matrix. sentences_200, for
    methods that can be mapped by sentences: by a rotation from `sentences_for`; means_N: by the same rotation, with
    the shift of the means of N pictures. With `_flips` behind: negative flips against the plug-in on old, in percent.
    pictures: how many the pool has; numbers of pictures above it are left out.

    Raises:
        ConfigError: no map can repair the method.
    """
    upgrade, plugins, method = experiment.upgrade, experiment.plugins, experiment.plugins.method
    if not is_translatable(method):
        raise ConfigError(f"no map of image features repairs {method.name}; the study `repair` lets it imitate itself.")
    experiment.tune_together(upgrade.old)
    for seed, data in experiment.datasets.items():
        plugin = plugins.tune(upgrade.old, {seed: data})[seed]
        zero_shot = fit(ZeroShot(), upgrade.old, data, progress=False)
        candidates = {"new": plugin} | dict(_repaired(plugin, experiment, data, seed))
        row = {"seed": seed, "pictures": len(data.unlabelled)}
        row |= candidate_columns(plugin, candidates, experiment, data)
        row |= zero_shot_columns(zero_shot, experiment, data)
        yield row | training_facts(plugin)


def _repaired(plugin: Plugin, experiment: Experiment, data: Dataset, seed: int) -> Iterator[tuple[str, Plugin]]:
    upgrade, told = experiment.upgrade, experiment.options
    drawn = {n: unlabelled_pictures(data, n, seed) for n in (*SHOWN, PICTURES) if n <= len(data.unlabelled)}
    if PICTURES in drawn:
        for kind in MAPS:
            if kind != "residual" or takes_residual(plugin.method):
                yield f"map_{kind}_{PICTURES}", repair(plugin, upgrade, drawn[PICTURES], kind=kind, **told)
    if reads_sentences(plugin.method):
        sentences = sentences_for(data, SENTENCES)
        yield f"sentences_{SENTENCES}", repair(plugin, upgrade, sentences=sentences, **told)
        for count in SHOWN:
            if count in drawn:
                yield f"means_{count}", repair(plugin, upgrade, drawn[count], sentences=sentences, **told)

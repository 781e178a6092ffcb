"""Carried, and repaired without a picture: prompts by tokens, rows over image features by sentences.

The study `repair` has the same plug-ins retrained, and repaired with pictures.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from clipcompat.common.errors import ConfigError
from clipcompat.data.mini.captions import captions
from clipcompat.data.mini.world import sample_scenes
from clipcompat.data.split import Dataset
from clipcompat.methods.cocoop import CoCoOp
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin
from clipcompat.plugins.repair.feature_map import COMPARED
from clipcompat.plugins.repair.repair import repair
from clipcompat.plugins.repair.tokens import WAYS, has_tokens
from clipcompat.plugins.repair.translate import reads_sentences
from clipcompat.studies.carried.candidates import candidate_columns, zero_shot_columns
from clipcompat.studies.experiment import Experiment, training_facts

SENTENCES = (50, 200)
"""How many a map is fitted on: as many as the study `repair` has pictures."""

_SEED = 777  # of captions; no backbone was trained with it


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed.

    old, new: the plug-in on both, carried unchanged. zs_old, zs_new: zero-shot. tokens, anchors: a prompt that was
    moved so. sentences_KIND_N: repaired by a map of this kind from the first N of `sentences_for`; for CoCoOp tokens_N:
    moved by tokens, with N sentences for its meta-net. With `_flips` behind: negative flips against the plug-in on old,
    in percent.

    Raises:
        ConfigError: the method cannot be repaired without pictures.
    """
    upgrade, plugins, method = experiment.upgrade, experiment.plugins, experiment.plugins.method
    if not (has_tokens(method) or reads_sentences(method)):
        raise ConfigError(f"{method.name} cannot be repaired without pictures; the study `repair` gives it some.")
    experiment.tune_together(upgrade.old)
    for seed, data in experiment.datasets.items():
        plugin = plugins.tune(upgrade.old, {seed: data})[seed]
        zero_shot = fit(ZeroShot(), upgrade.old, data, progress=False)
        candidates = {"new": plugin} | dict(_repaired(plugin, experiment, data))
        row = {"seed": seed} | candidate_columns(plugin, candidates, experiment, data)
        row |= zero_shot_columns(zero_shot, experiment, data)
        yield row | training_facts(plugin)


def _repaired(plugin: Plugin, experiment: Experiment, data: Dataset) -> Iterator[tuple[str, Plugin]]:
    upgrade, told = experiment.upgrade, experiment.options
    seen = {count: sentences_for(data, count) for count in SENTENCES}
    if has_tokens(plugin.method):
        for how in WAYS:
            yield how, repair(plugin, upgrade, how=how, **told)
        if isinstance(plugin.method, CoCoOp):
            for count, sentences in seen.items():
                yield f"tokens_{count}", repair(plugin, upgrade, how="tokens", sentences=sentences, **told)
        return
    for count, sentences in seen.items():
        for kind in COMPARED:
            yield f"sentences_{kind}_{count}", repair(plugin, upgrade, sentences=sentences, kind=kind, **told)


def sentences_for(data: Dataset, count: int) -> list[str]:
    """At most `count` sentences that are not about the task: captions of the mini world, or ImageNet's class names."""
    if data.kind == "mini":
        index = np.arange(count)
        return captions(sample_scenes(_SEED, index), _SEED, index)
    from open_clip.zero_shot_metadata import IMAGENET_CLASSNAMES  # slow to import

    return [f"a photo of a {name}." for name in IMAGENET_CLASSNAMES[:count]]

"""A change of weights carried whole, and without what a few labelled pictures oppose (`repair(how="signs")`).

Paper: GradFix (arXiv 2510.09658), which asks whether a task's change of weights survives a new pretraining.
"""

from collections.abc import Iterator
from typing import Any

from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.repair.repair import repair
from clipcompat.studies.carried.candidates import candidate_columns, zero_shot_columns
from clipcompat.studies.experiment import Experiment, training_facts

SHOTS = (1, 4, 16)
"""Labelled pictures per class that the gradient is taken of: the first of those the plug-in was tuned on."""


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed.

    old, new: the plug-in on both, carried unchanged. zs_old, zs_new: zero-shot. retrained: with all labels, if that was
    asked for. signs_K: masked by the gradient of K pictures per class; K above the shots of the run is left out. With
    `_flips` behind: negative flips against the plug-in on old, in percent.

    Raises:
        IncompatibleError: the method changes no weights of a tower.
    """
    upgrade, plugins = experiment.upgrade, experiment.plugins
    told = experiment.options
    for seed, data in experiment.datasets.items():
        plugin = plugins.tune(upgrade.old, {seed: data})[seed]
        again = [plugins.tune(upgrade.new, {seed: data})[seed]] if experiment.retrains else []
        candidates = {"new": plugin} | dict(zip(["retrained"], again, strict=False))
        for shots in SHOTS:
            if shots <= (data.shots or shots):
                pictures = data.train if shots == data.shots else data.few(shots).train
                candidates[f"signs_{shots}"] = repair(plugin, upgrade, pictures, how="signs", **told)
        zero_shot = fit(ZeroShot(), upgrade.old, data, progress=False)
        row = {"seed": seed} | candidate_columns(plugin, candidates, experiment, data)
        row |= zero_shot_columns(zero_shot, experiment, data)
        yield row | training_facts(plugin, *again)

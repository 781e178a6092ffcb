"""Retraining on the new backbone with and without focal distillation: accuracy, and negative flips."""

from collections.abc import Iterator
from typing import Any

from clipcompat.common.errors import ConfigError
from clipcompat.plugins.fit import fit
from clipcompat.plugins.focal import FocalDistillation
from clipcompat.studies.carried.candidates import candidate_columns
from clipcompat.studies.experiment import Experiment

WEIGHTS = (1.0, 4.0)
"""λ of the distillation; all else as by default."""


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed.

    old, new: the plug-in on both, carried unchanged. scratch, warm: retrained on new with the same labels, from the
    recipe's start or from the carried plug-in. focal_W: warm, with focal distillation of weight W towards the plug-in
    on old. A method in closed form has no warm start: its focal_W is scratch with the distillation. With `_flips`
    behind: negative flips against the plug-in on old, in percent.

    Raises:
        ConfigError: retraining was not asked for. IncompatibleError: as for `FocalDistillation.hold`.
    """
    upgrade, plugins, method = experiment.upgrade, experiment.plugins, experiment.plugins.method
    if not experiment.retrains:
        raise ConfigError("this study retrains with and without focal distillation; ask for retraining.")
    told = experiment.options
    for seed, data in experiment.datasets.items():
        plugin = plugins.tune(upgrade.old, {seed: data})[seed]
        how = {"seed": seed, "views": plugins.views, **told}
        made = {"new": plugin, "scratch": fit(method, upgrade.new, data, **how)}
        init = plugin if plugin.origin["epochs"] else None
        if init is not None:
            made["warm"] = fit(method, upgrade.new, data, init=init, **how)
        for weight in WEIGHTS:
            focal = FocalDistillation(plugin, upgrade.old, weight=weight)
            made[f"focal_{weight:g}"] = fit(method, upgrade.new, data, init=init, focal=focal, **how)
        row = {"seed": seed, "views": plugin.origin["views"]} | candidate_columns(plugin, made, experiment, data)
        yield row | {"training_seconds": {name: p.origin["seconds"] for name, p in made.items()}}

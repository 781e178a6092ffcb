"""Retraining from the carried and from the repaired plug-in against retraining from scratch, with few labels and steps.

The repaired plug-in is the carried one after `clipcompat.repair` with pictures that need no label. Two axes, both on
the new backbone: shots (the first k of the images per class that were drawn, so that draws are nested) at the recipe's
number of epochs, and epochs at all shots. What counts besides accuracy: negative flips, test images that the plug-in
had right on old and the retrained one has wrong on new.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from clipcompat.common.errors import ConfigError
from clipcompat.data.split import Dataset
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin
from clipcompat.plugins.repair.pictures import unlabelled_pictures
from clipcompat.plugins.repair.repair import repair
from clipcompat.plugins.repair.translate import is_translatable
from clipcompat.studies.accuracy import percent, predictions
from clipcompat.studies.experiment import Experiment
from clipcompat.training.loop import plan

Inits = Mapping[str, Plugin | None]

SHOTS = (1, 2, 4, 8)
EPOCHS = (2, 10, 50)
STARTS = ("scratch", "carried", "repaired")
PICTURES = 200
"""Without labels, for the repair; all of the training pool if it has fewer."""


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed.

    old, new: the plug-in on both. repaired: the plug-in after its default repair, on new, before it sees a label.
    epochs: as many as the recipe says, on all shots. START_K_shots, START_N_epochs (START: scratch, carried, repaired),
    START_all: accuracy on new after training on K shots, for N epochs, or on all shots as long as the recipe says; with
    `_flips` behind, negative flips against the plug-in on old, in percent. Shots and epochs that are not fewer than all
    are left out: they would be START_all again. training_seconds has the repair's under "repaired", all of it.

    Raises:
        ConfigError: the method has no recipe, so that there is no training to start.
    """
    upgrade, plugins, method = experiment.upgrade, experiment.plugins, experiment.plugins.method
    if not hasattr(method, "recipe") or not experiment.retrains:
        raise ConfigError(f"a warm start needs a method that is trained, and retraining; this is {method.name}.")
    told = experiment.options
    for seed, data in experiment.datasets.items():
        plugin = plugins.tune(upgrade.old, {seed: data})[seed]
        labels = data.test.labels
        on_old = predictions(plugin, upgrade.old, data.test, **told) == labels
        on_new = predictions(plugin, upgrade.new, data.test, **told) == labels
        row = {"seed": seed, "views": plugin.origin["views"], "old": percent(on_old), "new": percent(on_new)}
        epochs, _ = plan(method, data, plugins.views)
        row |= {"new_flips": percent(on_old & ~on_new), "epochs": epochs}
        clock = time.monotonic()
        repaired = _repaired(plugin, experiment, data, seed)
        seconds = {"old": plugin.origin["seconds"], "repaired": round(time.monotonic() - clock, 1)}
        inits = {"scratch": None, "carried": plugin, "repaired": repaired}

        def trained(data: Dataset, start: str, inits: Inits = inits, seed: int = seed, **recipe: int) -> Plugin:
            its = replace(method, recipe=replace(method.recipe, **recipe))
            return fit(its, upgrade.new, data, seed=seed, init=inits[start], views=plugins.views, **told)

        for start in STARTS:
            made = {f"{start}_{k}_shots": trained(data.few(k), start) for k in SHOTS if k < (data.shots or k + 1)}
            made |= {f"{start}_{n}_epochs": trained(data, start, epochs=n) for n in EPOCHS if n < epochs}
            made |= {f"{start}_all": trained(data, start)}
            seconds |= {name: again.origin["seconds"] for name, again in made.items()}
            made |= {"repaired": repaired} if start == "repaired" else {}
            for name, again in made.items():
                right: Tensor = predictions(again, upgrade.new, data.test, **told) == labels
                row |= {name: percent(right), f"{name}_flips": percent(on_old & ~right)}
        yield row | {"training_seconds": seconds}


def _repaired(plugin: Plugin, experiment: Experiment, data: Dataset, seed: int) -> Plugin:
    """The plug-in after the repair that `clipcompat.repair` makes if nothing else is said."""
    pictures = unlabelled_pictures(data, PICTURES, seed)
    views = {} if is_translatable(plugin.method) else {"views": experiment.plugins.views}
    return repair(plugin, experiment.upgrade, pictures, **views, **experiment.options)

"""A dual prompt with every weight of its parallel prompt, on base and on new classes, before and after an upgrade.

Paper: DPC (arXiv 2503.13443), its curves of ω_b and ω_n and its ablation. One training makes all of it, because a
weight is chosen after training where `DPC.gradient` is "plain". ω = 0 is the learner without DPC; ω = 1 is the parallel
prompt alone. Base classes are the first ceil(n/2) labels; each half is tested among its own names.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import ConfigError
from clipcompat.data.split import Dataset
from clipcompat.features.encode import Cache, Progress
from clipcompat.methods.dpc import DPC
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin
from clipcompat.studies.accuracy import accuracy, percent
from clipcompat.studies.base_to_new import base_to_new, tuned_on
from clipcompat.studies.drift.channels import channel_invariance
from clipcompat.studies.experiment import Experiment

OMEGAS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
FEWER = (0.0, 0.1, 0.2, 0.5, 1.0)
"""Of a learner with visual prompts, whose image tower is another one for each weight and sees all pictures again."""


def omegas_of(method: DPC) -> tuple[float, ...]:
    """The weights that the study tries."""
    return FEWER if method.needs == "pixels" else OMEGAS


def mixtures(
    plugin: Plugin,
    backbone: Backbone,
    data: Dataset,
    omegas: Sequence[float] | None = None,
    *,
    cache: Cache = None,
    progress: Progress | None = None,
) -> dict[str, list[float]]:
    """A dual prompt with each weight, for all names alike: {"base", "new", "certainty"}, one number per weight.

    base, new: accuracies in percent. certainty: mean probability of the predicted class, in percent, over the pictures
    of base classes among base names; no label is read.

    Args:
        plugin: of DPC, tuned on `data.base_classes()`. data: all classes. omegas: None takes `omegas_of`.

    Raises:
        ConfigError: the plug-in is of another method.
    """
    if not isinstance(plugin.method, DPC):
        raise ConfigError(f"only a dual prompt has a weight to choose; this one is of {plugin.method.name}, not dpc.")
    found: dict[str, list[float]] = {"base": [], "new": [], "certainty": []}
    for omega in omegas_of(plugin.method) if omegas is None else omegas:
        same = replace(plugin.method, omega_base=omega, omega_new=omega, preset="described", gradient="plain")
        alike = replace(plugin, method=same)
        for half in ("base", "new"):
            logits, labels = _among_its_own(alike, backbone, data, half, cache, progress)
            found[half].append(percent(logits.argmax(-1).cpu() == labels))
            if half == "base":
                found["certainty"].append(100 * float(logits.softmax(-1).amax(-1).double().mean()))
    return found


def _among_its_own(
    plugin: Plugin, backbone: Backbone, data: Dataset, half: str, cache: Cache, progress: Progress | None
) -> tuple[Tensor, Tensor]:
    """Of the test pictures of one half, among its own names: logits [image, class] and labels [image].

    With visual prompts, all pictures are seen, so that a tower sees each one once for both halves and for `joint`.
    """
    own, test = data.part(half).test, data.test
    if plugin.method.needs != "pixels":
        return plugin.logits(backbone, own, cache, progress), own.labels
    first = 0 if half == "base" else len(test.classnames) - len(own.classnames)
    mine = (first <= test.labels) & (test.labels < first + len(own.classnames))
    among = replace(test, classnames=own.classnames, labels=torch.zeros_like(test.labels))
    return plugin.logits(backbone, among, cache, progress)[mine.to(backbone.device)], test.labels[mine] - first


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed: the weights, and base, new and certainty for each, on old and carried to new.

    joint: all test images among all names, with the method's own weights; joint_first: with the learner alone. zs_old,
    zs_new: zero-shot, with _base and _new. The rest: `channel_invariance` of the learner's first tensor, its prompt.
    """
    upgrade, plugins = experiment.upgrade, experiment.plugins
    if not isinstance(plugins.method, DPC):
        raise ConfigError(f"the study mixture is of the method dpc, not of {plugins.method.name}.")
    for seed, data in experiment.datasets.items():
        plugin = plugins.tune(upgrade.old, {seed: tuned_on(plugins.method, data)})[seed]
        alone = replace(plugin.method, omega_base=0.0, omega_new=0.0, preset="described", gradient="plain")
        first = replace(plugin, method=alone)
        zero_shot = fit(ZeroShot(), upgrade.old, data, progress=False)
        row: dict[str, Any] = {"seed": seed, "views": plugin.origin["views"], "omegas": list(omegas_of(plugin.method))}
        for whose, backbone in (("old", upgrade.old), ("carried", upgrade.new)):
            found = mixtures(plugin, backbone, data, **experiment.options)
            row |= {f"{whose}_{key}": values for key, values in found.items()}
            row[f"{whose}_joint"] = accuracy(plugin, backbone, data.test, **experiment.options)
            row[f"{whose}_joint_first"] = accuracy(first, backbone, data.test, **experiment.options)
        for whose, backbone in (("zs_old", upgrade.old), ("zs_new", upgrade.new)):
            halves = base_to_new(zero_shot, backbone, data, **experiment.options)
            row |= {f"{whose}_base": halves.base, f"{whose}_new": halves.new}
        prompt = next(iter(plugin.method.learner.shapes(1)))  # "ctx", or "visual" of a learner without text prompts
        invariance = channel_invariance(plugin.tensors[f"stage1.{prompt}"], plugin.tensors[f"parallel.{prompt}"])
        yield row | invariance.to_dict() | {"training_seconds": {"train": plugin.origin["seconds"], "retrain": None}}

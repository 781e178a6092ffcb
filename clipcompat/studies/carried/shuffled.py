"""How much of a conditional prompt's accuracy depends on the condition being the right one? A control at test time.

ContCoOp's context attends to the name of its class. Here each class's context attends to another class's name, while
the name in the prompt stays right. CoCoOp's context is shifted by the picture; here by a picture of another class.
Nothing is trained. Which class lends its condition is a derangement: a permutation that moves every class.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, DataError
from clipcompat.common.progress import Progress, showing
from clipcompat.data.split import Dataset, Split
from clipcompat.features.encode import Cache, encode_split
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin
from clipcompat.studies.accuracy import accuracy, percent, predictions
from clipcompat.studies.compatibility import check_start, look_once
from clipcompat.studies.experiment import Experiment, training_facts
from clipcompat.training.learner import Method


@dataclass(frozen=True)
class ShuffledCondition:
    """One plug-in on both backbones, with the right condition and with another class's; accuracies in percent.

    old, new: the right condition. shuffled_old, shuffled_new: that of another class. changed_old, changed_new: test
    pictures whose predicted class the shuffle changes, in percent. zs_old, zs_new: zero-shot.
    shuffle: the seed of the derangement.
    """

    method: str
    dataset: str
    seed: int | None
    shuffle: int
    old: float
    new: float
    shuffled_old: float
    shuffled_new: float
    changed_old: float
    changed_new: float
    zs_old: float
    zs_new: float

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)


def shuffled_condition(
    plugin: Plugin,
    upgrade: Upgrade,
    data: Dataset,
    *,
    shuffle: int = 1,
    cache: Cache = None,
    progress: Progress | bool | None = None,
) -> ShuffledCondition:
    """Test a conditional plug-in before and after an upgrade, and both times with the conditions of other classes.

    Args:
        plugin: tuned on `upgrade.old`, of a method whose prompts are conditioned: ContCoOp or CoCoOp.
        shuffle: seed of the derangement of classes and, for CoCoOp, of the pictures that lend their feature.
        progress: see `clipcompat.fit`.

    Raises:
        ConfigError: the method's prompts depend on no condition, there is one class only, or the plug-in was not tuned
        on `upgrade.old`. IncompatibleError: its tensors cannot act on one of the backbones. DataError: a class that
        must lend its pictures has none in the test split.
    """
    _refuse_unconditioned(plugin.method)
    check_start(plugin, upgrade, data, retrain=False)
    generator = torch.Generator().manual_seed(shuffle)
    lender = derangement(len(data.classnames), generator)
    pictures = _pictures(data.test, lender, generator) if plugin.method.conditioned_on == "images" else None
    numbers: dict[str, float] = {}
    with showing(progress) as told:
        look_once(plugin, upgrade, [data], cache, told)
        zero_shot = fit(ZeroShot(), upgrade.old, data, progress=False)
        for side, backbone in (("old", upgrade.old), ("new", upgrade.new)):
            right = predictions(plugin, backbone, data.test, cache=cache, progress=told)
            other = _shuffled(plugin, backbone, data.test, lender, pictures, cache, told)
            numbers |= {side: percent(right == data.test.labels), f"changed_{side}": percent(right != other)}
            numbers[f"shuffled_{side}"] = percent(other == data.test.labels)
            numbers[f"zs_{side}"] = accuracy(zero_shot, backbone, data.test, cache=cache, progress=told)
    about = {"method": plugin.method.name, "dataset": data.name, "seed": plugin.origin["seed"], "shuffle": shuffle}
    return ShuffledCondition(**about, **numbers)


def _refuse_unconditioned(method: Method) -> None:
    if not method.conditioned_on:
        raise ConfigError(
            f"prompts of {method.name} depend on no condition, so there is none to shuffle. Give a plug-in of contcoop "
            "or cocoop."
        )


def derangement(count: int, generator: torch.Generator) -> list[int]:
    """A random permutation of 0 … count - 1 that leaves nothing in its place, each of them equally likely.

    Raises:
        ConfigError: there is none, for fewer than two.
    """
    if count < 2:
        raise ConfigError("conditions can be shuffled over two classes or more; there is one.")
    places = torch.arange(count)
    while True:  # one in e permutations is a derangement
        order = torch.randperm(count, generator=generator)
        if not (order == places).any():
            return order.tolist()


@torch.no_grad()
def _shuffled(
    plugin: Plugin,
    backbone: Backbone,
    split: Split,
    lender: list[int],
    pictures: Tensor | None,
    cache: Cache,
    progress: Progress | None,
) -> Tensor:
    """The predicted classes [image], on the CPU, if every class's condition is that of its lender."""
    features = encode_split(backbone, split, cache, progress, plugin.method.image_features)
    condition = [split.classnames[other] for other in lender] if pictures is None else features[pictures]
    tensors = {name: tensor.to(backbone.device) for name, tensor in plugin.tensors.items()}
    shown = (tensors, backbone, features, split.classnames, split.template)
    return plugin.method.logits(*shown, condition=condition).argmax(-1).cpu()


def _pictures(split: Split, lender: list[int], generator: torch.Generator) -> Tensor:
    """For each test picture the index of a random one of the class that lends to its class: [image]."""
    of_class = [(split.labels == c).nonzero().flatten() for c in range(len(split.classnames))]
    found = torch.empty(len(split), dtype=torch.int64)
    for c, borrowers in enumerate(of_class):
        lent = of_class[lender[c]]
        if len(borrowers) and not len(lent):
            raise DataError(
                f"{split.name} has no picture of {split.classnames[lender[c]]!r}, whose condition is to be used for "
                "another class. Give another shuffle, or leave out classes without pictures."
            )
        if len(borrowers):
            found[borrowers] = lent[torch.randint(len(lent), (len(borrowers),), generator=generator)]
    return found


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed, which is also that of the derangement: the report's fields, and how the plug-in was trained."""
    upgrade, plugins = experiment.upgrade, experiment.plugins
    _refuse_unconditioned(plugins.method)  # before anything is trained
    experiment.tune_together(upgrade.old)
    for seed, data in experiment.datasets.items():
        plugin = plugins.tune(upgrade.old, {seed: data})[seed]
        report = shuffled_condition(plugin, upgrade, data, shuffle=seed, **experiment.options)
        numbers = {name: value for name, value in report.to_dict().items() if name != "shuffle"}
        yield numbers | training_facts(plugin)

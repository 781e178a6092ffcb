"""The question of the book: a plug-in tuned on the old backbone, carried unchanged to the new one.

Paper: ContCoOp (arXiv 2412.20895), whose Base, New and H are `old`, `new` and `h_upgrade` here. New and H alone cannot
tell compatibility from a better backbone, so a report also has zero-shot on both, retraining on new, and what flipped.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError
from clipcompat.common.progress import Progress, showing
from clipcompat.data.split import Dataset
from clipcompat.features.encode import Cache, encode_together
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit, is_official
from clipcompat.plugins.plugin import Plugin
from clipcompat.studies.accuracy import percent, predictions
from clipcompat.studies.details import Details
from clipcompat.studies.experiment import Experiment, training_facts
from clipcompat.studies.report import Compatibility


def compatibility(
    plugin: Plugin,
    upgrade: Upgrade | Sequence[Backbone],
    data: Dataset,
    *,
    retrained: Plugin | bool = True,
    cache: Cache = None,
    progress: Progress | bool | None = None,
) -> Compatibility | tuple[Compatibility, ...]:
    """Test a plug-in before and after an upgrade.

    Args:
        plugin: tuned on `upgrade.old`.
        upgrade: a pair; or a chain of backbones, which gives one report for each later generation against the first.
        retrained: True trains the same method on new, with the plug-in's own seed and views; a Plugin is used as it is;
            False leaves `retrained` and `kept_gain` empty.
        progress: see `clipcompat.fit`.

    Raises:
        IncompatibleError: the plug-in's tensors cannot act on one of the backbones. ConfigError: it was not tuned on
        `upgrade.old`, or, where it is to be trained again, not on `data.train`.
    """
    if not isinstance(upgrade, Upgrade):
        first, *later = upgrade
        return tuple(
            compatibility(plugin, Upgrade(first, new), data, retrained=retrained, cache=cache, progress=progress)
            for new in later
        )

    check_start(plugin, upgrade, data, retrained is True)
    with showing(progress) as told:
        return _tested(plugin, upgrade, data, retrained, cache, told)


def check_start(plugin: Plugin, upgrade: Upgrade, data: Dataset, retrain: bool) -> None:
    """Refuse a plug-in that is not of `upgrade.old` or, where it is to be trained again, not of `data.train`.

    Raises:
        ConfigError
    """
    if not plugin.is_tuned_on(upgrade.old):
        tuned_on = plugin.origin["backbone"]
        raise ConfigError(
            f"the plug-in was tuned on {tuned_on['name']} (stamp {tuned_on['stamp']}), but the upgrade starts from "
            f"{upgrade.old.name} (stamp {upgrade.old.stamp}). Tune it on upgrade.old first."
        )
    if retrain and plugin.origin["train_stamp"] != data.train.stamp:
        raise ConfigError(
            f"the plug-in was tuned on other images than data.train of {data.name}, so retraining on these would not "
            "be the same training. Load the data with the plug-in's shots and seed, or give retrained=False. (Plug-ins "
            "of earlier versions name picture files by their sizes; tune such a plug-in again.)"
        )


def train_again(plugin: Plugin, backbone: Backbone, data: Dataset, cache: Cache, progress: Progress | None) -> Plugin:
    """The same method on another backbone, with the plug-in's own seed and views."""
    how = {key: plugin.origin[key] for key in ("seed", "views")}
    how["select_on"] = data.test if is_official(plugin.method) else None
    return fit(plugin.method, backbone, data, **how, cache=cache, progress=progress or False)


def _tested(
    plugin: Plugin, upgrade: Upgrade, data: Dataset, retrained: Plugin | bool, cache: Cache, progress: Progress | None
) -> Compatibility:
    look_once(plugin, upgrade, [data], cache, progress)

    def predicted(a_plugin: Plugin, backbone: Backbone) -> Tensor:  # [image]
        return predictions(a_plugin, backbone, data.test, cache=cache, progress=progress)

    on_old, on_new = predicted(plugin, upgrade.old), predicted(plugin, upgrade.new)
    zero_shot = fit(ZeroShot(), upgrade.old, data, progress=False)
    if retrained is True:
        retrained = train_again(plugin, upgrade.new, data, cache, progress)
    again = predicted(retrained, upgrade.new) if retrained else None
    labels = data.test.labels
    return Compatibility(
        method=plugin.method.name,
        dataset=data.name,
        seed=plugin.origin["seed"],
        old=percent(on_old == labels),
        new=percent(on_new == labels),
        zs_old=percent(predicted(zero_shot, upgrade.old) == labels),
        zs_new=percent(predicted(zero_shot, upgrade.new) == labels),
        retrained=None if again is None else percent(again == labels),
        negative_flips=percent((on_old == labels) & (on_new != labels)),
        details=Details(
            data.classnames,
            data.test.keys,
            *(tuple(numbers.tolist()) for numbers in (labels, on_old, on_new)),
            retrained=None if again is None else tuple(again.tolist()),
        ),
    )


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed: the report's fields, and views, crop, epochs, final loss and seconds of the training."""
    for data, plugin, again in experiment.tuned():
        report = compatibility(plugin, experiment.upgrade, data, retrained=again, **experiment.options)
        yield report.to_dict() | training_facts(plugin, *([again] if again else []))


def look_once(
    plugin: Plugin, upgrade: Upgrade, sets: Sequence[Dataset], cache: Cache, progress: Progress | None
) -> None:
    """Encode test pictures for both backbones in one pass over the files; the backbones remember the features.

    sets: the plug-in is tested with the class names of the first.
    """
    if plugin.match(upgrade.new, sets[0].classnames).kind == "incompatible":  # the test will say why
        return
    kinds = dict.fromkeys((plugin.method.image_features, ZeroShot.image_features))
    wanted = [(backbone, kind) for backbone in (upgrade.old, upgrade.new) for kind in kinds]
    for data in sets:
        encode_together(wanted, data.test, cache, progress)

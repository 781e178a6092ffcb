"""The question of the book: a plug-in tuned on the old backbone, carried unchanged to the new one.

Paper: ContCoOp (arXiv 2412.20895), whose Base, New and H are `old`, `new` and `h_upgrade` here. New and H alone cannot
tell compatibility from a better backbone, so a report also has zero-shot on both, retraining on new, and what flipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError
from clipcompat.data.split import Dataset
from clipcompat.features.encode import Progress, encode_together
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit, is_official
from clipcompat.plugins.plugin import Plugin
from clipcompat.studies.accuracy import correct, harmonic_mean, percent

_SMALLEST_GAIN = 1.0


@dataclass(frozen=True)
class Compatibility:
    """One plug-in, one upgrade, one dataset; accuracies in percent.

    old, new: the same plug-in on both backbones. zs_old, zs_new: zero-shot. retrained: the same method, shots and seed
    trained on new; None if that was not asked for. negative_flips: images right on old and wrong on new, percent.
    """

    method: str
    dataset: str
    seed: int
    old: float
    new: float
    zs_old: float
    zs_new: float
    retrained: float | None
    negative_flips: float

    @property
    def h_upgrade(self) -> float:
        """Harmonic mean of old and new."""
        return harmonic_mean(self.old, self.new)

    @property
    def kept_gain(self) -> float | None:
        """(new - zs_new) / (retrained - zs_new); None where retraining gains less than 1 point."""
        return None if self.retrained is None else kept_gain(self.new, self.zs_new, self.retrained)

    def to_dict(self) -> dict:
        """Fields and derived numbers, as JSON values."""
        return asdict(self) | {"h_upgrade": self.h_upgrade, "kept_gain": self.kept_gain}


def kept_gain(new: float, zs_new: float, retrained: float) -> float | None:
    """Share of what retraining gains over zero-shot that the carried plug-in keeps; None below a gain of 1 point."""
    gain = retrained - zs_new
    return (new - zs_new) / gain if gain >= _SMALLEST_GAIN else None


def compatibility(
    plugin: Plugin,
    upgrade: Upgrade | Sequence[Backbone],
    data: Dataset,
    *,
    retrained: Plugin | bool = True,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Compatibility | tuple[Compatibility, ...]:
    """Test a plug-in before and after an upgrade.

    Args:
        plugin: tuned on `upgrade.old`.
        upgrade: a pair; or a chain of backbones, which gives one report for each later generation against the first.
        retrained: True trains the same method on new, with the plug-in's own seed and views; a Plugin is used as it is;
            False leaves `retrained` and `kept_gain` empty.

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

    if plugin.match(upgrade.old, data.classnames).kind != "exact":
        tuned_on = plugin.origin["backbone"]
        raise ConfigError(
            f"the plug-in was tuned on {tuned_on['name']} (stamp {tuned_on['stamp']}), but the upgrade starts from "
            f"{upgrade.old.name} (stamp {upgrade.old.stamp}). Tune it on upgrade.old first."
        )
    if retrained is True and plugin.origin["train_stamp"] != data.train.stamp:
        raise ConfigError(
            f"the plug-in was tuned on other images than data.train of {data.name}, so retraining on these would not "
            "be the same training. Load the data with the plug-in's shots and seed, or give retrained=False."
        )

    _look_once(plugin, upgrade, data, cache, progress)

    def hits(a_plugin: Plugin, backbone: Backbone):
        return correct(a_plugin, backbone, data.test, cache=cache, progress=progress)

    on_old, on_new = hits(plugin, upgrade.old), hits(plugin, upgrade.new)
    zero_shot = fit(ZeroShot(), upgrade.old, data)
    if retrained is True:
        seed, views = plugin.origin["seed"], plugin.origin["views"]
        select_on = data.test if is_official(plugin.method) else None
        retrained = fit(
            plugin.method, upgrade.new, data,
            seed=seed, views=views, select_on=select_on, cache=cache, progress=progress,
        )  # fmt: skip
    return Compatibility(
        method=plugin.method.name,
        dataset=data.name,
        seed=plugin.origin["seed"],
        old=percent(on_old),
        new=percent(on_new),
        zs_old=percent(hits(zero_shot, upgrade.old)),
        zs_new=percent(hits(zero_shot, upgrade.new)),
        retrained=percent(hits(retrained, upgrade.new)) if retrained else None,
        negative_flips=percent(on_old & ~on_new),
    )


def _look_once(plugin: Plugin, upgrade: Upgrade, data: Dataset, cache, progress) -> None:
    """Encode the test pictures for both backbones in one pass over the files; the backbones remember the features."""
    if plugin.match(upgrade.new, data.classnames).kind == "incompatible":  # the test will say why
        return
    kinds = dict.fromkeys((plugin.method.image_features, ZeroShot.image_features))
    wanted = [(backbone, kind) for backbone in (upgrade.old, upgrade.new) for kind in kinds]
    encode_together(wanted, data.test, cache, progress)

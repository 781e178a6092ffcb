"""Must stored image vectors be computed again? A plug-in on every image tower × text tower of an upgrade.

Stored vectors are features of old's image tower. Upgrading the text side alone leaves them as they are: image old, text
new. The reverse is an index that was computed again while the text side stayed. A plug-in acts on one of the sides:

    prompts (CoOp, KgCoOp, ContCoOp)              text side: they run through whichever text tower is in use
    adapter, cache (CLIP-Adapter, Tip-Adapter)    image side, beside the zero-shot classifier of the text tower in use
    linear probe                                  image side alone: no text is read, so the text tower changes nothing
    CoCoOp                                        text side, with prompts that also read the image feature
    visual prompts (MaPLe)                        both sides: the stored vectors are those of the tower with its prompts

The mixed pairs are `mix_towers`. No number here compares scales of logits, so its choice of the text side's changes no
accuracy of a carried plug-in, but for a Tip-Adapter without a constant scale.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.mixed import mix_towers
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError
from clipcompat.common.frames import to_dataframe
from clipcompat.common.progress import Progress, showing
from clipcompat.data.split import Dataset
from clipcompat.features.encode import Cache
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin
from clipcompat.studies.accuracy import accuracy
from clipcompat.studies.compatibility import check_start, look_once, train_again
from clipcompat.studies.experiment import Experiment, training_facts

if TYPE_CHECKING:
    import pandas

CELLS = {"old_old": ("old", "old"), "old_new": ("old", "new"), "new_old": ("new", "old"), "new_new": ("new", "new")}
"""Name of a cell -> which backbone gives the image tower, and which the text tower."""


@dataclass(frozen=True)
class Towers:
    """Four accuracies in percent, by image tower and then text tower: `old_new` is old's images with new's text."""

    old_old: float
    old_new: float
    new_old: float
    new_new: float


@dataclass(frozen=True)
class CrossTower:
    """One plug-in, tuned on old, on the four pairs of towers of one upgrade.

    side: what the plug-in acts on: "text", "image", "both", or "neither" (zero-shot). carried: the plug-in, unchanged.
    zero_shot: without it. retrained: the same method, shots and seed trained on each pair, which on the first is the
    plug-in itself; None if that was not asked for. seed: of the training; None for an import that does not know it.
    """

    method: str
    dataset: str
    seed: int | None
    side: str
    carried: Towers
    zero_shot: Towers
    retrained: Towers | None = None

    def to_dict(self) -> dict[str, Any]:
        """Flat JSON values: "old_new" for the carried plug-in, "zs_old_new" and "retrained_old_new" (or None)."""
        again = asdict(self.retrained) if self.retrained else dict.fromkeys(CELLS)
        return {
            **{name: getattr(self, name) for name in ("method", "dataset", "seed", "side")},
            **asdict(self.carried),
            **{f"zs_{cell}": value for cell, value in asdict(self.zero_shot).items()},
            **{f"retrained_{cell}": value for cell, value in again.items()},
        }

    def to_dataframe(self) -> "pandas.DataFrame":
        """One row per pair of towers: image, text, carried, zero_shot, retrained.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        rows = []
        for cell, (image, text) in CELLS.items():
            numbers = {kind: getattr(getattr(self, kind), cell) for kind in ("carried", "zero_shot")}
            again = getattr(self.retrained, cell) if self.retrained else None
            rows.append({"image": image, "text": text, **numbers, "retrained": again})
        return to_dataframe(rows)


def cross_tower(
    plugin: Plugin,
    upgrade: Upgrade,
    data: Dataset,
    *,
    retrained: Mapping[str, Plugin] | bool = True,
    cache: Cache = None,
    progress: Progress | bool | None = None,
) -> CrossTower:
    """Test a plug-in on old's and new's image tower with old's and new's text tower.

    Args:
        plugin: tuned on `upgrade.old`.
        retrained: True trains the same method on the three other pairs too, with the plug-in's own seed and views; a
            mapping gives those plug-ins, by cell ("old_new", "new_old", "new_new"); False leaves `retrained` empty.
        progress: see `clipcompat.fit`.

    Raises:
        IncompatibleError: the plug-in's tensors cannot act on one of the pairs. ConfigError: old and new have joint
        features of different lengths; or the plug-in was not tuned on `upgrade.old`, or, where it is to be trained
        again, not on `data.train`.
    """
    check_start(plugin, upgrade, data, retrained is True)
    pairs = tower_pairs(upgrade)
    if not isinstance(retrained, bool) and retrained.keys() != pairs.keys() - {"old_old"}:
        raise ConfigError(f"retrained needs a plug-in for old_new, new_old and new_new, not for {sorted(retrained)}.")
    with showing(progress) as told:
        look_once(plugin, upgrade, [data], cache, told)
        return _tested(plugin, pairs, data, retrained, cache, told)


def tower_pairs(upgrade: Upgrade) -> dict[str, Backbone]:
    """Name of a cell -> its backbone.

    Raises:
        ConfigError: the joint features of old and new have different lengths.
    """
    return {cell: mix_towers(getattr(upgrade, i), getattr(upgrade, t)) for cell, (i, t) in CELLS.items()}


def _tested(
    plugin: Plugin,
    pairs: Mapping[str, Backbone],
    data: Dataset,
    retrained: Mapping[str, Plugin] | bool,
    cache: Cache,
    progress: Progress | None,
) -> CrossTower:
    options = {"cache": cache, "progress": progress}

    def tested(on: Mapping[str, Plugin]) -> Towers:
        return Towers(**{cell: accuracy(on[cell], pairs[cell], data.test, **options) for cell in CELLS})

    if retrained is True:
        others = [cell for cell in CELLS if cell != "old_old"]
        retrained = {cell: train_again(plugin, pairs[cell], data, cache, progress) for cell in others}
    zero_shot = fit(ZeroShot(), pairs["old_old"], data, progress=False)
    return CrossTower(
        method=plugin.method.name,
        dataset=data.name,
        seed=plugin.origin["seed"],
        side=_side(plugin),
        carried=tested(dict.fromkeys(CELLS, plugin)),
        zero_shot=tested(dict.fromkeys(CELLS, zero_shot)),
        retrained=tested({"old_old": plugin, **retrained}) if retrained else None,
    )


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed: the report's fields, and views, crop, epochs, final loss and seconds of the training."""
    upgrade, plugins = experiment.upgrade, experiment.plugins
    pairs = tower_pairs(upgrade)
    others = [cell for cell in CELLS if cell != "old_old"] if experiment.retrains else []
    experiment.tune_together(upgrade.old, *(pairs[cell] for cell in others))
    for seed, data in experiment.datasets.items():
        plugin = plugins.tune(upgrade.old, {seed: data})[seed]
        again = {cell: plugins.tune(pairs[cell], {seed: data})[seed] for cell in others}
        report = cross_tower(plugin, upgrade, data, retrained=again or False, **experiment.options)
        yield report.to_dict() | training_facts(plugin, *again.values())


def _side(plugin: Plugin) -> str:
    sides = {"prompts": "text", "class weights": "text", "image features": "image"}
    sides |= dict.fromkeys(("prompts of both towers", "weights of both towers"), "both")
    return sides.get(plugin.method.acts_on, "neither")

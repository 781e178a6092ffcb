"""Repair: a plug-in of an old backbone becomes one of the new backbone, without labels."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.common.progress import Progress, showing
from clipcompat.data.pictures.images import hash_contents
from clipcompat.data.split import Images
from clipcompat.features.encode import Cache
from clipcompat.plugins.plugin import Plugin
from clipcompat.plugins.repair.imitate import imitated
from clipcompat.plugins.repair.pictures import as_split
from clipcompat.plugins.repair.translate import is_translatable, translated

HOW = ("map", "imitate")


def repair(
    plugin: Plugin,
    upgrade: Upgrade,
    pictures: Images,
    *,
    how: str | None = None,
    cache: Cache = None,
    progress: Progress | Callable | bool | None = None,
    **settings: Any,
) -> Plugin:
    """Make a plug-in fit for the new backbone, from pictures without labels that both backbones see.

    Args:
        plugin: tuned on `upgrade.old`.
        pictures: of its task, such as `unlabelled_pictures(data, 200)`. 200 are advised.
        how: "map" takes tensors that live in image features along by an affine map of features, in closed form (linear
            probe, Tip-Adapter). "imitate" trains on the new backbone with what the plug-in answers on the old one as
            labels, from the carried tensors (prompts, CLIP-Adapter). None takes the one that the method can have.
        settings: of `fit_map` (kind, strength), or of `fit` (views, dtype, memory_budget).
        progress: see `clipcompat.fit`.

    Returns:
        A plug-in of the new backbone with the same classes; its origin says how it was repaired, and from what.

    Raises:
        ConfigError: it was not tuned on `upgrade.old`. IncompatibleError: its method cannot be repaired in this way.
        DataError: too few pictures.
    """
    old, new = upgrade.old, upgrade.new
    how = how or ("map" if is_translatable(plugin.method) else "imitate")
    if how not in HOW:
        raise unknown_name("way to repair", how, HOW)
    if how == "imitate" and (maps := settings.keys() & {"kind", "strength"}):
        raise ConfigError(f"{sorted(maps)[0]} is of a map, and {plugin.method.name} is repaired by imitation; drop it.")
    if not plugin.is_tuned_on(old):
        raise ConfigError(
            f"the plug-in was tuned on {plugin.origin['backbone']['name']}, but the upgrade starts from {old.name} "
            f"(stamp {old.stamp}). Repair it with the upgrade from its own backbone."
        )
    split = as_split(pictures, tuple(plugin.origin["classnames"]), _template(plugin))
    with showing(progress) as told:
        hash_contents(split, cache, told)  # so that the origin names what was seen
        if how == "map":
            tensors = translated(plugin, old, new, split, cache, told, **settings)
            cpu = {name: t.detach().float().cpu() for name, t in tensors.items()}
            made = Plugin(plugin.method, cpu, {**plugin.origin, "init": plugin.stamp, "backbone": new.description})
        else:
            made = imitated(plugin, old, new, split, cache, told, **settings)
    kept = ("dataset", "train_stamp", "shots", "seed", "template", "upright")  # of the training with labels
    origin = {**made.origin, **{key: plugin.origin[key] for key in kept if key in plugin.origin}}
    words = f"{how}, {len(split)} pictures without labels ({split.image_stamp[:8]})"
    return replace(made, origin={**origin, "repair": words})


def _template(plugin: Plugin) -> str | tuple[str, ...]:
    """The words around class names that the plug-in was tuned with."""
    template = plugin.origin["template"]
    if template is None:
        return "a photo of a {}."
    return template if isinstance(template, str) else tuple(template)

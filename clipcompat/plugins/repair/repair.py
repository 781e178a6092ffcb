"""Repair: a plug-in of an old backbone becomes one of the new backbone, without labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.common.files import digest
from clipcompat.common.progress import Progress, showing
from clipcompat.data.pictures.images import hash_contents
from clipcompat.data.split import Images, Split
from clipcompat.features.encode import Cache
from clipcompat.plugins.plugin import Plugin
from clipcompat.plugins.repair.imitate import imitated
from clipcompat.plugins.repair.pictures import as_split
from clipcompat.plugins.repair.signs import masked
from clipcompat.plugins.repair.tokens import WAYS, has_tokens, moved
from clipcompat.plugins.repair.translate import is_translatable, reads_sentences, translated

HOW = ("map", "imitate", *WAYS, "signs")


def repair(
    plugin: Plugin,
    upgrade: Upgrade,
    pictures: Images | Split | None = None,
    *,
    sentences: Sequence[str] | None = None,
    how: str | None = None,
    cache: Cache = None,
    progress: Progress | Callable | bool | None = None,
    **settings: Any,
) -> Plugin:
    """Make a plug-in fit for the new backbone, without labels, or with those of a few pictures (how="signs").

    It needs pictures that both backbones see, or sentences that both read; a prompt can also do without either.

    Args:
        plugin: tuned on `upgrade.old`.
        pictures: of its task, such as `unlabelled_pictures(data, 200)`. 200 are advised.
        sentences: instead of pictures, for a map: several hundred captions or class names, of any task. For methods
            that read normalised features of the joint space: Tip-Adapter, and a linear probe with projected features.
            With `pictures` beside them (8 or more), sentences give the map's matrix, and the means of the pictures its
            shift. With how="tokens" or "anchors": for the network of CoCoOp, which reads such features too; may be
            left out.
        how: "map" takes tensors that live in image features along by an affine map of features, in closed form (linear
            probe, Tip-Adapter, GDA, LP++, ZS-LP, CLAP). "imitate" trains on the new backbone with what the plug-in
            answers on the old one as labels, from the carried tensors (prompts, CLIP-Adapter, DPC; why CLIP-Adapter has
            no map: see `clipcompat.plugins.repair.translate`). "tokens" and
            "anchors" move the rows of a prompt by what is known of all tokens (CoOp, KgCoOp, CoCoOp, ContCoOp, DPC over
            these): see `clipcompat.plugins.repair.tokens`. "signs" masks a change of weights by a gradient (CLIP-LoRA,
            ProLIP) and reads labels: pictures must then be a `Split`, such as a few of `data.train`. None takes "map"
            or "imitate", which the method can have.
        settings: of `fit_map` (kind, strength, rank, seed) for "map" and "tokens", or of `fit` (views, dtype,
            memory_budget).
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
    if how in ("imitate", "anchors") and (maps := settings.keys() & {"kind", "strength", "rank"}):
        raise ConfigError(f"{sorted(maps)[0]} is of a map, and how={how!r} fits none; drop it.")
    if how == "signs" and settings:
        raise ConfigError(f"how='signs' has no settings; drop {sorted(settings)[0]}.")
    if not plugin.is_tuned_on(old):
        tuned_on = plugin.origin["backbone"]
        raise ConfigError(
            f"the plug-in was tuned on {tuned_on['name']} (stamp {tuned_on['stamp']}), but the upgrade starts from "
            f"{old.name} (stamp {old.stamp}). Repair it with the upgrade from its own backbone."
        )
    _check_seen(plugin, how, pictures, sentences)
    seen = shown = None
    if pictures is not None:
        labelled = how == "signs" and isinstance(pictures, Split)
        seen = pictures if labelled else as_split(pictures, tuple(plugin.origin["classnames"]), _template(plugin))
    if sentences is not None:
        seen, shown = sentences, seen
    with showing(progress) as told:
        if pictures is not None:
            hash_contents(seen if shown is None else shown, cache, told)  # so that the origin names what was seen
        if how == "imitate":
            made, known = imitated(plugin, old, new, seen, cache, told, **settings), []
        elif how == "map":
            made, known = _of_new(plugin, new, translated(plugin, old, new, seen, cache, told, shown, **settings)), []
        elif how == "signs":
            method, tensors = masked(plugin, old, new, pictures, cache, told, **settings)
            made, known = _of_new(replace(plugin, method=method), new, tensors), []
        else:
            tensors, tokens = moved(plugin, old, new, how, sentences, **settings)
            made, known = _of_new(plugin, new, tensors), [f"{tokens:,} tokens of both vocabularies"]
    if pictures is not None:
        its = seen if shown is None else shown
        known.append(f"{len(its)} pictures with{'' if how == 'signs' else 'out'} labels ({its.image_stamp[:8]})")
    if sentences is not None:
        known.append(f"{len(seen)} sentences ({digest(list(seen))[:8]})")
    kept = ("dataset", "train_stamp", "shots", "seed", "template", "upright")  # of the training with labels
    origin = {**made.origin, **{key: plugin.origin[key] for key in kept if key in plugin.origin}}
    return replace(made, origin={**origin, "init": plugin.stamp, "repair": ", ".join([how, *known])})


def _of_new(plugin: Plugin, new: Backbone, tensors: Mapping[str, Tensor]) -> Plugin:
    cpu = {name: t.detach().float().cpu() for name, t in tensors.items()}
    return Plugin(plugin.method, cpu, {**plugin.origin, "backbone": new.description})


def _check_seen(plugin: Plugin, how: str, pictures: Images | None, sentences: Sequence[str] | None) -> None:
    """Refuse what the repair does not read, and a lack of what it does."""
    if how in WAYS:
        if pictures is not None:
            raise ConfigError(f"how={how!r} reads no pictures; drop them, or use how='imitate'.")
        return
    if how == "map" and pictures is not None and sentences is not None and not reads_sentences(plugin.method):
        raise ConfigError(f"a repair of {plugin.method.name} reads pictures or sentences, and not both; drop one.")
    if (pictures is None) == (sentences is None) and (pictures is None or how != "map"):
        without = " A prompt can do without both: how='tokens' or 'anchors'." if has_tokens(plugin.method) else ""
        some = (
            "this one has neither. Give some 200 pictures without labels (on the command line: --images or --dataset)"
        )
        found = some if pictures is None else f"how={how!r} reads pictures alone: drop the sentences"
        raise ConfigError(f"a repair needs pictures or sentences, and not both; {found}.{without}")
    if how == "imitate" and pictures is None:
        without = " A prompt needs neither with how='tokens' or 'anchors'." if has_tokens(plugin.method) else ""
        raise ConfigError(
            f"{plugin.method.name} is repaired by imitation, which needs pictures; sentences show none.{without}"
        )


def _template(plugin: Plugin) -> str | tuple[str, ...]:
    """The words around class names that the plug-in was tuned with."""
    template = plugin.origin["template"]
    if template is None:
        return "a photo of a {}."
    return template if isinstance(template, str) else tuple(template)

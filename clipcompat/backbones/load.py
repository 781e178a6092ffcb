"""A backbone by name: architecture, weights, tokenizer and preprocessing, checked and stamped.

Two mistakes are refused here that open_clip accepts, with a warning or silently. One is weights in a model of another
activation: "ViT-B-16" with the tag "openai" runs GELU, but OpenAI trained QuickGELU. The other is position embeddings
of another picture size, which open_clip resizes.
"""

import difflib
import logging
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.catalog import backbone_kind
from clipcompat.backbones.device import pick_device, pick_dtype
from clipcompat.backbones.outline import Outline
from clipcompat.backbones.preprocess import OPENAI_MEAN, Preprocess
from clipcompat.backbones.weights.architecture import build_model, build_tokenizer, model_config
from clipcompat.backbones.weights.checkpoints import Checkpoint, read_checkpoint
from clipcompat.backbones.weights.fill import fill_model, stamp_model, uses_quick_gelu
from clipcompat.backbones.weights.tags import (
    activation,
    check_activation,
    fetch_tag,
    has_twin,
    openai_hashes,
    tag_config,
)
from clipcompat.common.errors import ConfigError, UnknownNameError, UnsuitableModelError

_log = logging.getLogger(__name__)

_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")


def load_backbone(
    name: str,
    pretrained: str | Path | None = None,
    *,
    seed: int | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | str | None = None,
    cache_dir: str | Path | None = None,
    other_activation: bool = False,
) -> Backbone:
    """Build a backbone and fill it with weights.

    Args:
        name: an open_clip model, for example "EVA02-B-16" or "ViT-B-16-quickgelu"; or a mini backbone, "mini-old".
        pretrained: an open_clip tag ("openai"), the path of a checkpoint (safetensors, state dict or OpenAI's
            TorchScript), "random:SEED", or None: the shipped weights of a mini backbone, random ones of any other.
        seed: of random weights, which are drawn by open_clip's own initialisation; ignored for a tag or file.
        device: None takes the best of this machine.
        dtype: autocast type of the towers; None follows `pick_dtype`. Parameters are always float32.
        cache_dir: where weights of a tag are looked up and downloaded to; None means open_clip's usual places.
        other_activation: take weights that were trained with another activation than the model has, as a control. Its
            source then says so.

    Returns:
        A frozen Backbone. Its stamp is a hash of architecture, weights (their values, not the file), activation and
        preprocessing.

    Raises:
        UnknownNameError: no such model or tag. ConfigError: random weights without a seed; weights of another
        activation; a model whose text tower or preprocessing is not CLIP's. CheckpointError: weights that are
        missing, unreadable, unsafe or of another model.
    """
    device = pick_device(device)
    dtype = pick_dtype(device, dtype)
    pretrained, seed = _random_seed(pretrained, seed)
    if backbone_kind(name) == "mini":
        from clipcompat.backbones.mini.models import load_mini

        return load_mini(name, pretrained=pretrained, seed=seed, device=device, dtype=dtype)
    name = name.replace("/", "-")  # OpenAI writes ViT-B/16
    # an unknown or unsuitable model is refused before anything is read or downloaded
    image_size = model_config(name)["vision_cfg"].get("image_size", 224)
    if pretrained is None:
        if seed is None:
            raise ConfigError(f"{name} without `pretrained` has random weights, which need a seed, for example seed=1.")
        preprocess = _preprocess(name, _default_record(name), image_size)
        model, source = build_model(name, seed), f"random weights, seed {seed}"
    else:
        record, path, source = _locate(name, pretrained, other_activation)
        preprocess = _preprocess(name, record, image_size)
        checkpoint = read_checkpoint(path or fetch_tag(name, str(pretrained), cache_dir))
        tagged = bool(record.get("quick_gelu")) if source else None  # the activation that the tag's record names
        # weights of unknown origin (random ones, for example) must not look like the published ones in a record
        origin = "as OpenAI published it" if checkpoint.sha256 in openai_hashes() else "not known as published"
        source = source or f"{path.name} (file, sha256 {checkpoint.sha256[:8]}…, {origin})"
        model = build_model(name)
        fill_model(model, checkpoint.tensors, name, source)
        source += _check_activation(name, model, checkpoint, source, tagged, other_activation)
    stamp = stamp_model(name, model, preprocess)
    about = {"name": name, "stamp": stamp, "source": source, "kind": "public"}
    return Backbone(model, build_tokenizer(name), preprocess, **about, device=device, dtype=dtype)


def load_outline(name: str, pretrained: str | Path | None = None) -> Outline:
    """The outline of a backbone: its architecture alone, for `Plugin.match`. No weights are read before its stamp is.

    name, pretrained: as for `load_backbone`. Without `pretrained`, only a mini backbone, which has its own weights, has
    a stamp.

    Raises:
        UnknownNameError, ConfigError: as `load_backbone` does for a name and a tag.
        UnsuitableModelError: no plug-in can be carried to or from the model.
    """
    mini = backbone_kind(name) == "mini"
    if mini:
        from clipcompat.backbones.mini.models import build_mini

        with torch.device("meta"):
            model, _ = build_mini(name)
    else:
        name = name.replace("/", "-")
        check_weights(name, pretrained)
        model = build_model(name, device="meta")
    known = mini or pretrained is not None
    return Outline.of(name, model, (lambda: load_backbone(name, pretrained, device="cpu").stamp) if known else None)


def check_weights(name: str, pretrained: str | Path | None = None) -> None:
    """Refuse an open_clip model, or a tag of it, that `load_backbone` refuses. No model is built and no file is read.

    Raises:
        UnknownNameError, ConfigError, UnsuitableModelError: see `load_outline`.
    """
    image_size = model_config(name)["vision_cfg"].get("image_size", 224)
    weights, _ = _random_seed(pretrained, None)
    record = _default_record(name) if weights is None else _locate(name, weights, False)[0]
    _preprocess(name, record, image_size)


def _random_seed(pretrained: str | Path | None, seed: int | None) -> tuple[str | Path | None, int | None]:
    """`pretrained` and `seed`, where "random:SEED" gives (None, SEED)."""
    if isinstance(pretrained, str) and pretrained.partition(":")[0] == "random":
        text = pretrained.partition(":")[2]
        if not text.isdecimal() or seed not in (None, int(text)):
            raise ConfigError(
                f"pretrained={pretrained!r} with seed={seed}: write 'random:SEED' with a whole number, "
                "for example 'random:1', and leave seed out."
            )
        pretrained, seed = None, int(text)
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63):
        raise ConfigError(f"seed={seed!r}: a whole number of 0 or more was expected.")
    return pretrained, seed


def _locate(
    name: str, pretrained: str | Path, other_activation: bool
) -> tuple[dict[str, Any], Path | None, str | None]:
    """Tell a tag from a file: (its record, None, its source) or (the model's default record, the path, None)."""
    record = tag_config(name, pretrained, other_activation) if isinstance(pretrained, str) else None
    if record:
        return record, None, f"{pretrained} (tag)"
    path = Path(pretrained).expanduser()
    named_like_a_file = not isinstance(pretrained, str) or os.sep in pretrained or "/" in pretrained
    if path.exists() or named_like_a_file or pretrained.endswith(_SUFFIXES):
        return _default_record(name), path, None
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(name)
    near = difflib.get_close_matches(pretrained, tags, n=3, cutoff=0.4)
    meant = f" Did you mean {', '.join(map(repr, near))}?" if near else ""
    raise UnknownNameError(
        f"{pretrained!r} is neither a tag of {name} nor a file.{meant} Its tags: {', '.join(tags) or 'none'}. "
        "Or give the path of a checkpoint, or 'random:1'."
    )


def _default_record(name: str) -> dict[str, Any]:
    """The record that gives the preprocessing of weights without a tag.

    One of the model's tags with OpenAI's mean, else its first tag, else an empty one (which means OpenAI's).
    """
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    records = [get_pretrained_cfg(name, tag) for tag in open_clip.list_pretrained_tags_by_model(name)]
    return next((r for r in records if r["mean"] == OPENAI_MEAN), records[0] if records else {})


def _preprocess(name: str, record: dict[str, Any], image_size: int | tuple[int, int]) -> Preprocess:
    wants = (record.get("interpolation", "bicubic"), record.get("resize_mode", "shortest"))
    if wants != ("bicubic", "shortest"):
        raise UnsuitableModelError(
            f"no plug-in can be carried to or from {name}, because it was trained on pictures resized {wants[0]}, mode "
            f"{wants[1]!r}, and this library resizes bicubic, shorter side first, as CLIP and EVA02-CLIP do. Choose "
            "another model or another tag."
        )
    if not isinstance(image_size, int) and image_size[0] != image_size[1]:
        raise ConfigError(f"{name} takes pictures of {image_size} pixels; this library makes square ones only.")
    size = image_size if isinstance(image_size, int) else image_size[0]
    known = {key: tuple(record[key]) for key in ("mean", "std") if key in record}
    return Preprocess(size, **known)


def _check_activation(
    name: str, model: nn.Module, checkpoint: Checkpoint, source: str, tagged: bool | None, other_activation: bool
) -> str:
    """Refuse weights of another activation, unless that is wanted; what the source should say of it.

    tagged: whether the tag says QuickGELU; None for a file. Where only the name decides, a warning says so.
    """
    built = uses_quick_gelu(model)
    trained = True if checkpoint.sha256 in openai_hashes() else checkpoint.quick_gelu
    known = tagged if trained is None else trained
    if other_activation and known is not None and known != built:
        return f", trained with {activation(known)}, run with {activation(built)}"
    if trained is not None:
        check_activation(name, built, trained, source)
    if known is not None or not has_twin(name):
        return ""
    _log.warning(
        f"{source} does not say which activation its weights were trained with; {name} runs them with "
        f"{activation(built)}. OpenAI's weights need QuickGELU (the -quickgelu names), and with the wrong one every "
        "accuracy is too low."
    )
    return ", activation not verified"

"""A backbone by name: architecture, weights, tokenizer and preprocessing, checked and stamped.

Two traps are refused here that open_clip lets pass with a warning or not at all: weights in a model of another
activation ("ViT-B-16" with the tag "openai" runs GELU where OpenAI trained QuickGELU), and position tables of another
picture size, which it resizes.
"""

from __future__ import annotations

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
from clipcompat.backbones.preprocess import OPENAI_MEAN, Preprocess
from clipcompat.backbones.weights.architecture import build_model, build_tokenizer, model_config
from clipcompat.backbones.weights.checkpoints import Checkpoint, read_checkpoint
from clipcompat.backbones.weights.fill import fill_model, stamp_model, uses_quick_gelu
from clipcompat.backbones.weights.tags import check_activation, fetch_tag, has_twin, openai_hashes, tag_config
from clipcompat.common.errors import ConfigError, UnknownNameError

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
) -> Backbone:
    """Build a backbone and fill it with weights.

    Args:
        name: an open_clip model, "EVA02-B-16" or "ViT-B-16-quickgelu" say; or a mini backbone, "mini-old".
        pretrained: an open_clip tag ("openai"), the path of a checkpoint (safetensors, state dict or OpenAI's
            TorchScript), "random:SEED", or None for random weights. A mini name takes its shipped weights for None.
        seed: of random weights; those of open_clip's own initialisation. Weights of a tag or file have no use for it.
        device: None takes the best there is.
        dtype: autocast type of the towers; None follows `pick_dtype`. Parameters are float32 in any case.
        cache_dir: where tags are looked up and downloaded to; None means open_clip's usual places.

    Returns:
        A frozen Backbone. Its stamp names architecture, weights (their values, whatever file they came in),
        activation and preprocessing.

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
    model_config(name)  # refuses unknown and unfit models before anything is read or downloaded
    if pretrained is None:
        if seed is None:
            raise ConfigError(f"{name} without `pretrained` has random weights, which need a seed: give seed=1, say.")
        record = _untold_preprocessing(name)
        preprocess = _preprocess(name, record, model_config(name)["vision_cfg"].get("image_size", 224))
        model, source = build_model(name, seed), f"random weights, seed {seed}"
    else:
        record, path, source = _locate(name, pretrained)
        preprocess = _preprocess(name, record, model_config(name)["vision_cfg"].get("image_size", 224))
        path = path or fetch_tag(name, str(pretrained), cache_dir)
        checkpoint = read_checkpoint(path)
        tagged = source is not None  # the tag's record told the activation, and it was checked
        # a record made with weights of unknown origin (random ones, say) must not read as if they were the real ones
        origin = "as OpenAI published it" if checkpoint.sha256 in openai_hashes() else "not known as published"
        source = source or f"{path.name} (file, sha256 {checkpoint.sha256[:8]}…, {origin})"
        model = build_model(name)
        fill_model(model, checkpoint.tensors, name, source)
        verified = _check_file_activation(name, model, checkpoint, source) or tagged or not has_twin(name)
        source += "" if verified else _unverified(name, model, source)
    stamp = stamp_model(name, model, preprocess)
    about = {"name": name, "stamp": stamp, "source": source, "kind": "public"}
    return Backbone(model, build_tokenizer(name), preprocess, **about, device=device, dtype=dtype)


def _random_seed(pretrained: str | Path | None, seed: int | None) -> tuple[str | Path | None, int | None]:
    """ "random:SEED" is None with that seed."""
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


def _locate(name: str, pretrained: str | Path) -> tuple[dict[str, Any], Path | None, str | None]:
    """Whether `pretrained` is a tag or a file: its record, its path (a tag's is still to fetch), and a tag's source."""
    record = tag_config(name, pretrained) if isinstance(pretrained, str) else None
    if record:
        return record, None, f"{pretrained} (tag)"
    path = Path(pretrained).expanduser()
    named_like_a_file = not isinstance(pretrained, str) or os.sep in pretrained or "/" in pretrained
    if path.exists() or named_like_a_file or pretrained.endswith(_SUFFIXES):
        return _untold_preprocessing(name), path, None
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(name)
    near = difflib.get_close_matches(pretrained, tags, n=3, cutoff=0.4)
    meant = f" Did you mean {', '.join(map(repr, near))}?" if near else ""
    raise UnknownNameError(
        f"{pretrained!r} is neither a tag of {name} nor a file.{meant} Its tags: {', '.join(tags) or 'none'}. "
        "Or give the path of a checkpoint, or 'random:1'."
    )


def _untold_preprocessing(name: str) -> dict[str, Any]:
    """For weights that come without a record: OpenAI's, unless every published checkpoint of the model has another."""
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    records = [get_pretrained_cfg(name, tag) for tag in open_clip.list_pretrained_tags_by_model(name)]
    return next((r for r in records if r["mean"] == OPENAI_MEAN), records[0] if records else {})


def _preprocess(name: str, record: dict[str, Any], image_size: int | tuple[int, int]) -> Preprocess:
    wants = (record.get("interpolation", "bicubic"), record.get("resize_mode", "shortest"))
    if wants != ("bicubic", "shortest"):
        raise ConfigError(
            f"{name} wants its pictures resized {wants[0]}, mode {wants[1]!r}; this library resizes bicubic, shorter "
            "side first, as CLIP and EVA02-CLIP do. Choose another model or another tag."
        )
    if not isinstance(image_size, int) and image_size[0] != image_size[1]:
        raise ConfigError(f"{name} takes pictures of {image_size} pixels; this library makes square ones only.")
    size = image_size if isinstance(image_size, int) else image_size[0]
    known = {key: tuple(record[key]) for key in ("mean", "std") if key in record}
    return Preprocess(size, **known)


def _check_file_activation(name: str, model: nn.Module, checkpoint: Checkpoint, source: str) -> bool:
    """Refuse another activation; False where the file cannot tell its own."""
    trained = True if checkpoint.sha256 in openai_hashes() else checkpoint.quick_gelu
    if trained is not None:
        check_activation(name, uses_quick_gelu(model), trained, source)
    return trained is not None


def _unverified(name: str, model: nn.Module, source: str) -> str:
    """Warn that the name alone decided on the activation; what to add to the source."""
    built = "QuickGELU" if uses_quick_gelu(model) else "GELU"
    _log.warning(
        "%s does not say which activation its weights were trained with; %s runs them with %s. OpenAI's weights need "
        "QuickGELU (the -quickgelu names), and with the wrong one every accuracy is too low.",
        source,
        name,
        built,
    )
    return ", activation not verified"

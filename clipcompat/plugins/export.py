"""Class weights for use without this library: one safetensors file whose header says how to use it."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.preprocess import Preprocess
from clipcompat.common.errors import PluginError
from clipcompat.common.files import refuse_overwriting, to_json, write_atomic
from clipcompat.common.version import __version__
from clipcompat.plugins.plugin import Plugin
from clipcompat.training.learner import Template

_FORMAT = "clipcompat-class-weights-1"
_USAGE = (
    "logits = logit_scale * (f / norm(f)) @ weights.T, where f is the backbone's projected image feature [image, dim] "
    "of pictures that went through image_preprocessing, and weights is the tensor in this file, [class, dim], float32, "
    "each row of unit norm; column i of the logits belongs to class_names[i]; probabilities are their softmax."
)


def export_class_weights(
    plugin: Plugin,
    backbone: Backbone,
    path: str | Path,
    classnames: Sequence[str] | None = None,
    template: Template | None = None,
    force: bool = False,
) -> Path:
    """Write a plug-in's text classifier on a backbone as the tensor `weights`, float32 [class, dim], unit norm.

    The header's entry "clipcompat" is JSON: class names, logit scale, backbone, image preprocessing, and how to use it.

    Args:
        classnames: None takes those the plug-in was tuned on. template: None takes the plug-in's own.
        force: overwrite a file of this name.

    Raises:
        PluginError: the method has no class weights. IncompatibleError: the plug-in does not fit backbone or classes.
        StorageError: the file exists, or it cannot be written; nothing is left half-written.
    """
    from safetensors.torch import save

    refuse_overwriting(path, force)
    if plugin.method.needs == "pixels":
        raise PluginError(
            f"{plugin.method.name} changes the image tower, so its classifier is not for image features of the "
            "backbone alone, and a file of weights cannot hold it. Save the plug-in."
        )
    names = plugin.origin["classnames"] if classnames is None else classnames
    weights = plugin.class_weights(backbone, names, template).float().cpu().contiguous()
    template = template or plugin.origin["template"]
    header = {
        "format": _FORMAT,
        "version": __version__,
        "usage": _USAGE,
        "class_names": list(names),
        "logit_scale": _scale(plugin, backbone, weights, names, template),
        "backbone": backbone.description,
        "image_preprocessing": _described(backbone.preprocess, plugin.sees_upright),
        "template": template if isinstance(template, str | None) else list(template),
        "plugin": {
            "method": plugin.method.name,
            "stamp": plugin.stamp,
            "tuned_on": plugin.origin["backbone"],
            "dataset": plugin.origin["dataset"],
        },
    }
    return write_atomic(path, save({"weights": weights}, {"clipcompat": to_json(header, indent=None)}))


@torch.no_grad()
def _scale(plugin: Plugin, backbone: Backbone, weights: Tensor, names: Sequence[str], template: Any) -> float:
    """The factor of the cosines, computed from the method's logits: a method may have its own temperature."""
    if not plugin.method.class_specific:
        names = names[:2]  # two are enough, and the text tower is slow
    probes = weights[: min(2, len(names))]
    tensors = {name: t.to(backbone.device) for name, t in plugin.tensors.items()}
    logits = plugin.method.logits(tensors, backbone, probes.to(backbone.device), names, template).float().cpu()
    scale = float(logits[0, 0] / (probes[0] @ probes[0]))
    if not torch.allclose(logits, scale * probes @ weights[: len(names)].T, rtol=1e-3, atol=1e-3 * abs(scale)):
        raise PluginError(
            f"the logits of {plugin.method.name} are no scaled cosines with its class weights, so a file of weights "
            "cannot be its classifier. Use the plug-in's logits or predict."
        )
    return backbone.logit_scale if math.isclose(scale, backbone.logit_scale, rel_tol=1e-5) else scale


def _described(preprocess: Preprocess, upright: bool) -> list[dict[str, Any]]:
    """The test transform as JSON values, step by step."""
    resize = {"shorter_side": preprocess.size, "longer_side": "int(shorter_side * longer / shorter)"}
    return [
        *([{"turn": "as the EXIF orientation says"}] if upright else []),
        {"convert": "RGB"},
        {"resize": {**resize, "interpolation": "bicubic, antialiased (PIL's BICUBIC)"}},
        {"centre_crop": preprocess.size},
        {"divide": 255},
        {"normalise": {"mean": list(preprocess.mean), "std": list(preprocess.std)}},
    ]

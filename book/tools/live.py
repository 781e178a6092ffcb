"""The files of the live upgrade on the book's first page: both miniature backbones, six plug-ins, pictures and words.

    python -m book.tools.live    # trains the plug-ins of book/assets/live/plugins again, and tests them

A page opened from disk may load scripts and nothing else, so every file is a script that assigns base64 or JSON.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save
from torch import Tensor

import clipcompat as cc
from clipcompat.backbones.mini.models import ARCHITECTURES, build_mini, mini_weights
from clipcompat.backbones.mini.tokenizer import MERGES_FILE
from clipcompat.backbones.weights.checkpoints import read_checkpoint
from clipcompat.common.files import to_json, write_atomic
from clipcompat.studies.accuracy import accuracy

DATASET = "mini/tints"
METHODS = ("coop", "linear_probe")
STAGES = ("old", "repaired", "retrained")
PLUGINS = Path(__file__).parents[1] / "assets" / "live" / "plugins"
ACCURACY = PLUGINS / "accuracy.json"
_SEED = 1
_PICTURES = 24
_MATRIX = 1000  # numbers: what is smaller, or a vector, keeps its precision


def train_plugins(folder: Path) -> None:
    """Tuned on old, the same one repaired without labels for new, and tuned again on new, for each of `METHODS`.

    Their accuracies on all test pictures, in percent, go into accuracy.json beside them.
    """
    data = cc.load_dataset(DATASET, shots=16, seed=_SEED)
    upgrade = cc.load_upgrade("mini", device="cpu")
    accuracies = {}
    for name in METHODS:
        method = cc.default_method(name, DATASET)
        plugin = cc.fit(method, upgrade.old, data, seed=_SEED)
        repaired = cc.repair(plugin, upgrade, cc.unlabelled_pictures(data, 200))
        retrained = cc.fit(method, upgrade.new, data, seed=_SEED)
        for stage, made in zip(STAGES, (plugin, repaired, retrained), strict=True):
            made.save(folder / f"{name}-{stage}.safetensors", force=True)
        runs = {"old": (plugin, upgrade.old), "carried": (plugin, upgrade.new)}
        runs |= {"repaired": (repaired, upgrade.new), "retrained": (retrained, upgrade.new)}
        tested = {run: accuracy(made, backbone, data.test) for run, (made, backbone) in runs.items()}
        accuracies[name] = {run: round(value, 2) for run, value in tested.items()}
    write_atomic(folder / ACCURACY.name, to_json(accuracies) + "\n")


def write_live(folder: Path) -> None:
    """Write backbones, plug-ins and words into `folder`, a copy of book/assets/live."""
    for name in ("mini-old", "mini-new"):
        _script(folder / f"{name}.js", name, _base64(save(rounded(name), _about(name))))
    for path in sorted((folder / "plugins").glob("*.safetensors")):
        _script(path.with_suffix(".js"), path.stem, _base64(path.read_bytes()))
    _script(folder / "world.js", "world", _world())


def rounded(name: str) -> dict[str, np.ndarray]:
    """A mini backbone's shipped tensors, every matrix as int8 with one scale per row, which is half of their size."""
    tensors = {key: t.float() for key, t in read_checkpoint(mini_weights(name)).tensors.items()}
    if ARCHITECTURES[name].eva:
        tensors["rope"] = build_mini(name)[0].visual.trunk.rope.get_embed()
    kept: dict[str, np.ndarray] = {}
    for key, tensor in tensors.items():
        if tensor.ndim < 2 or tensor.numel() < _MATRIX or key == "rope":
            kept[key] = tensor.numpy()
        else:
            scale = tensor.flatten(1).abs().amax(1) / 127
            kept[key] = _by_row(tensor, 1 / scale).round().to(torch.int8).numpy()
            kept[f"{key}.scale"] = scale.numpy()
    return kept


def restored(name: str) -> dict[str, Tensor]:
    """The weights that the page computes with, as float32, for torch."""
    kept = {key: torch.from_numpy(value) for key, value in rounded(name).items() if key != "rope"}
    scales = {key.removesuffix(".scale"): kept.pop(key) for key in list(kept) if key.endswith(".scale")}
    return {key: _by_row(t.float(), scales[key]) if key in scales else t for key, t in kept.items()}


def _by_row(tensor: Tensor, scale: Tensor) -> Tensor:
    return tensor * scale.reshape(-1, *[1] * (tensor.ndim - 1))


def _about(name: str) -> dict[str, str]:
    kind = ARCHITECTURES[name]
    activation = "quick_gelu" if kind.quick_gelu else "gelu"
    return {"image": "eva" if kind.eva else "vit", "activation": activation, "heads": str(kind.width // 32)}


def _world() -> dict:
    """Merges of the tokenizer, class names, their template, and the first test pictures with their classes."""
    data = cc.load_dataset(DATASET, shots=16, seed=_SEED)
    # the tokenizer takes a first line as the version, and as many merges as CLIP's vocabulary has room for
    merges = gzip.decompress(MERGES_FILE.read_bytes()).decode().split("\n")[1:]
    pictures = [{"png": png_address(data.test.images[i]), "label": int(data.test.labels[i])} for i in range(_PICTURES)]
    return {"merges": merges, "names": list(data.classnames), "template": data.test.template, "pictures": pictures}


def png_address(picture: Image.Image) -> str:
    """A picture as a data address, without loss."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return f"data:image/png;base64,{_base64(file.getvalue())}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _script(path: Path, name: str, value) -> None:
    write_atomic(path, f"clipcompat.files[{json.dumps(name)}] = {json.dumps(value)};\n")


if __name__ == "__main__":
    train_plugins(PLUGINS)

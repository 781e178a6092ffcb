"""CLIP-LoRA's own file (MaxZanella/CLIP-LoRA loralib/utils.py, `save_lora`), read into tensors of this library.

    {"weights": {"layer_0": {"q_proj": {"w_lora_A": …, "w_lora_B": …}, "k_proj": …, "v_proj": …}, …},
     "metadata": {"r", "alpha", "encoder", "params", "position"}}

Layers are numbered through both towers, the text tower first. What a file leaves out, a tower or one of q, k and v, has
no addition: its B is 0. Refused are files with an addition to the output projection, or to some of the blocks only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.errors import CheckpointError
from clipcompat.plugins.official.files import OfficialFile

_PARTS = ("q", "k", "v")
_TOWERS = {"text": ("text",), "vision": ("image",), "both": ("text", "image")}
_ADVICE = "Give a file of CLIP-LoRA's code (--save_path)"


@dataclass(frozen=True)
class LoRAFile:
    """tensors: as `CLIPLoRA` learns them. settings: rank and alpha. source: the file's name and sha256."""

    tensors: Mapping[str, Tensor]
    settings: Mapping[str, Any]
    source: str

    @staticmethod
    def read(path: Path, backbone: Backbone) -> "LoRAFile":
        """Read a file of a training on this backbone, whose numbers of blocks part the layers into towers.

        Raises:
            CheckpointError: it is missing, damaged or not such a file, or it changes what this library does not.
        """
        file = OfficialFile.read(path)
        content = file.content if isinstance(file.content, Mapping) else {}
        layers, about = content.get("weights"), content.get("metadata")
        if not isinstance(layers, Mapping) or not isinstance(about, Mapping):
            raise CheckpointError(f"{file.name} does not hold `weights` and `metadata`. {_ADVICE}.")
        rank, alpha, towers, params = _checked(about, file.name)
        blocks = {"text": backbone.layers, "image": backbone.image_layers}
        names = [f"layer_{i}" for i in range(sum(blocks[tower] for tower in towers))]
        if set(layers) != set(names):
            raise CheckpointError(
                f"{file.name} has {len(layers)} layers, and {backbone.name} has {len(names)} blocks in "
                f"{' and '.join(towers)}. Give the backbone that it was tuned on."
            )
        tensors, place = {}, 0
        for tower, width in (("text", backbone.width), ("image", backbone.penultimate)):
            down, up = torch.zeros(blocks[tower], 3, rank, width), torch.zeros(blocks[tower], 3, width, rank)
            for block in range(blocks[tower]) if tower in towers else ():
                for part, letter in enumerate(_PARTS):
                    if letter in params:
                        pair = _pair(layers[names[place]], letter, names[place], file)
                        _put(pair, (down[block, part], up[block, part]), f"{names[place]}.{letter}_proj", file.name)
                place += 1
            tensors |= {f"{tower}.down": down, f"{tower}.up": up}
        return LoRAFile(tensors, {"rank": rank, "alpha": alpha}, file.source)


def _checked(about: Mapping[str, Any], name: str) -> tuple[int, float, tuple[str, ...], tuple[str, ...]]:
    """Rank, alpha, towers and q, k, v of the metadata."""
    rank, alpha, encoder, params = (about.get(key) for key in ("r", "alpha", "encoder", "params"))
    if type(rank) is not int or not 1 <= rank <= 4096 or type(alpha) not in (int, float) or not 0 < alpha <= 1e30:
        raise CheckpointError(f"{name} has r={rank!r:.40} and alpha={alpha!r:.40}; positive numbers were expected.")
    listed = isinstance(params, list | tuple) and params and all(isinstance(letter, str) for letter in params)
    if not isinstance(encoder, str) or encoder not in _TOWERS or not listed:
        raise CheckpointError(f"{name} names the encoder {encoder!r:.40} and params {params!r:.40}. {_ADVICE}.")
    if not set(params) <= set(_PARTS) or about.get("position") != "all":
        raise CheckpointError(
            f"{name} changes {params!r:.40} in the blocks {about.get('position')!r:.40}; this library reads additions "
            "to q, k and v in all blocks."
        )
    return rank, float(alpha), _TOWERS[encoder], tuple(params)


def _pair(layer: Any, letter: str, name: str, file: OfficialFile) -> tuple[Tensor, Tensor]:
    """A and B of one projection."""
    held = layer.get(f"{letter}_proj") if isinstance(layer, Mapping) else None
    if not isinstance(held, Mapping):
        raise CheckpointError(f"{file.name} lacks {name}.{letter}_proj, which its metadata names; it is damaged.")
    at = f"{name}.{letter}_proj"
    down, up = (file.tensor(held.get(f"w_lora_{kind}"), f"{at}.w_lora_{kind}") for kind in "AB")
    return down, up


def _put(pair: tuple[Tensor, Tensor], places: tuple[Tensor, Tensor], at: str, name: str) -> None:
    for kind, value, place in zip("AB", pair, places, strict=True):
        if value.shape != place.shape:
            raise CheckpointError(
                f"{name}: {at}.w_lora_{kind} is {list(value.shape)}, and {list(place.shape)} was expected. Give the "
                "backbone that it was tuned on."
            )
        place.copy_(value)

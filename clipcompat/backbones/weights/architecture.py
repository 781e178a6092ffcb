"""Build an open_clip model by name: randomly initialised, or with undefined weights that a checkpoint will replace."""

import difflib
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from clipcompat.common.errors import UnknownNameError, UnsuitableModelError
from clipcompat.common.packages import check_torchvision

_DRAWS = ("normal_", "uniform_", "erfinv_", "kaiming_uniform_", "kaiming_normal_")


def model_config(name: str) -> dict[str, Any]:
    """open_clip's configuration of a model.

    Raises:
        UnknownNameError: open_clip has no such model.
        UnsuitableModelError: its text tower is not open_clip's own, which every method here needs.
    """
    check_torchvision()
    import open_clip

    known = open_clip.list_models()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        meant = f" Did you mean {', '.join(map(repr, near))}?" if near else ""
        raise UnknownNameError(f"unknown backbone {name!r}.{meant} open_clip.list_models() names all {len(known)}.")
    config = open_clip.get_model_config(name)
    if because := _differences(config):
        raise UnsuitableModelError(
            f"no plug-in can be carried to or from {name}, because its text tower is not CLIP's: "
            f"{', and '.join(because)}. Choose a model such as 'ViT-B-16-quickgelu' or 'EVA02-B-16'."
        )
    return config


def _differences(config: dict[str, Any]) -> list[str]:
    """In which ways the text tower of a configuration is not CLIP's."""
    text = config["text_cfg"]
    writes, model, tokenizer = "multimodal_cfg" in config, text.get("hf_model_name"), text.get("hf_tokenizer_name")
    found = {
        "it also writes captions (CoCa) and has a class token of its own": writes,
        f"it is a model of Hugging Face ({model})": model,
        f"it reads the tokens of {tokenizer}": tokenizer,
        "it has no causal mask": text.get("no_causal_mask"),
        "its feature is not that of the end of the text": text.get("pool_type", "argmax") != "argmax",
    }
    return [why for why, holds in found.items() if holds]


def build_model(name: str, seed: int | None = None, device: str = "cpu") -> nn.Module:
    """An open_clip CLIP or CustomTextCLIP, float32.

    Args:
        name: an open_clip model.
        seed: for open_clip's own initialisation; the global generators stay as they were. None leaves the weights
            undefined, to be replaced by a checkpoint (drawing them takes three quarters of the time).
        device: "cpu", or "meta" for shapes without memory.
    """
    config = model_config(name)
    from open_clip.model import CLIP, CustomTextCLIP

    config["vision_cfg"]["timm_model_pretrained"] = False
    kind = CustomTextCLIP if config.pop("custom_text", False) else CLIP
    with torch.random.fork_rng(devices=[]), torch.device(device), nullcontext() if seed is not None else _NoDrawing():
        # not torch.manual_seed, which also reseeds every GPU
        torch.random.default_generator.manual_seed(seed or 0)
        return kind(**config)


def build_tokenizer(name: str) -> Any:
    """The BPE tokenizer of a model, with the vocabulary that open_clip ships."""
    text = model_config(name)["text_cfg"]
    # not open_clip.get_tokenizer: it logs through the root logger, which then prints every logger's messages
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer(context_length=text.get("context_length", 77), **text.get("tokenizer_kwargs", {}))


class _NoDrawing(TorchFunctionMode):
    """A context in which random initialisation does nothing."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func.__name__ in _DRAWS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))

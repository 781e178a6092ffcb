"""The miniature backbones: what they are made of, and loading them with the weights this package ships.

"mini-old" is built as OpenAI's CLIP is (open_clip `CLIP`, QuickGELU, plain ViT), "mini-new" as EVA02-CLIP is
(`CustomTextCLIP`, GELU, a timm EVA-02 trunk with RoPE, SwiGLU and sub-layer norms), so that every line that runs on
them is the line that runs on the real pair. Text width, joint dim, tokenizer, context and pixels are shared.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.checkpoints import read_checkpoint
from clipcompat.backbones.preprocess import Preprocess
from clipcompat.backbones.weights import fill_model, stamp_model
from clipcompat.errors import ConfigError, unknown_name

GENERATIONS = ("old", "new")
MINI_PREPROCESS = Preprocess(size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), min_crop=0.6)
_WIDTH, _HEADS, _TEXT_LAYERS = 128, 4, 6
_OLD_LAYERS, _NEW_LAYERS, _PATCH = 3, 5, 8
_TRUNK = "clipcompat_mini_eva"
_WEIGHTS = Path(__file__).resolve().parent.parent / "mini" / "weights"


def build_mini(generation: str) -> tuple[nn.Module, Any]:
    """A randomly initialised model (torch's global generator) of generation "old" or "new", and its tokenizer."""
    from open_clip.model import CLIP, CustomTextCLIP

    from clipcompat.mini.tokenizer import CONTEXT_LENGTH, mini_tokenizer

    if generation not in GENERATIONS:
        raise unknown_name("generation of the mini backbone", generation, GENERATIONS)
    tokenizer = mini_tokenizer()
    text = {
        "context_length": CONTEXT_LENGTH,
        "vocab_size": tokenizer.vocab_size,
        "width": _WIDTH,
        "heads": _HEADS,
        "layers": _TEXT_LAYERS,
    }
    if generation == "old":
        size = {"image_size": 32, "patch_size": _PATCH, "width": _WIDTH, "head_width": _WIDTH // _HEADS}
        model = CLIP(_WIDTH, {**size, "layers": _OLD_LAYERS}, text, quick_gelu=True)
    else:
        _register_trunk()
        # as EVA02-CLIP: the trunk's own head is the projection, on top of the class token
        vision = {"timm_model_name": _TRUNK, "timm_pool": "token", "timm_proj": "", "image_size": 32}
        model = CustomTextCLIP(_WIDTH, vision, text, quick_gelu=False)
    return model, tokenizer


def load_mini(
    name: str,
    pretrained: str | Path | None = None,
    seed: int | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Backbone:
    """A mini backbone, frozen.

    Args:
        name: "mini-old" or "mini-new".
        pretrained: a safetensors file of this model; None takes the weights this package ships.
        seed: random weights drawn from this seed instead (for tests and controls); excludes `pretrained`.

    Raises:
        UnknownNameError: no such mini backbone.
        ConfigError: both `pretrained` and `seed` came.
        CheckpointError: the file is missing, unreadable, unsafe or of another model.
    """
    names = [f"mini-{generation}" for generation in GENERATIONS]
    if name not in names:
        raise unknown_name("mini backbone", name, names)
    if seed is not None and pretrained is not None:
        raise ConfigError(f"{name}: `pretrained` and `seed` exclude each other; give one of them.")
    generation = name.removeprefix("mini-")
    with torch.random.fork_rng(devices=[]):
        # not torch.manual_seed: that one reseeds every GPU too
        torch.random.default_generator.manual_seed(0 if seed is None else seed)
        model, tokenizer = build_mini(generation)
    if seed is not None:
        source = f"random weights, seed {seed}"
    else:
        path = Path(pretrained) if pretrained is not None else mini_weights(generation)
        checkpoint = read_checkpoint(path)
        source = "shipped weights" if pretrained is None else path.name
        source += f" (sha256 {checkpoint.sha256[:8]}…)"
        fill_model(model, checkpoint.tensors, name, source)
    stamp = stamp_model(name, model, MINI_PREPROCESS)
    return Backbone(
        model, tokenizer, MINI_PREPROCESS, name=name, stamp=stamp, source=source, device=device, dtype=dtype
    )


def mini_weights(generation: str) -> Path:
    """The file of shipped weights of generation "old" or "new"."""
    return _WEIGHTS / f"mini-{generation}.safetensors"


def text_state(model: nn.Module) -> dict[str, Tensor]:
    """The text tower's tensors under open_clip's unprefixed names (`text.` of CustomTextCLIP is dropped)."""
    state = model.state_dict()
    if any(key.startswith("text.") for key in state):
        return {key.removeprefix("text."): value for key, value in state.items() if key.startswith("text.")}
    return {key: value for key, value in state.items() if not key.startswith(("visual.", "logit_"))}


def _register_trunk() -> None:
    """Make the EVA-02-style trunk known to timm: open_clip hands timm a name and no arguments.

    Registered once; the registry is timm's, and asking it first keeps a second call from warning.
    """
    import timm
    from timm.models import register_model
    from timm.models.eva import Eva

    if timm.is_model(_TRUNK):
        return

    def clipcompat_mini_eva(pretrained: bool = False, **kwargs: Any) -> Eva:
        kwargs = {k: v for k, v in kwargs.items() if k in ("num_classes", "global_pool", "drop_path_rate")}
        return Eva(
            img_size=32,
            patch_size=_PATCH,
            embed_dim=_WIDTH,
            depth=_NEW_LAYERS,
            num_heads=_HEADS,
            qkv_fused=False,
            mlp_ratio=4 * 2 / 3,
            swiglu_mlp=True,
            scale_mlp=True,
            scale_attn_inner=True,
            use_rot_pos_emb=True,
            ref_feat_shape=(32 // _PATCH, 32 // _PATCH),
            head_init_scale=1.0,  # the default of 0.001 is meant for fine-tuning a trained trunk
            **kwargs,
        )

    # timm files a model under its module's name and wants to find it there
    clipcompat_mini_eva.__module__ = __name__
    globals()[_TRUNK] = clipcompat_mini_eva
    register_model(clipcompat_mini_eva)

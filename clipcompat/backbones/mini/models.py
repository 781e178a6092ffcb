"""The miniature backbones: their architectures, and loading them with the weights this package ships.

"mini-old" is built like OpenAI's CLIP (open_clip `CLIP`, QuickGELU, plain ViT), "mini-new" like EVA02-CLIP
(`CustomTextCLIP`, GELU, a timm EVA-02 trunk with RoPE, SwiGLU and sub-layer norms): code runs on them as on the real
pair. Text width, joint dim, tokenizer, context length and picture size are the same for both.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.preprocess import Preprocess
from clipcompat.backbones.weights.checkpoints import read_checkpoint
from clipcompat.backbones.weights.fill import fill_model, stamp_model
from clipcompat.common.errors import CheckpointError, ConfigError, unknown_name
from clipcompat.common.packages import check_torchvision

MINI_PREPROCESS = Preprocess(size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), min_crop=0.6)
_HEAD_WIDTH, _PATCH = 32, 8
_WEIGHTS = Path(__file__).resolve().with_name("weights")


@dataclass(frozen=True)
class MiniArchitecture:
    """The architecture of a mini backbone.

    eva: an EVA-02-style trunk in a `CustomTextCLIP`; False: a plain ViT in a `CLIP`.
    quick_gelu: in the text tower and the plain ViT, as in OpenAI's CLIP; False: GELU, as in EVA02-CLIP.
    weights: the backbone whose shipped weights it takes; None: its own.
    """

    image_layers: int
    eva: bool = True
    quick_gelu: bool = False
    width: int = 128
    text_layers: int = 6
    weights: str | None = None


ARCHITECTURES = {
    "mini-old": MiniArchitecture(3, eva=False, quick_gelu=True),
    "mini-new": MiniArchitecture(4),
    "mini-newer": MiniArchitecture(5),
    "mini-image-only": MiniArchitecture(4, quick_gelu=True),
    "mini-text-only": MiniArchitecture(3, eva=False, quick_gelu=True),
    "mini-activation-only": MiniArchitecture(3, eva=False, weights="mini-old"),
    "mini-large-old": MiniArchitecture(3, eva=False, quick_gelu=True, width=160, text_layers=4),
    "mini-large-new": MiniArchitecture(3, width=160, text_layers=4),
}
"""Every mini backbone. Generations of one size have the same text width, joint dim and penultimate image width.

Three are controls: mini-image-only has an image tower like new's with old's text tower, unchanged; mini-text-only has
old's image tower with a text tower that was trained further; mini-activation-only is old with GELU instead of the
QuickGELU that its weights were trained with.
"""


def build_mini(name: str) -> tuple[nn.Module, Any]:
    """A mini backbone randomly initialised from torch's global generator, and its tokenizer."""
    check_torchvision()
    from open_clip.model import CLIP, CustomTextCLIP

    from clipcompat.backbones.mini.tokenizer import CONTEXT_LENGTH, mini_tokenizer

    if name not in ARCHITECTURES:
        raise unknown_name("mini backbone", name, ARCHITECTURES)
    kind = ARCHITECTURES[name]
    tokenizer = mini_tokenizer()
    text = {
        "context_length": CONTEXT_LENGTH,
        "vocab_size": tokenizer.vocab_size,
        "width": kind.width,
        "heads": kind.width // _HEAD_WIDTH,
        "layers": kind.text_layers,
    }
    if kind.eva:
        # as in EVA02-CLIP: the trunk's own head is the projection of the class token
        vision = {"timm_model_name": _registered_trunk(kind), "timm_pool": "token", "timm_proj": "", "image_size": 32}
        model = CustomTextCLIP(kind.width, vision, text, quick_gelu=kind.quick_gelu)
    else:
        size = {"image_size": 32, "patch_size": _PATCH, "width": kind.width, "head_width": _HEAD_WIDTH}
        model = CLIP(kind.width, {**size, "layers": kind.image_layers}, text, quick_gelu=kind.quick_gelu)
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
        name: one of `ARCHITECTURES`.
        pretrained: a safetensors file of this model; None takes the weights this package ships.
        seed: use random weights drawn from this seed instead (for tests and controls); excludes `pretrained`.

    Raises:
        UnknownNameError: no such mini backbone.
        ConfigError: both `pretrained` and `seed` are given.
        CheckpointError: the file is missing, unreadable, unsafe or of another model.
    """
    if name not in ARCHITECTURES:
        raise unknown_name("mini backbone", name, ARCHITECTURES)
    if seed is not None and pretrained is not None:
        raise ConfigError(f"{name}: `pretrained` and `seed` exclude each other; give one of them.")
    with torch.random.fork_rng(devices=[]):
        # not torch.manual_seed, which also reseeds every GPU
        torch.random.default_generator.manual_seed(0 if seed is None else seed)
        model, tokenizer = build_mini(name)
    if seed is not None:
        source = f"random weights, seed {seed}"
    else:
        path = Path(pretrained) if pretrained is not None else mini_weights(name)
        checkpoint = read_checkpoint(path)
        source = _shipped(name) if pretrained is None else path.name
        source += f" (sha256 {checkpoint.sha256[:8]}…)"
        fill_model(model, checkpoint.tensors, name, source)
    stamp = stamp_model(name, model, MINI_PREPROCESS)
    about = {"name": name, "stamp": stamp, "source": source, "kind": "mini"}
    return Backbone(model, tokenizer, MINI_PREPROCESS, **about, device=device, dtype=dtype)


def shipped_file(name: str) -> Path | None:
    """The weights of a mini backbone that this package ships; None if it ships none."""
    whose = ARCHITECTURES[name].weights if name in ARCHITECTURES else None
    path = _WEIGHTS / f"{whose or name}.safetensors"
    return path if path.is_file() else None


def mini_weights(name: str) -> Path:
    """The weights of a mini backbone that this package ships.

    Raises:
        CheckpointError: it ships none; the message says how to make them.
    """
    path = shipped_file(name)
    if path is None:
        raise CheckpointError(
            f"{name} is not shipped with this package. Make it with `python -m clipcompat_book.miniature pretrain` "
            "(clipcompat/backbones/mini/weights/CARD.md has the command) and give the file instead of "
            "the default weights."
        )
    return path


def _shipped(name: str) -> str:
    whose = ARCHITECTURES[name].weights
    return f"shipped weights of {whose}, run with another activation" if whose else "shipped weights"


def _registered_trunk(kind: MiniArchitecture) -> str:
    """The name of the EVA-02-style trunk in timm's registry; open_clip gives timm a name and no arguments.

    It is registered once: a second registration would warn.
    """
    import timm
    from timm.models import register_model
    from timm.models.eva import Eva

    name = f"clipcompat_mini_eva_{kind.width}_{kind.image_layers}"
    if timm.is_model(name):
        return name

    def trunk(pretrained: bool = False, **kwargs: Any) -> Eva:
        kwargs = {k: v for k, v in kwargs.items() if k in ("num_classes", "global_pool", "drop_path_rate")}
        return Eva(
            img_size=32,
            patch_size=_PATCH,
            embed_dim=kind.width,
            depth=kind.image_layers,
            num_heads=kind.width // _HEAD_WIDTH,
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

    # timm registers a model under its function's and module's name and looks it up there
    trunk.__name__ = trunk.__qualname__ = name
    trunk.__module__ = __name__
    globals()[name] = trunk
    register_model(trunk)
    return name

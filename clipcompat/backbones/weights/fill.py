"""Load a checkpoint's tensors into a model: every tensor must fit, or the checkpoint is refused."""

import hashlib
import math
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import torch
from torch import Tensor, nn

from clipcompat.backbones.preprocess import Preprocess
from clipcompat.backbones.weights.layouts import to_open_clip
from clipcompat.common.errors import CheckpointError
from clipcompat.common.files import digest

_LISTED = 4


def fill_model(model: nn.Module, tensors: dict[str, Tensor], name: str, source: str) -> None:
    """Replace the model's tensors by float32 copies of a checkpoint's.

    Names may be OpenAI's, those of open_clip's CLIP or CustomTextCLIP (`text.` before the text tower), of transformers'
    CLIPModel or of the EVA authors' EVA-CLIP. Nothing is resized; no tensor may be missing or left over.

    Args:
        name, source: the model and the checkpoint, for messages.

    Raises:
        CheckpointError: the tensors are another model's, or not finite numbers.
    """
    from open_clip.convert import convert_state_dict

    wanted = model.state_dict()
    # masks and other buffers follow from the configuration, but some files contain them
    derived = {buffer for buffer, _ in model.named_buffers()} - set(wanted)
    tensors = to_open_clip(convert_state_dict(model, dict(tensors)), wanted)
    tensors = {k: v for k, v in tensors.items() if k not in derived and not k.endswith("attn_mask")}
    for scalar in ("logit_scale", "logit_bias"):
        if scalar in tensors and scalar in wanted and tensors[scalar].numel() == wanted[scalar].numel() == 1:
            tensors[scalar] = tensors[scalar].reshape(wanted[scalar].shape)
    _check_fit(tensors, wanted, name, source)
    filled = {}
    for key in list(tensors):
        value = tensors.pop(key)
        # a copy: no weight may be a view of a memory-mapped file
        filled[key] = value.to(wanted[key].dtype, copy=True).contiguous()
        if value.numel() and not all(torch.isfinite(extreme) for extreme in torch.aminmax(filled[key])):
            raise CheckpointError(f"{source}: {key} holds NaN or infinite weights. Download or save the file again.")
    model.load_state_dict(filled, strict=True, assign=True)


def hash_weights(model: nn.Module) -> str:
    """sha256 over names, shapes, types and bytes of a model's tensors, whatever file they came from."""
    state = sorted(model.state_dict().items())
    with ThreadPoolExecutor() as pool:  # hashlib releases the GIL
        digests = pool.map(_hash_tensor, (tensor for _, tensor in state))
        lines = [f"{name} {d}" for (name, _), d in zip(state, digests, strict=True)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def stamp_model(name: str, model: nn.Module, preprocess: Preprocess) -> str:
    """The stamp of a backbone: its architecture, weights, activation and preprocessing."""
    return digest([name, hash_weights(model), uses_quick_gelu(model), asdict(preprocess)])


def uses_quick_gelu(model: nn.Module) -> bool:
    """Whether any layer of the built model is a QuickGELU, whatever its name or configuration says."""
    return any(type(module).__name__ == "QuickGELU" for module in model.modules())


def _hash_tensor(tensor: Tensor) -> str:
    tensor = tensor.detach().cpu().contiguous()
    named = hashlib.sha256(f"{tensor.dtype} {list(tensor.shape)} ".encode())
    named.update(memoryview(tensor.flatten().view(torch.uint8).numpy()))
    return named.hexdigest()


def _check_fit(tensors: dict[str, Tensor], wanted: dict[str, Tensor], name: str, source: str) -> None:
    missing = [k for k in wanted if k not in tensors]
    unexpected = [k for k in tensors if k not in wanted]
    both = {k: (tensors[k], wanted[k]) for k in wanted if k in tensors}
    other = [f"{k} {list(t.shape)} instead of {list(w.shape)}" for k, (t, w) in both.items() if t.shape != w.shape]
    whole = [k for k, (t, w) in both.items() if w.is_floating_point() and not t.is_floating_point()]
    problems = (("missing", missing), ("unexpected", unexpected), ("of another shape", other), ("not floats", whole))
    if not any(names for _, names in problems):
        return
    differ = "; ".join(f"{len(names)} {what} ({_some(names)})" for what, names in problems if names)
    guess = _guess(tensors)
    looks = f" It looks like {' or '.join(guess)}." if guess and name not in guess else ""
    raise CheckpointError(
        f"{source} does not fit {name}, which has {len(wanted)} tensors; the file has {len(tensors)}: {differ}.{looks} "
        "Give the checkpoint of this model, or the name of the model this checkpoint is of."
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")


def _guess(tensors: dict[str, Tensor]) -> list[str]:
    """The open_clip models with these widths, patches, picture size and vocabulary; at most three."""
    import open_clip

    shapes = {k.removeprefix("text.").replace("visual.trunk.", "visual."): tuple(t.shape) for k, t in tensors.items()}
    patches = shapes.get("visual.conv1.weight") or shapes.get("visual.patch_embed.proj.weight")
    positions = shapes.get("visual.positional_embedding") or shapes.get("visual.pos_embed")
    # [width, dim], [token, width], [position, width]
    text = [shapes.get(key) for key in ("text_projection", "token_embedding.weight", "positional_embedding")]
    if not patches or not positions or len(patches) != 4 or not all(text):
        return []
    picture = math.isqrt(positions[-2] - 1) * patches[-1]  # pixels: a square of patches, without the class token
    found = (*text[0], text[1][0], text[2][0], patches[-1], picture)
    trunk, eva = "visual.cls_token" in shapes, any(".attn.q_proj." in key for key in shapes)
    guesses = []
    for name in open_clip.list_models():
        config = open_clip.get_model_config(name)
        text, vision = config["text_cfg"], config["vision_cfg"]
        kind = vision.get("timm_model_name", "")
        patch = re.search(r"patch(\d+)", kind)
        patch = int(patch[1]) if patch else vision.get("patch_size")
        sizes = (text.get("width"), config["embed_dim"], text.get("vocab_size"), text.get("context_length"))
        if (*sizes, patch, vision.get("image_size")) == found and bool(kind) == trunk and ("eva" in kind) == eva:
            guesses += [name] if trunk or vision.get("width") == patches[0] else []
    return guesses[:3]

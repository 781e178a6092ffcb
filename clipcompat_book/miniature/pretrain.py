r"""Pretraining a mini backbone on captioned pictures that are drawn as they are needed.

    python -m clipcompat_book.miniature pretrain --generation old --seed 1 --out old.safetensors
    python -m clipcompat_book.miniature pretrain --generation new --seed 11 \
        --text-from old.safetensors --out new.safetensors

As EVA-CLIP was made from CLIP, "new" starts from old's text tower (whose activation changes from QuickGELU to GELU)
and a fresh image tower. Step k always sees the same pictures and captions, so a run that was killed goes on from its
last checkpoint as if nothing had happened. float32 on purpose: without bf16 instructions autocast is 2-5 times slower.
"""

from __future__ import annotations

import io
import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

from clipcompat.backbones.mini.models import build_mini
from clipcompat.backbones.text.parts import text_state
from clipcompat.backbones.weights.checkpoints import read_checkpoint
from clipcompat.common.errors import CheckpointError, ConfigError, unknown_name
from clipcompat.common.files import digest, to_json, write_atomic
from clipcompat.data.mini.world import WORLD
from clipcompat_book.miniature.objective import ATTRIBUTES, pretraining_loss, towers, zero_shot_curve

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """What a run is; two runs with equal recipes give equal weights on one machine.

    attribute_steps: the first steps, in which the image tower alone learns to tell the attributes of a scene;
        afterwards that loss stays on with `attribute_weight` beside the contrastive one.
    starts_from: which tower comes from other weights: "nothing", "text" or "both". frozen: the tower that then stays as
        it is: "none", "image", "text".
    batch: small on purpose; in a budget of minutes the number of steps counts (64: 25,600 pictures teach what 256
        does not with 50,000).
    """

    steps: int
    attribute_steps: int
    starts_from: str = "nothing"
    frozen: str = "none"
    seed: int = 1
    batch: int = 64
    image_lr: float = 1e-3
    text_lr: float = 1e-3
    weight_decay: float = 0.05
    warm_up: int = 200
    attribute_weight: float = 0.2
    eval_every: int = 250
    save_seconds: float = 60.0


_OLD = Recipe(steps=7500, attribute_steps=3500)
_NEW = Recipe(steps=8000, attribute_steps=3500, starts_from="text", text_lr=5e-4)  # moved on, not thrown away
RECIPES = {
    "mini-old": _OLD,
    "mini-new": _NEW,
    "mini-newer": _NEW,
    "mini-image-only": Recipe(steps=7000, attribute_steps=3500, starts_from="text", frozen="text"),
    "mini-text-only": Recipe(steps=4500, attribute_steps=0, starts_from="both", frozen="image", text_lr=5e-4),
    "mini-large-old": _OLD,
    "mini-large-new": _NEW,
}
"""How each mini backbone is made, but for its seed."""


def pretrain(
    name: str,
    recipe: Recipe,
    out: str | Path,
    source: str | Path | None = None,
    *,
    keep: Sequence[int] = (),
    device: torch.device | str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
) -> Path:
    """Train, or go on training, and write fp16 weights to `out`; beside it, .jsonl holds the curves.

    Args:
        name: a mini backbone, one of `RECIPES`.
        out: a .safetensors file; the same name with .resume is the checkpoint of an unfinished run.
        source: the weights that `recipe.starts_from` speaks of.
        keep: steps after which the weights of the unfinished model are written too, as `out` with -stepN.
        progress: called with (step, steps, name) after every step.

    Raises:
        ConfigError: `out` does not end in .safetensors, or `source` is missing or not wanted.
        CheckpointError: the .resume file belongs to another recipe or started from other weights.
    """
    out = Path(out)
    if name not in RECIPES:
        raise unknown_name("mini backbone", name, RECIPES)
    if out.suffix != ".safetensors":
        raise ConfigError(f"weights are written as .safetensors; {out.name!r} does not end so. Choose another name.")
    if (source is None) != (recipe.starts_from == "nothing"):
        what = "no weights to start from; leave text_from out" if source else "other weights: give them as text_from"
        raise ConfigError(f"{name} starts from {what}.")
    start = None if source is None else read_checkpoint(source)
    facts = {"name": name, **asdict(recipe), "world": WORLD, "source": start and start.sha256}
    identity = digest(facts)
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(recipe.seed)
        model, tokenizer = build_mini(name)
        probe = nn.Linear(text_state(model)["text_projection"].shape[1], sum(ATTRIBUTES.values()))
    if start is not None:
        _start(model, start.tensors, recipe.starts_from, Path(source).name)
    for parameter in towers(model).get(recipe.frozen, ()):
        parameter.requires_grad_(False)
    parts = nn.ModuleDict({"model": model.train(), "probe": probe}).to(device)
    trained = [p for p in parts.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(_groups(parts, recipe), betas=(0.9, 0.98), fused=True)
    resume, curve = out.with_suffix(".resume"), out.with_suffix(".jsonl")
    step, elapsed, lines = _restore(resume, identity, parts, optimiser)
    loss = None
    saved = time.monotonic()
    started = saved - elapsed

    while True:
        if (step % recipe.eval_every == 0 or step == recipe.steps) and (not lines or lines[-1]["step"] < step):
            line = {"step": step, "pairs": step * recipe.batch, "seconds": round(time.monotonic() - started, 1)}
            line |= {"loss": round(loss.item(), 4)} if loss is not None else {}
            lines.append(line | zero_shot_curve(model, tokenizer))
            _log.info("%s", lines[-1])
        if step in keep and step < recipe.steps:
            _export(model, out.with_stem(f"{out.stem}-step{step}"), facts | {"steps_taken": step})
        if step >= recipe.steps:
            break
        if time.monotonic() - saved > recipe.save_seconds:
            _save(resume, identity, parts, optimiser, step, time.monotonic() - started, lines)
            write_atomic(curve, "".join(to_json(x, indent=None) + "\n" for x in lines))
            saved = time.monotonic()
        _set_lr(optimiser, recipe, step)
        index = np.arange(step * recipe.batch, (step + 1) * recipe.batch)
        contrast = None if step < recipe.attribute_steps else tokenizer
        loss = pretraining_loss(parts, recipe.seed, index, contrast, recipe.attribute_weight)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=math.log(100))
        step += 1
        if progress:
            progress(step, recipe.steps, f"{name}, seed {recipe.seed}")

    write_atomic(curve, "".join(to_json(x, indent=None) + "\n" for x in lines))
    _export(model, out, facts | {"steps_taken": step})  # no time in it: equal weights have equal hashes
    resume.unlink(missing_ok=True)
    return out


def _groups(parts: nn.ModuleDict, recipe: Recipe) -> list[dict]:
    """Image and text tower with their own learning rates; only matrices decay."""
    groups: dict[tuple[bool, float], list] = {}
    for name, parameter in parts.named_parameters():
        if not parameter.requires_grad:
            continue
        image = name.startswith(("model.visual.", "probe."))
        decay = recipe.weight_decay if parameter.ndim >= 2 and "embed" not in name else 0.0
        groups.setdefault((image, decay), []).append(parameter)
    return [{"params": p, "image": image, "weight_decay": decay} for (image, decay), p in groups.items()]


def _set_lr(optimiser: torch.optim.Optimizer, recipe: Recipe, step: int) -> None:
    """Cosine over the run; each tower warms up when it starts to learn."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
    image = min(1.0, (step + 1) / recipe.warm_up)
    text = min(1.0, max(0.0, (step + 1 - recipe.attribute_steps) / recipe.warm_up))
    for group in optimiser.param_groups:
        group["lr"] = cosine * (recipe.image_lr * image if group["image"] else recipe.text_lr * text)


def _start(model: nn.Module, state: Mapping[str, torch.Tensor], starts_from: str, file: str) -> None:
    """Fill the text tower and the temperature, or everything, from the weights of an earlier generation."""
    own = model.state_dict()
    names = {key: key for key in own}
    if starts_from == "text":
        # the text tower's tensors are called text.… in a CustomTextCLIP, and go without that in a CLIP
        theirs = "text." if any(key.startswith("text.") for key in state) else ""
        keys = [key for key in own if not key.startswith("visual.")]
        names = {k: k if k.startswith("logit_") else theirs + k.removeprefix("text.") for k in keys}
    for key, name in names.items():
        if name not in state or state[name].shape != own[key].shape:
            raise CheckpointError(
                f"{file} has no {name} of shape {list(own[key].shape)}. Give the weights of the mini backbone "
                "of the generation before, of the same size."
            )
        own[key].copy_(state[name])


def _save(path, identity, parts, optimiser, step, elapsed, lines) -> None:
    content = io.BytesIO()
    state = {"parts": parts.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save({"run": identity, "step": step, "elapsed": elapsed, "lines": lines, **state}, content)
    write_atomic(path, content.getvalue())


def _restore(path: Path, identity: str, parts, optimiser) -> tuple[int, float, list[dict]]:
    if not path.exists():
        return 0, 0.0, []
    saved = torch.load(path, weights_only=True, map_location=next(parts.parameters()).device)
    if saved["run"] != identity:
        raise CheckpointError(
            f"{path} is the checkpoint of a run with another recipe or other weights to start from. "
            "Delete it, or choose another --out, or repeat the options of that run to go on with it."
        )
    parts.load_state_dict(saved["parts"])
    optimiser.load_state_dict(saved["optimiser"])
    _log.info("going on from step %d", saved["step"])
    return saved["step"], saved["elapsed"], saved["lines"]


def _export(model: nn.Module, out: Path, facts: dict) -> None:
    state = {key: value.detach().cpu().half().contiguous() for key, value in model.state_dict().items()}
    write_atomic(out, save(state, metadata={"clipcompat": json.dumps(facts, sort_keys=True)}))

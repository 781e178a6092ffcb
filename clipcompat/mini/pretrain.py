r"""Pretraining a mini backbone on captioned pictures that are drawn as they are needed.

    python -m clipcompat.mini.pretrain --generation old --minutes 7 --seed 1 --out old.safetensors
    python -m clipcompat.mini.pretrain --generation new --minutes 8 --seed 2 --out new.safetensors \
        --text-from old.safetensors

As EVA-CLIP was made from CLIP, "new" starts from old's text tower (whose activation changes from QuickGELU to GELU)
and a fresh image tower. Step k always sees the same pictures and captions, so a run that was killed goes on from its
last checkpoint as if nothing had happened. float32 on purpose: without bf16 instructions autocast is 2-5 times slower.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import nn

from clipcompat.backbones.mini import build_mini, mini_weights, text_state
from clipcompat.errors import CheckpointError, ConfigError
from clipcompat.files import digest, hash_file, to_json, write_atomic
from clipcompat.mini.objective import ATTRIBUTES, pretraining_loss, zero_shot_curve
from clipcompat.mini.world import WORLD

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """What a run is; two runs with equal recipes and equal step counts give equal weights on one machine.

    steps ends the run and shapes the learning rate; None leaves both to `minutes` of wall time.
    attribute_share: the first part of the run, in which the image tower alone learns to tell the attributes of a
    scene; afterwards that loss stays on with `attribute_weight` beside the contrastive one.
    batch: small on purpose; in a budget of minutes the number of steps counts (64: 25,600 pictures teach what 256
    does not with 50,000).
    """

    generation: str
    seed: int = 1
    minutes: float = 8.0
    steps: int | None = None
    batch: int = 64
    image_lr: float = 1e-3
    text_lr: float = 1e-3
    weight_decay: float = 0.05
    warm_up: int = 100
    attribute_share: float = 0.4
    attribute_weight: float = 0.3
    eval_every: int = 200
    save_seconds: float = 60.0


def pretrain(
    recipe: Recipe,
    out: str | Path,
    text_from: str | Path | None = None,
    start_from: str | Path | None = None,
    progress: Callable[[dict], None] | None = None,
) -> Path:
    """Train, or go on training, and write fp16 weights to `out`; beside it, .jsonl holds the curves.

    Args:
        out: a .safetensors file; the same name with .resume is the checkpoint of an unfinished run.
        text_from: weights whose text tower "new" starts from; None takes the shipped old one. Unused for "old".
        start_from: weights of the same generation to go on from, with a schedule of its own; None is from scratch.
        progress: called with every line of the curves.

    Raises:
        ConfigError: `out` does not end in .safetensors.
        CheckpointError: the .resume file belongs to another recipe or started from other weights.
    """
    out = Path(out)
    if out.suffix != ".safetensors":
        raise ConfigError(f"weights are written as .safetensors; {out.name!r} does not end so. Choose another name.")
    torch.manual_seed(recipe.seed)
    model, tokenizer = build_mini(recipe.generation)
    if recipe.generation == "new":
        text_from = text_from or mini_weights("old")
    sources = [path and hash_file(path) for path in (text_from, start_from)]
    identity = digest([asdict(recipe), WORLD, sources])
    if start_from is not None:
        model.load_state_dict({key: value.float() for key, value in load_file(start_from).items()})
    if recipe.generation == "new":
        _start_text(model, text_from)
    width = text_state(model)["text_projection"].shape[1]
    parts = nn.ModuleDict({"model": model.train(), "probe": nn.Linear(width, sum(ATTRIBUTES.values()))})
    optimiser = torch.optim.AdamW(_groups(parts, recipe), betas=(0.9, 0.98))
    resume, curve = out.with_suffix(".resume"), out.with_suffix(".jsonl")
    step, elapsed, lines = _restore(resume, identity, parts, optimiser)
    loss = None
    saved = time.monotonic()
    started = saved - elapsed

    while True:
        elapsed = time.monotonic() - started
        done = step / recipe.steps if recipe.steps else elapsed / (60 * recipe.minutes)
        finished = done >= 1
        if step % recipe.eval_every == 0 or finished:
            line = {"step": step, "pairs": step * recipe.batch, "seconds": round(elapsed, 1)}
            line |= {"loss": round(loss.item(), 4)} if loss is not None else {}
            lines.append(line | zero_shot_curve(model, tokenizer))
            _log.info("%s", lines[-1])
            if progress:
                progress(lines[-1])
        if finished:
            break
        if time.monotonic() - saved > recipe.save_seconds:
            _save(resume, identity, parts, optimiser, step, elapsed, lines)
            write_atomic(curve, "".join(to_json(x, indent=None) + "\n" for x in lines))
            saved = time.monotonic()
        _set_lr(optimiser, recipe, step, done)
        index = np.arange(step * recipe.batch, (step + 1) * recipe.batch)
        contrast = None if done < recipe.attribute_share else tokenizer
        loss = pretraining_loss(parts, recipe.seed, index, contrast, recipe.attribute_weight)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parts.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=math.log(100))
        step += 1

    write_atomic(curve, "".join(to_json(x, indent=None) + "\n" for x in lines))
    _export(model, out, {**asdict(recipe), "world": WORLD, "steps_taken": step, "seconds": round(elapsed)})
    resume.unlink(missing_ok=True)
    return out


def _groups(parts: nn.ModuleDict, recipe: Recipe) -> list[dict]:
    """Image and text tower with their own learning rates; only matrices decay."""
    groups: dict[tuple[bool, float], list] = {}
    for name, parameter in parts.named_parameters():
        image = name.startswith(("model.visual.", "probe."))
        decay = recipe.weight_decay if parameter.ndim >= 2 and "embed" not in name else 0.0
        groups.setdefault((image, decay), []).append(parameter)
    return [{"params": p, "image": image, "weight_decay": decay} for (image, decay), p in groups.items()]


def _set_lr(optimiser: torch.optim.Optimizer, recipe: Recipe, step: int, done: float) -> None:
    """Cosine over the run; each tower warms up when it starts to learn."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    image = min(1.0, (step + 1) / recipe.warm_up)
    text = min(1.0, max(0.0, done - recipe.attribute_share + 0.001) / 0.05)
    for group in optimiser.param_groups:
        group["lr"] = cosine * (recipe.image_lr * image if group["image"] else recipe.text_lr * text)


def _start_text(model: nn.Module, path: str | Path) -> None:
    old, _ = build_mini("old")
    old.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    model.text.load_state_dict(text_state(old))
    model.logit_scale.data.copy_(old.logit_scale)


def _save(path, identity, parts, optimiser, step, elapsed, lines) -> None:
    content = io.BytesIO()
    state = {"parts": parts.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save({"run": identity, "step": step, "elapsed": elapsed, "lines": lines, **state}, content)
    write_atomic(path, content.getvalue())


def _restore(path: Path, identity: str, parts, optimiser) -> tuple[int, float, list[dict]]:
    if not path.exists():
        return 0, 0.0, []
    saved = torch.load(path, weights_only=True)
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
    state = {key: value.detach().half().contiguous() for key, value in model.state_dict().items()}
    write_atomic(out, save(state, metadata={"clipcompat": json.dumps(facts, sort_keys=True)}))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m clipcompat.mini.pretrain", description="Pretrain a mini backbone.")
    parser.add_argument("--generation", choices=("old", "new"), required=True)
    parser.add_argument("--minutes", type=float, default=8.0, help="wall time; a resumed run counts on")
    parser.add_argument("--steps", type=int, help="train for exactly this many steps instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--text-from", help="weights whose text tower the new generation starts from")
    parser.add_argument("--start-from", help="weights of this generation to go on from")
    parser.add_argument("--attribute-share", type=float, default=0.4, help="part of the run before captions come in")
    parser.add_argument("--out", required=True)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    text_lr = 5e-4 if options.generation == "new" else 1e-3  # a trained tower is moved on, not thrown away
    recipe = Recipe(
        options.generation,
        options.seed,
        options.minutes,
        options.steps,
        text_lr=text_lr,
        attribute_share=options.attribute_share,
    )
    pretrain(recipe, options.out, options.text_from, options.start_from)


if __name__ == "__main__":
    main()

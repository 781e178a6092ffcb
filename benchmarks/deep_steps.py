"""One training step of MaPLe, full size, random weights: both towers, forward and backward, from pixels.

The reference does what the official loop does: open_clip's own modules, prompts of the full context of 77 tokens, and
every block of both towers kept for backward. Ours packs the text, and keeps what the prompts' gradients need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.clocks import clock
from benchmarks.steps import nothing_but
from clipcompat.backbones.backbone import Backbone
from clipcompat.methods.visual.maple import MaPLe
from clipcompat.training.task import Task

_OPTION = "a photo of a {}."


class DeepStep:
    """MaPLe's learner on a batch of noise, ours and the official way; both leave gradients with its parameters.

    classnames: as many prompts. pictures: per batch, whose labels go round the classes.
    """

    def __init__(self, method: MaPLe, backbone: Backbone, classnames: Sequence[str], pictures: int):
        generator = torch.Generator().manual_seed(1)
        self.method, self.backbone = method, backbone
        self.learner = method.setup(Task(backbone, nothing_but(classnames), generator))
        size = (pictures, 3, backbone.preprocess.size, backbone.preprocess.size)
        self.pixels = torch.randint(256, size, dtype=torch.uint8, generator=generator).to(backbone.device)
        self.labels = (torch.arange(pictures) % len(classnames)).to(backbone.device)
        ids = backbone.tokenize([_OPTION.format(name) for name in classnames])
        self._ids = F.pad(ids, (0, backbone.context_length - ids.shape[1])).to(backbone.device)  # [class, 77]

    def fast(self) -> Tensor:
        """The loss of a step, a scalar."""
        self._clear()
        loss = self.learner.loss(self.pixels, self.labels)
        loss.backward()
        return loss.detach()

    def plain(self) -> Tensor:
        """The same, the official way."""
        self._clear()
        backbone, learned = self.backbone, self.learner.parameters
        cast = torch.autocast(backbone.device.type, backbone.dtype, enabled=backbone.dtype != torch.float32)
        with cast:
            image = self._images(self.method.visual_prompts(learned))
            text = self._text(learned["ctx"], learned["deep"])
        cosine = F.normalize(image.float(), dim=-1) @ F.normalize(text.float(), dim=-1).T  # [picture, class]
        loss = F.cross_entropy(backbone.logit_scale * cosine, self.labels)
        loss.backward()
        return loss.detach()

    def gradients(self) -> Tensor:
        return torch.cat([p.grad.flatten() for p in self.learner.parameters.values()])

    def _images(self, prompts: Sequence[Tensor]) -> Tensor:
        """[picture, dim]; the prompts of a block are the last rows before it."""
        visual = self.backbone._model.visual
        x = visual._embeds(self.backbone.preprocess.normalise(self.pixels))  # [picture, row, width]
        first = visual.ln_pre(prompts[0]).expand(len(x), -1, -1)
        x = _through(visual.transformer, torch.cat([x, first.to(x.dtype)], dim=1), prompts[1:], None, last=True)
        return visual.ln_post(x[:, 0]) @ visual.proj

    def _text(self, ctx: Tensor, deep: Tensor) -> Tensor:
        """[class, dim]; the prompts of a block are the rows behind SOS."""
        model = getattr(self.backbone._model, "text", self.backbone._model)
        x = model.token_embedding(self._ids)  # [class, 77, width]
        x = torch.cat([x[:, :1], ctx.expand(len(x), -1, -1), x[:, 1 + len(ctx) :]], dim=1) + model.positional_embedding
        x = model.ln_final(_through(model.transformer, x, list(deep), model.attn_mask, last=False))
        return x[torch.arange(len(x), device=x.device), self._ids.argmax(-1)] @ model.text_projection

    def _clear(self) -> None:
        for parameter in self.learner.parameters.values():
            parameter.grad = None


def _through(transformer: nn.Module, x: Tensor, deep: Sequence[Tensor], mask: Tensor | None, last: bool) -> Tensor:
    """[sequence, row, width] through all blocks; before block k, prompt k - 1 replaces the last rows, or those from 1.

    deep: [n_ctx, width] each.
    """
    for number, block in enumerate(transformer.resblocks):
        if 0 < number <= len(deep):
            prompt = deep[number - 1].expand(len(x), -1, -1).to(x.dtype)
            n = prompt.shape[1]
            parts = [x[:, :-n], prompt] if last else [x[:, :1], prompt, x[:, 1 + n :]]
            x = torch.cat(parts, dim=1)
        if transformer.batch_first:
            x = block(x, attn_mask=mask)
        else:
            x = block(x.transpose(0, 1), attn_mask=mask).transpose(0, 1)
    return x


def measure_deep(name: str, step: DeepStep, repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    """One row of the table: the official way and ours, in turns."""
    step.fast(), step.plain()
    kept: dict[str, Tensor] = {}
    times: dict[str, list[float]] = {"plain": [], "fast": []}
    device = step.backbone.device
    for _ in range(repeats):
        times["plain"].append(clock(lambda: kept.update(loss=step.plain()), device))
        kept["gradients"] = step.gradients()
        times["fast"].append(clock(step.fast, device))
    found, ours = step.fast(), step.gradients()
    row = {
        "name": name,
        "reference_s": median(times["plain"]),
        "fast_s": median(times["fast"]),
        "ratio": median(times["plain"]) / median(times["fast"]),
        "max_abs_diff": float((found - kept["loss"]).abs()),
        "max_rel_grad_diff": float((ours - kept["gradients"]).abs().max() / kept["gradients"].abs().max()),
        "reference": "open_clip's modules in both towers, prompts of 77 tokens",
        "what": f"a step of {len(step.pixels)} pictures and {len(step._ids)} classes, from pixels to gradients",
        "spread": {way: [min(seconds), max(seconds)] for way, seconds in times.items()},
        "repeats": repeats,
    }
    say(f"{name}: {row['reference_s']:.2f} s / {row['fast_s']:.2f} s = {row['ratio']:.2f}")
    return row

"""Whole trainings: the official loop, image tower and all, against cached views and packed prompts.

At full size the official loop would take most of a day on a CPU: steps are timed and multiplied, and the row says so.
At mini size both are run to the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from benchmarks.clocks import clock
from benchmarks.images import PlainImages
from benchmarks.padded import PaddedTower
from benchmarks.steps import Case, Step, texture_names
from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.device import fit_threads
from clipcompat.data.load import load_dataset
from clipcompat.features.encode import augmented
from clipcompat.methods.coop import CoOp
from clipcompat.methods.defaults import default_method
from clipcompat.methods.parts.prompts import PromptTable
from clipcompat.plugins.fit import fit

SHOTS, VIEWS = 16, 10


def extrapolated(backbone: Backbone, repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    """CoOp on a DTD-sized task (47 classes, 752 pictures of 500 x 375 pixels, 4,600 steps), steps timed."""
    method = CoOp()
    pictures, size = SHOTS * len(texture_names()), method.recipe.batch_size
    steps = method.recipe.epochs_for("dtd", SHOTS, pictures) * method.recipe.steps_for(pictures)
    step, images = Step(Case("coop-training", method, texture_names()), backbone), noise_pictures(size)
    generator = torch.Generator().manual_seed(1)

    def encode(tower: Callable[[torch.Tensor], torch.Tensor], count: int) -> None:
        tower(torch.stack([backbone.preprocess.train(images[i % size], generator) for i in range(count)]))

    plain, official, view, text = PlainImages(backbone), [], [], []
    step.fast()
    for _ in range(repeats):
        kernels = {k: clock(lambda k=k: step.plain(k), backbone.device) for k in ("plain", "fused")}
        official.append(clock(lambda: encode(plain, size), backbone.device) + min(kernels.values()))
        view.append(clock(lambda: encode(backbone.image_features, 64), backbone.device) / 64)
        text += [clock(step.fast, backbone.device) for _ in range(3)]
    totals = [steps * median(official), pictures * VIEWS * median(view) + steps * median(text)]
    row = {
        "name": "coop-training",
        "reference_s": totals[0],
        "fast_s": totals[1],
        "ratio": totals[0] / totals[1],
        "max_abs_diff": None,
        "extrapolated": True,
        "reference": f"{steps} steps of {size} pictures through the image tower and 47 prompts of 77 tokens",
        "fast": f"{VIEWS} views of {pictures} pictures encoded once, then {steps} steps at the text side",
        "spread": {
            "official step": [min(official), max(official)],
            "view": [min(view), max(view)],
            "fast step": [min(text), max(text)],
        },
    }
    say(f"{row['name']}: {totals[0] / 3600:.1f} h / {totals[1] / 60:.0f} min = {row['ratio']:.1f} (extrapolated)")
    return row


def end_to_end(backbone: Backbone, say: Callable[[str], None], epochs: int = 60) -> dict[str, Any]:
    """CoOp on mini/textures from pictures to a plug-in, both ways, in full. backbone: a mini one."""
    data = load_dataset("mini/textures", shots=SHOTS, seed=1)
    method = default_method("coop", data.name)
    method = replace(method, recipe=replace(method.recipe, epochs=epochs, max_steps=None))
    backbone.memory.clear()
    start = time.perf_counter()
    plugin = fit(method, backbone, data, seed=1, views=VIEWS)
    fast = time.perf_counter() - start
    start = time.perf_counter()
    with fit_threads(backbone.device, backbone.width):  # as fit does
        context = _official_loop(method, backbone, data)
    slow = time.perf_counter() - start
    ours, theirs = plugin.tensors["ctx"].flatten(), context.flatten()
    row = {
        "name": "coop-training-mini",
        "reference_s": slow,
        "fast_s": fast,
        "ratio": slow / fast,
        "max_abs_diff": None,  # other views: the contexts are alike, not equal
        "cosine_of_contexts": float(F.cosine_similarity(ours, theirs, dim=0)),
        "reference": f"{epochs} epochs of mini/textures, drawn, augmented and encoded in every step; padded prompts",
        "fast": f"the same with {VIEWS} cached views",
    }
    say(f"{row['name']}: {slow:.1f} s / {fast:.1f} s = {row['ratio']:.1f}")
    return row


def _official_loop(method: CoOp, backbone: Backbone, data) -> torch.Tensor:
    """CoOp as Dassl trains it: decode, augment, encode, padded prompts, again in every step."""
    generator, recipe, count = torch.Generator().manual_seed(1), method.recipe, len(data.train)
    context = torch.empty(method.n_ctx, backbone.width).normal_(std=0.02, generator=generator).requires_grad_()
    table, tower = PromptTable.of(backbone, data.classnames, method.n_ctx), PaddedTower(backbone)
    encode = PlainImages(backbone)
    padding = backbone.text.embed(torch.zeros(1, 1, dtype=torch.int64))
    optimizer, epochs = recipe.build_optimizer([{"params": [context]}]), recipe.epochs_for(data.name, SHOTS, count)
    for epoch in range(epochs):
        for batch in torch.randperm(count, generator=generator)[: recipe.steps_for(count) * recipe.batch_size].split(
            recipe.batch_size
        ):
            pixels = [augmented(backbone, data.train, i, epoch, 1, recipe.crop) for i in batch.tolist()]
            images = F.normalize(encode(torch.stack(pixels)), dim=-1)
            text = tower(tower.pad(table.fill(context), padding), table.eot, "fused")
            logits = backbone.logit_scale * images @ F.normalize(text, dim=-1).T
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate(epoch, epochs)
            optimizer.zero_grad()
            F.cross_entropy(logits, data.train.labels[batch]).backward()
            optimizer.step()
    return context.detach()


def noise_pictures(count: int) -> list[Image.Image]:
    """Noise of the size of DTD's pictures."""
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (375, 500, 3), dtype=np.uint8)) for _ in range(count)]

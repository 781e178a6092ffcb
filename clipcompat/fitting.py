"""The one training loop: any method, any backbone, from cached or fresh views to a plug-in."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.device import fit_threads, pick_dtype
from clipcompat.data.sampling import parse_seed
from clipcompat.data.split import Dataset
from clipcompat.errors import ClipcompatError, ConfigError, DataError
from clipcompat.features import Progress, augmented, decode, encode_views
from clipcompat.methods.base import Method
from clipcompat.plugin import Plugin

log = logging.getLogger(__name__)

DEFAULT_VIEWS = 10


def fit(
    method: Method,
    backbone: Backbone,
    data: Dataset,
    *,
    seed: int = 1,
    init: Plugin | None = None,
    teacher: Any = None,
    views: int | None = None,
    dtype: torch.dtype | str | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Plugin:
    """Train `method` on `data.train` and return the plug-in of the last epoch. It never looks at `data.test`.

    Args:
        seed: of initial values, batch order and views.
        init: a plug-in of the same shapes to start from.
        teacher: for methods that learn from another (plug-in, backbone); those here take none.
        views: augmented versions of each image to encode once and train on; None means 10 (or the epochs, if fewer);
            0 augments and encodes anew in every epoch, which is what official code does and equals views = epochs.
        dtype: autocast type of the towers; None keeps the backbone's. Parameters are float32 always.
        cache: folder for feature files; None keeps features in memory.
        progress: called with (done, total, what) during encoding and training.

    Raises:
        ConfigError, DataError: arguments that cannot be meant. ClipcompatError: the loss stopped being a number.
    """
    if teacher is not None:
        raise ConfigError(f"{method.name} has no teacher; drop teacher=.")
    if method.needs != "nothing" and len(data.train) == 0:
        raise DataError(f"{data.name} has no training images; load it with shots of at least 1.")
    if not 0 <= seed < 2**63:
        raise ConfigError(f"seed must be a whole number from 0 to 2^63 - 1, not {seed}.")
    if views is not None and views < 0:
        raise ConfigError(f"views must be 0 (augment on the fly) or more, not {views}.")
    backbone = backbone.with_dtype(dtype if dtype is None else pick_dtype(backbone.device, dtype))
    generator = torch.Generator().manual_seed(parse_seed(seed))
    clock = time.monotonic()
    trained: dict[str, Any] = {"epochs": 0, "views": None, "final_loss": None}
    with fit_threads(backbone.device, backbone.width):
        learner = method.setup(backbone, data, generator, init)
        if learner.parameters:
            trained = _train(method, learner, backbone, data, generator, seed, views, cache, progress)
    origin = {
        "backbone": backbone.description,
        "dataset": data.name,
        "train_stamp": data.train.stamp,
        "classnames": list(data.classnames),
        "template": data.train.template if isinstance(data.train.template, str) else list(data.train.template),
        "shots": data.shots,
        "seed": seed,
        "init": init.stamp if init else None,
        "seconds": round(time.monotonic() - clock, 1),
        **trained,
    }
    return Plugin(method, {n: p.detach().cpu().float() for n, p in learner.parameters.items()}, origin)


def _train(method, learner, backbone, data, generator, seed, views, cache, progress) -> dict[str, Any]:
    recipe, count, crop = method.recipe, len(data.train), method.recipe.crop_for(data.name)
    epochs = recipe.epochs_for(data.name, data.shots, count)
    views = min(DEFAULT_VIEWS, epochs) if views is None else min(views, epochs)
    labels = data.train.labels.to(backbone.device)
    cached = encode_views(backbone, data.train, views, seed, crop, cache, progress) if views else None
    # where views are fewer than epochs, each image goes through its views in an order of its own
    offset = torch.zeros(count, dtype=torch.int64)
    if 0 < views < epochs:
        offset = torch.randint(views, (count,), generator=generator)
    groups = [{"params": [p], **learner.options.get(name, {})} for name, p in learner.parameters.items()]
    optimizer = recipe.optimizer(groups)
    # float16 gradients of a well-trained batch are below its smallest number; scaling keeps them
    scaler = torch.amp.GradScaler(backbone.device.type, enabled=backbone.dtype == torch.float16)
    loss = torch.zeros(())
    for epoch in range(epochs):
        for step, batch in enumerate(batches := _batches(count, recipe.batch_size, generator)):
            rate = recipe.learning_rate(epoch, epochs, step, len(batches))
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("lr_scale", 1.0)
            if cached is not None:
                features = cached[((offset[batch] + epoch) % views).to(cached.device), batch.to(cached.device)]
            else:
                features = _fresh(backbone, data, batch, epoch, seed, crop)
            loss = learner.loss(features, labels[batch.to(labels.device)])
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            loss = loss.detach()
        if not (torch.isfinite(loss) and all(torch.isfinite(p).all() for p in learner.parameters.values())):
            raise ClipcompatError(
                f"training {method.name} on {data.name} diverged in epoch {epoch + 1} of {epochs} "
                f"(the loss is {float(loss)}). Lower recipe.lr, or run in float32."
            )
        if progress:
            progress(epoch + 1, epochs, f"{method.name} on {data.name}, seed {seed}")
    log.info("%s on %s: %d epochs, last loss %.4f", method.name, data.name, epochs, float(loss))
    return {"epochs": epochs, "views": views, "final_loss": round(float(loss), 6)}


def _batches(count: int, size: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """A shuffled epoch; the incomplete last batch is dropped unless it is the only one (Dassl's loader)."""
    order = torch.randperm(count, generator=generator)
    return order.split(size) if count < size else order[: count // size * size].split(size)


def _fresh(backbone: Backbone, data: Dataset, batch: Tensor, epoch: int, seed: int, crop) -> Tensor:
    """Features of view number `epoch` of the batch's images, decoded and encoded now."""
    jobs = [(i, epoch) for i in batch.tolist()]
    blocks = decode(jobs, lambda i, view: augmented(backbone, data.train, i, view, seed, crop))
    return torch.cat([backbone.image_features(pixels) for pixels in blocks])

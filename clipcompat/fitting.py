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
from clipcompat.data.split import Dataset, Split
from clipcompat.errors import ConfigError, DataError, DivergedError
from clipcompat.features import Progress, augmented, decode
from clipcompat.methods.base import Learner, Method
from clipcompat.methods.recipe import Recipe
from clipcompat.methods.task import Task
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
    select_on: Split | None = None,
    views: int | None = None,
    dtype: torch.dtype | str | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Plugin:
    """Train `method` on `data.train` and return the plug-in of the last epoch. It never looks at `data.test`.

    What a method selects (a probe's regularisation, a cache's mixture), it selects on `data.val`.

    Args:
        seed: of initial values, batch order and views.
        init: a plug-in of the same shapes to start from.
        teacher: for methods that learn from another (plug-in, backbone); those here take none.
        select_on: for methods with protocol="official" only, which select on test pictures: give them data.test here.
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
    if is_official(method) != (select_on is not None):
        raise ConfigError(
            f"{method.name} with protocol='official' selects on test pictures, and must be given select_on=data.test."
            if is_official(method)
            else f"{method.name} selects nothing on test pictures; drop select_on= (or set its protocol='official')."
        )
    if method.needs != "nothing":
        _refuse_empty(data)
    if not 0 <= seed < 2**63:
        raise ConfigError(f"seed must be a whole number from 0 to 2^63 - 1, not {seed}.")
    if views is not None and views < 0:
        raise ConfigError(f"views must be 0 (augment on the fly) or more, not {views}.")
    backbone = backbone.with_dtype(dtype if dtype is None else pick_dtype(backbone.device, dtype))
    generator = torch.Generator().manual_seed(parse_seed(seed))
    task = Task(backbone, data, generator, seed, init, cache, progress, select_on)
    clock = time.monotonic()
    trained: dict[str, Any] = {"epochs": 0, "views": None, "final_loss": None}
    with fit_threads(backbone.device, backbone.width):
        learner = method.setup(task)
        if init is not None and not learner.parameters:
            raise ConfigError(f"{method.name} trains nothing that could start from another plug-in; drop init=.")
        if learner.parameters:
            trained = _train(method, learner, task, views)
        tensors = learner.finish() if learner.finish else learner.parameters
    origin = {
        "backbone": backbone.description,
        "dataset": data.name,
        "train_stamp": data.train.stamp,
        "classnames": list(data.classnames),
        "template": data.train.template if isinstance(data.train.template, str) else list(data.train.template),
        "shots": data.shots,
        "seed": seed,
        "init": init.stamp if init else None,
        "select_on": select_on.stamp if select_on else None,
        "seconds": round(time.monotonic() - clock, 1),
        **trained,
    }
    return Plugin(method, {n: p.detach().cpu().float() for n, p in tensors.items()}, origin)


def is_official(method: Method) -> bool:
    """Whether the method follows an upstream protocol that selects on test pictures."""
    return getattr(method, "protocol", "clean") == "official"


def _refuse_empty(data: Dataset) -> None:
    """Every class must have been shown at least once."""
    if len(data.train) == 0:
        raise DataError(f"{data.name} has no training images; load it with shots of at least 1.")
    counts = torch.bincount(data.train.labels, minlength=len(data.classnames))
    empty = [data.classnames[i] for i in (counts == 0).nonzero().flatten().tolist()]
    if empty:
        raise DataError(
            f"{data.name} has no training image of {len(empty)} of its {len(counts)} classes "
            f"({', '.join(map(repr, empty[:5]))}{' …' if len(empty) > 5 else ''}). Give each class one at least, or "
            "leave such classes out: data.subset([…])."
        )


def _train(method: Method, learner: Learner, task: Task, views: int | None) -> dict[str, Any]:
    backbone, data, generator, progress = task.backbone, task.data, task.generator, task.progress
    recipe, count, crop = method.recipe, len(data.train), method.recipe.crop_for(data.name)
    epochs = recipe.epochs_for(data.name, data.shots, count)
    views = min(DEFAULT_VIEWS, epochs) if views is None else min(views, epochs)
    first, kind = learner.first_view, method.image_features
    labels = task.train_labels
    cached = task.views(first + views, crop, kind)[first:] if views else None
    # where views are fewer than epochs, each image goes through its views in an order of its own
    offset = torch.zeros(count, dtype=torch.int64)
    if 0 < views < epochs:
        offset = torch.randint(views, (count,), generator=generator)
    groups = [{"params": [p], **learner.options.get(name, {})} for name, p in learner.parameters.items()]
    optimizer = recipe.build_optimizer(groups)
    # float16 gradients of a well-trained batch are below its smallest number; scaling keeps them
    scaler = torch.amp.GradScaler(backbone.device.type, enabled=backbone.dtype == torch.float16)
    loss = torch.zeros(())
    for epoch in range(epochs):
        for step, batch in enumerate(batches := _batches(count, recipe, generator)):
            rate = recipe.learning_rate(epoch, epochs, step, len(batches))
            for group in optimizer.param_groups:
                group["lr"] = rate * group.get("lr_scale", 1.0)
            if cached is not None:
                features = cached[((offset[batch] + epoch) % views).to(cached.device), batch.to(cached.device)]
            else:
                features = _fresh(task, batch, first + epoch, crop, kind)
            loss = learner.loss(features, labels[batch.to(labels.device)])
            optimizer.zero_grad(set_to_none=True)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            loss = loss.detach()
        if not (torch.isfinite(loss) and all(torch.isfinite(p).all() for p in learner.parameters.values())):
            raise DivergedError(
                f"training {method.name} on {data.name} diverged in epoch {epoch + 1} of {epochs} "
                f"(the loss is {float(loss)}). Lower recipe.lr, or run in float32."
            )
        if learner.after_epoch:
            learner.after_epoch(epoch + 1)
        if progress:
            progress(epoch + 1, epochs, f"{method.name} on {data.name}, seed {task.seed}")
    log.info("%s on %s: %d epochs, last loss %.4f", method.name, data.name, epochs, float(loss))
    return {"epochs": epochs, "views": views, "final_loss": round(float(loss), 6)}


def _batches(count: int, recipe: Recipe, generator: torch.Generator) -> tuple[Tensor, ...]:
    """A shuffled epoch."""
    order, size = torch.randperm(count, generator=generator), recipe.batch_size
    return order[: recipe.steps_for(count) * size].split(size)


def _fresh(task: Task, batch: Tensor, view: int, crop, kind: str) -> Tensor:
    """Features of one view of the batch's images, decoded and encoded now."""
    backbone, train = task.backbone, task.data.train
    jobs = [(i, view) for i in batch.tolist()]
    blocks = decode(jobs, lambda i, view: augmented(backbone, train, i, view, task.seed, crop))
    return torch.cat([backbone.image_features(pixels, kind) for pixels in blocks])

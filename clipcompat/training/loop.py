"""The one training loop: runs of one method take their steps side by side.

Runs share one pass of the text tower per step. Their losses are added up, and no two runs share a parameter, so each
parameter gets the gradient that it would get alone. Batches, views and learning rates belong to each run.

Shapes: V views, N training images, B images per batch, D feature dimension.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from clipcompat.backbones.device import is_out_of_memory
from clipcompat.common.errors import DivergedError
from clipcompat.data.split import Dataset, Split
from clipcompat.features.encode import augmented, decode, take
from clipcompat.training.cuda_graphs import Steps
from clipcompat.training.learner import Learner, Method, losses
from clipcompat.training.task import Task

log = logging.getLogger(__name__)

DEFAULT_VIEWS = 10
"""Views per image if `fit` is not told how many; our choice."""

_TIMED = 5  # steps before the remaining time is estimated; our choice


def train(
    method: Method, learners: Sequence[Learner], tasks: Sequence[Task], views: int | None
) -> list[dict[str, Any]]:
    """Train learners in place; returns epochs, views and final_loss of each, for its plug-in's origin.

    learners, tasks: one per run. views: see `clipcompat.fit`.

    Raises:
        DivergedError: a loss or a parameter is not finite at the end of an epoch.
    """
    backbone, progress = tasks[0].backbone, tasks[0].progress
    runs = [_Run(method, learner, task, views) for learner, task in zip(learners, tasks, strict=True)]
    title = f"{method.name} on {tasks[0].data.name}, seed{'s' * (len(runs) > 1)} {' '.join(str(t.seed) for t in tasks)}"
    # gradients of a well-trained batch underflow in float16; the scaler enlarges the loss and divides before the step
    scaler = torch.amp.GradScaler(backbone.device.type, enabled=backbone.dtype == torch.float16)
    active: list[_Run] = []

    def forward_and_backward(batches: Sequence[Tensor]) -> Tensor:
        """One batch [2, B] per active run -> loss [run]; gradients stay with the parameters."""
        features = [run.features(batch) for run, batch in zip(active, batches, strict=True)]  # [B, D] each
        labels = [run.labels[batch[1]] for run, batch in zip(active, batches, strict=True)]  # [B] each
        frozen = [run.frozen(batch) for run, batch in zip(active, batches, strict=True)]
        loss = torch.stack(losses([run.learner for run in active], features, labels, frozen))
        scaler.scale(loss.sum()).backward()
        return loss.detach()

    parameters = [p for learner in learners for p in learner.parameters.values()]
    one_step = Steps(forward_and_backward, parameters, backbone.device if all(r.on_device for r in runs) else None)
    log.info("%s: %s", title, _estimate(runs))
    clock, total = time.monotonic(), max(run.epochs * run.steps for run in runs)
    schedules = [run.schedule() for run in runs]
    for number in range(1, total + 1):
        steps = [(run, step) for run, left in zip(runs, schedules, strict=True) if (step := next(left, None))]
        active = [run for run, _ in steps]
        batches = [run.batch(step) for run, step in steps]
        loss = _within_memory(one_step, batches, tuple(map(id, active)), learners[0])
        for run, step in steps:
            for group in run.optimizer.param_groups:
                group["lr"] = step.lr * group.get("lr_scale", 1.0)
            scaler.step(run.optimizer)
        scaler.update()
        for (run, step), value in zip(steps, loss, strict=True):
            if step.ends_epoch:
                run.end_epoch(step.epoch, value)
        if number == min(_TIMED, total):
            left = (time.monotonic() - clock) / number * (total - number)
            log.info("%s: %d steps, about %.0f s to go", title, total, left)
        if progress and steps[0][1].ends_epoch:
            progress(steps[0][1].epoch + 1, runs[0].epochs, title)
    return [{"epochs": run.epochs, "views": run.views, "final_loss": round(run.last_loss, 6)} for run in runs]


def plan(method: Method, data: Dataset, views: int | None) -> tuple[int, int]:
    """The epochs and the views of a training. views: as for `clipcompat.fit`."""
    epochs = method.recipe_for(data).epochs_for(data.name, data.shots, len(data.train))
    return epochs, min(DEFAULT_VIEWS if views is None else views, epochs)


@dataclass(frozen=True)
class _Step:
    """batch: indices [2, B], of views (of the epoch, if views are not cached) and of images."""

    epoch: int
    lr: float
    batch: Tensor
    ends_epoch: bool


class _Run:
    """One learner with its features, its schedule and its optimiser."""

    def __init__(self, method: Method, learner: Learner, task: Task, views: int | None):
        self.learner, self._method, self._task, self._recipe = learner, method, task, method.recipe_for(task.data)
        count, data = len(task.data.train), task.data
        self._crop, self._kind = self._recipe.crop_for(data.name), method.image_features
        self.epochs, self.views = plan(method, data, views)
        self.steps = self._recipe.steps_for(count)
        self._splits = [data.train, *([] if learner.joins is None else [learner.joins])]
        self.labels = torch.cat([split.labels for split in self._splits]).to(task.backbone.device)  # [N]
        first = learner.first_view
        self._pixels = method.needs == "pixels"
        parts = [self._encoded(first + self.views, split) for split in self._splits] if self.views else [None]
        self._cached = None  # [V, N, D] or [V, N, 3, size, size]
        if all(part is not None for part in parts):
            same = [part.to(parts[-1].device) for part in parts]
            self._cached = (torch.cat(same, dim=1) if len(same) > 1 else same[0])[first:]
        self._frozen = None
        if self.views and learner.frozen and learner.joins is None:
            self._frozen = learner.frozen(first + self.views, self._crop)[first:]  # [V, N, n]
        # with fewer views than epochs, each image starts at a random view, so that an epoch mixes views
        self._offset = torch.zeros(count, dtype=torch.int64)  # [N]
        if 0 < self.views < self.epochs:
            self._offset = torch.randint(self.views, (count,), generator=task.generator)
        groups = [{"params": [p], **learner.options.get(name, {})} for name, p in learner.parameters.items()]
        self.optimizer = self._recipe.build_optimizer(groups)
        self.last_loss = 0.0

    @property
    def on_device(self) -> bool:
        """Whether a step needs nothing from the host."""
        if self._pixels or self.learner.join:  # copies mean and deviation; draws there, another number in every step
            return False
        return self._cached is not None and self._cached.device.type == self._task.backbone.device.type

    def schedule(self) -> Iterator[_Step]:
        """Every step of every epoch; each epoch is shuffled again, and its batches go to the device in one copy."""
        size, count = self._recipe.batch_size, len(self._offset)
        for epoch in range(self.epochs):
            order = torch.randperm(count, generator=self._task.generator)[: self.steps * size]  # [images of the epoch]
            view = (self._offset[order] + epoch) % self.views if self.views else torch.full_like(order, epoch)
            batches = torch.stack([view, order]).to(self._task.backbone.device).split(size, dim=1)  # [2, B] each
            for number, batch in enumerate(batches):
                lr = self._recipe.learning_rate(epoch, self.epochs, number, len(batches))
                yield _Step(epoch, lr, batch, number + 1 == len(batches))

    @torch.no_grad()
    def batch(self, step: _Step) -> Tensor:
        """The batch of a step, [2, B], and behind it the images that the learner wants to join."""
        if self.learner.join is None:
            return step.batch
        more = self.learner.join(self.features(step.batch), self.labels[step.batch[1]]).cpu()  # [image]
        view = torch.full_like(more, int(step.batch[0, 0]))  # views that are not cached are those of the epoch
        if self.views:
            view = torch.randint(self.views, more.shape, generator=self._task.generator)
        return torch.cat([step.batch, torch.stack([view, more]).to(step.batch.device)], dim=1)

    def features(self, batch: Tensor) -> Tensor:
        """Image features of a batch, [2, B] -> [B, D]: from the cache, or decoded and encoded now.

        Of a method that needs pixels: uint8 [B, 3, size, size].
        """
        if self._cached is not None:
            return take(self._cached, batch[0], batch[1], self._task.backbone.device)
        task, first = self._task, self.learner.first_view
        jobs = [(i, first + view) for view, i in batch.T.tolist()]
        blocks = decode(jobs, self._draw)
        if self._pixels:
            return torch.cat(list(blocks)).to(task.backbone.device)
        return torch.cat([task.backbone.image_features(pixels, self._kind) for pixels in blocks])

    def _encoded(self, views: int, split: Split) -> Tensor | None:
        """The first views of a split, before the image tower or behind it; None if memory is too small."""
        if self._pixels:
            return self._task.pixels(views, self._crop, split)
        return self._task.views(views, self._crop, self._kind, split=split)

    def _draw(self, image: int, view: int) -> Tensor:
        task, trained = self._task, len(self._offset)
        split, image = (self._splits[0], image) if image < trained else (self._splits[1], image - trained)
        return augmented(task.backbone, split, image, view, task.seed, self._crop)

    def frozen(self, batch: Tensor) -> Tensor | None:
        """What a frozen tower says of a batch, [2, B] -> [B, n]; None if it is not known beforehand."""
        if self._frozen is None:
            return None
        return take(self._frozen, batch[0], batch[1], self._task.backbone.device)

    def example(self) -> Tensor:
        """Zeros in the shape of a batch's image features, [B, D]."""
        backbone = self._task.backbone
        count = min(self._recipe.batch_size, len(self._offset))
        return torch.zeros(count, backbone.feature_width(self._kind), device=backbone.device)

    def end_epoch(self, epoch: int, loss: Tensor) -> None:
        """Refuse numbers that are not finite, and let the learner do its work between epochs."""
        self.last_loss = float(loss)
        if not (torch.isfinite(loss) and all(torch.isfinite(p).all() for p in self.learner.parameters.values())):
            raise DivergedError(
                f"training {self._method.name} on {self._task.data.name} diverged in epoch {epoch + 1} of "
                f"{self.epochs} (the loss is {self.last_loss}). Lower recipe.lr, or run in float32."
            )
        if self.learner.after_epoch:
            self.learner.after_epoch(epoch + 1)


def _within_memory(one_step: Steps, batches: Sequence[Tensor], key: tuple, learner: Learner) -> Tensor:
    """One step. If memory runs out, the text tower's budget is halved and the step runs again, until it fits."""
    while True:
        try:
            return one_step(batches, key)
        except RuntimeError as error:
            if not is_out_of_memory(error) or learner.tower is None or not learner.tower.shrink():
                raise
        # outside `except`: the exception is gone, and with it the tensors of the failed step
        one_step.forget()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        budget = learner.tower.memory_budget / 1e9
        log.warning("memory ran out; the step is run again in smaller parts, within %.2f GB", budget)


def _estimate(runs: Sequence[_Run]) -> str:
    """The text tower's work per step, in words."""
    learner = runs[0].learner
    if not learner.prompts:
        return "no prompts are trained"
    with torch.no_grad():
        packing = learner.prompts(runs[0].example()).packing
    several = f" for each of {len(runs)} runs" if len(runs) > 1 else ""
    return f"{learner.tower.estimate(packing)} per step{several}"

"""The one training loop: learners of one method go through their recipes step by step, side by side.

Several learners read their prompts in one pass of the text tower; the losses are added up, and as no two share a
parameter, each gets the gradients it would get alone. Batches, views and rates are each learner's own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from clipcompat.backbones.device import is_out_of_memory
from clipcompat.common.errors import DivergedError
from clipcompat.features.encode import augmented, decode, take
from clipcompat.training.cuda_graphs import Steps
from clipcompat.training.learner import Learner, Method, losses
from clipcompat.training.task import Task

log = logging.getLogger(__name__)

DEFAULT_VIEWS = 10
_TIMED = 5  # steps, after which the rest is estimated


def train(
    method: Method, learners: Sequence[Learner], tasks: Sequence[Task], views: int | None
) -> list[dict[str, Any]]:
    """Train learners in place; what a plug-in's origin says of it: epochs, views, final_loss.

    views: see `clipcompat.fit`.

    Raises:
        DivergedError: a loss or a parameter is no longer a number.
    """
    courses = [_Course(method, learner, task, views) for learner, task in zip(learners, tasks, strict=True)]
    backbone = tasks[0].backbone
    # float16 gradients of a well-trained batch are below its smallest number; scaling keeps them
    scaler = torch.amp.GradScaler(backbone.device.type, enabled=backbone.dtype == torch.float16)
    active: list[_Course] = []

    def forward_and_backward(batches: Sequence[Tensor]) -> Tensor:
        features = [course.features(batch) for course, batch in zip(active, batches, strict=True)]
        labels = [course.labels[batch[1]] for course, batch in zip(active, batches, strict=True)]
        found = losses([course.learner for course in active], features, labels)
        scaler.scale(torch.stack(found).sum()).backward()
        return torch.stack(found).detach()

    device = backbone.device if all(c.on_device for c in courses) else None
    steps = Steps(forward_and_backward, [p for c in courses for p in c.learner.parameters.values()], device)
    log.info("%s: %s", _title(method, courses), _estimate(courses))
    clock, total = time.monotonic(), max(c.epochs * c.steps for c in courses)
    schedules = [course.schedule() for course in courses]
    for number in range(total):
        turns = [(course, turn) for course, s in zip(courses, schedules, strict=True) if (turn := next(s, None))]
        active = [course for course, _ in turns]
        loss = _within_memory(steps, [turn.batch for _, turn in turns], tuple(map(id, active)), learners[0])
        for course, turn in turns:
            for group in course.optimizer.param_groups:
                group["lr"] = turn.rate * group.get("lr_scale", 1.0)
            scaler.step(course.optimizer)
        scaler.update()
        for (course, turn), value in zip(turns, loss, strict=True):
            if turn.ends_epoch:
                course.end_epoch(turn.epoch, value)
        if number + 1 == min(_TIMED, total):
            left = (time.monotonic() - clock) / (number + 1) * (total - number - 1)
            log.info("%s: %d steps, about %.0f s to go", _title(method, courses), total, left)
        if turns[0][1].ends_epoch and tasks[0].progress:
            tasks[0].progress(turns[0][1].epoch + 1, courses[0].epochs, _title(method, courses))
    return [{"epochs": c.epochs, "views": c.views, "final_loss": round(c.last_loss, 6)} for c in courses]


@dataclass(frozen=True)
class _Turn:
    """One step: batch is [view or epoch, image] numbers, [2, batch]."""

    epoch: int
    rate: float
    batch: Tensor
    ends_epoch: bool


class _Course:
    """One learner's way through its recipe."""

    def __init__(self, method: Method, learner: Learner, task: Task, views: int | None):
        self.learner, self._method, self._task, self._recipe = learner, method, task, method.recipe
        count, data = len(task.data.train), task.data
        self._crop, self._kind = self._recipe.crop_for(data.name), method.image_features
        self.epochs = self._recipe.epochs_for(data.name, data.shots, count)
        self.steps = self._recipe.steps_for(count)
        self.views = min(DEFAULT_VIEWS if views is None else views, self.epochs)
        self.labels = task.train_labels
        first = learner.first_view
        self._cached = task.views(first + self.views, self._crop, self._kind)[first:] if self.views else None
        # where views are fewer than epochs, each image goes through its views in an order of its own
        self._offset = torch.zeros(count, dtype=torch.int64)
        if 0 < self.views < self.epochs:
            self._offset = torch.randint(self.views, (count,), generator=task.generator)
        groups = [{"params": [p], **learner.options.get(name, {})} for name, p in learner.parameters.items()]
        self.optimizer = self._recipe.build_optimizer(groups)
        self.last_loss = 0.0

    @property
    def on_device(self) -> bool:
        """Whether a step needs nothing from the host."""
        return self._cached is not None and self._cached.device.type == self._task.backbone.device.type

    def schedule(self) -> Iterator[_Turn]:
        """Every step of every epoch, each epoch shuffled anew; an epoch's numbers go to the device at once."""
        size, count = self._recipe.batch_size, len(self._offset)
        for epoch in range(self.epochs):
            order = torch.randperm(count, generator=self._task.generator)[: self.steps * size]
            view = (self._offset[order] + epoch) % self.views if self.views else torch.full_like(order, epoch)
            batches = torch.stack([view, order]).to(self._task.backbone.device).split(size, dim=1)
            for step, batch in enumerate(batches):
                rate = self._recipe.learning_rate(epoch, self.epochs, step, len(batches))
                yield _Turn(epoch, rate, batch, step + 1 == len(batches))

    def features(self, batch: Tensor) -> Tensor:
        """Image features of a batch, [batch, dim]: cached, or decoded and encoded now."""
        if self._cached is not None:
            return take(self._cached, batch[0], batch[1], self._task.backbone.device)
        task, view = self._task, int(batch[0, 0]) + self.learner.first_view
        jobs = [(i, view) for i in batch[1].tolist()]
        blocks = decode(jobs, lambda i, view: augmented(task.backbone, task.data.train, i, view, task.seed, self._crop))
        return torch.cat([task.backbone.image_features(pixels, self._kind) for pixels in blocks])

    def example(self) -> Tensor:
        """Image features of a batch's shape, all 0."""
        backbone = self._task.backbone
        count = min(self._recipe.batch_size, len(self._offset))
        return torch.zeros(count, backbone.feature_width(self._kind), device=backbone.device)

    def end_epoch(self, epoch: int, loss: Tensor) -> None:
        self.last_loss = float(loss)
        if not (torch.isfinite(loss) and all(torch.isfinite(p).all() for p in self.learner.parameters.values())):
            raise DivergedError(
                f"training {self._method.name} on {self._task.data.name} diverged in epoch {epoch + 1} of "
                f"{self.epochs} (the loss is {self.last_loss}). Lower recipe.lr, or run in float32."
            )
        if self.learner.after_epoch:
            self.learner.after_epoch(epoch + 1)


def _within_memory(steps: Steps, batches: Sequence[Tensor], key: tuple, learner: Learner) -> Tensor:
    """One step; where memory runs out, the same step again in smaller parts, as long as they can be smaller."""
    while True:
        try:
            return steps(batches, key)
        except RuntimeError as error:
            if not is_out_of_memory(error) or learner.tower is None or not learner.tower.shrink():
                raise
        # here the exception, and with it all that the failed step held, is gone
        steps.forget()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        budget = learner.tower.memory_budget / 1e9
        log.warning("memory ran out; the step is run again in smaller parts, within %.2f GB", budget)


def _estimate(courses: Sequence[_Course]) -> str:
    """What a step has the text tower do, in words."""
    learner = courses[0].learner
    if not learner.prompts:
        return "no text is encoded in training"
    with torch.no_grad():
        packing = learner.prompts(courses[0].example()).packing
    runs = f" for each of {len(courses)} runs" if len(courses) > 1 else ""
    return f"{learner.tower.estimate(packing)} a step{runs}"


def _title(method: Method, courses: Sequence[_Course]) -> str:
    seeds = " ".join(str(c._task.seed) for c in courses)
    return f"{method.name} on {courses[0]._task.data.name}, seed{'s' * (len(courses) > 1)} {seeds}"

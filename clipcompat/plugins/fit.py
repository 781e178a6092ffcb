"""From a method, a backbone and data to a plug-in: one run, or several side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.device import fit_threads, pick_dtype
from clipcompat.common.errors import ConfigError, DataError
from clipcompat.data.sampling import parse_seed
from clipcompat.data.split import Dataset, Split
from clipcompat.features.encode import Progress
from clipcompat.plugins.plugin import Plugin
from clipcompat.training.learner import Method
from clipcompat.training.loop import train
from clipcompat.training.task import Task


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
    memory_budget: int | None = None,
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
        memory_budget: bytes that a pass of the text tower may take, what it keeps for backward included; None means
            most of what the device has free. Less than all of it costs time, and changes nothing else.
        cache: folder for feature files; None keeps features in memory.
        progress: called with (done, total, what) during encoding and training.

    Raises:
        ConfigError, DataError: arguments that cannot be meant. ClipcompatError: the loss stopped being a number.
    """
    if teacher is not None:
        raise ConfigError(f"{method.name} has no teacher; drop teacher=.")
    return _fit(
        method, backbone, [_Job(data, seed, init, select_on)], views, dtype, memory_budget, cache, progress
    )[0]  # fmt: skip


def fit_many(
    method: Method,
    backbone: Backbone,
    data: Sequence[Dataset],
    *,
    seeds: Sequence[int],
    select_on: Sequence[Split] | None = None,
    views: int | None = None,
    dtype: torch.dtype | str | None = None,
    memory_budget: int | None = None,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> list[Plugin]:
    """`fit` for several draws and seeds at once: the same plug-ins within rounding, for one run's share of waiting.

    Small problems leave a GPU idle most of the time; runs that go side by side share its passes through the text tower
    (where their class lists are equally long). In float16 they also share the scale of the loss.

    Args:
        data, seeds: one of each a run; select_on: likewise. All else as for `fit`.

    Returns:
        One plug-in a run, in order; its "seconds" are a run's share.
    """
    data, seeds = list(data), list(seeds)
    select_on = [None] * len(data) if select_on is None else list(select_on)
    if not data or not len(data) == len(seeds) == len(select_on):
        raise ConfigError(
            f"one dataset, one seed (and one select_on, if any) are needed for each run; these are {len(data)}, "
            f"{len(seeds)} and {len(select_on)}."
        )
    jobs = [_Job(d, seed, None, split) for d, seed, split in zip(data, seeds, select_on, strict=True)]
    return _fit(method, backbone, jobs, views, dtype, memory_budget, cache, progress)


@dataclass(frozen=True)
class _Job:
    data: Dataset
    seed: int
    init: Plugin | None
    select_on: Split | None


def _fit(
    method: Method, backbone: Backbone, jobs: Sequence[_Job], views, dtype, memory_budget, cache, progress
) -> list[Plugin]:
    for job in jobs:
        _refuse(method, job)
    if views is not None and views < 0:
        raise ConfigError(f"views must be 0 (augment on the fly) or more, not {views}.")
    backbone = backbone.with_dtype(dtype if dtype is None else pick_dtype(backbone.device, dtype))
    backbone = backbone.with_memory_budget(memory_budget)
    clock = time.monotonic()
    trained: list[dict[str, Any]] = [{"epochs": 0, "views": None, "final_loss": None} for _ in jobs]
    with fit_threads(backbone.device, backbone.width):
        tasks, learners = [], []
        for job in jobs:
            generator = torch.Generator().manual_seed(parse_seed(job.seed))
            tasks.append(Task(backbone, job.data, generator, job.seed, job.init, cache, progress, job.select_on))
            learners.append(method.setup(tasks[-1]))
            if job.init is not None and not learners[-1].parameters:
                raise ConfigError(f"{method.name} trains nothing that could start from another plug-in; drop init=.")
        if learners[0].parameters:
            trained = train(method, learners, tasks, views)
        tensors = [learner.finish() if learner.finish else learner.parameters for learner in learners]
    seconds = round((time.monotonic() - clock) / len(jobs), 1)
    return [
        Plugin(
            method,
            {n: p.detach().cpu().float() for n, p in learned.items()},
            {**_origin(backbone, job), "seconds": seconds, **told},
        )
        for job, learned, told in zip(jobs, tensors, trained, strict=True)
    ]


def _origin(backbone: Backbone, job: _Job) -> dict[str, Any]:
    data = job.data
    return {
        "backbone": backbone.description,
        "dataset": data.name,
        "train_stamp": data.train.stamp,
        "classnames": list(data.classnames),
        "template": data.train.template if isinstance(data.train.template, str) else list(data.train.template),
        "shots": data.shots,
        "seed": job.seed,
        "init": job.init.stamp if job.init else None,
        "select_on": job.select_on.stamp if job.select_on else None,
    }


def _refuse(method: Method, job: _Job) -> None:
    """What cannot be meant is refused before anything is encoded."""
    if is_official(method) != (job.select_on is not None):
        raise ConfigError(
            f"{method.name} with protocol='official' selects on test pictures, and must be given select_on=data.test."
            if is_official(method)
            else f"{method.name} selects nothing on test pictures; drop select_on= (or set its protocol='official')."
        )
    if method.needs != "nothing":
        _refuse_empty(job.data)
    if not 0 <= job.seed < 2**63:
        raise ConfigError(f"seed must be a whole number from 0 to 2^63 - 1, not {job.seed}.")


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

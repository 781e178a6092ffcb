"""From a method, a backbone and data to a plug-in: one run, or several side by side."""

import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.device import fit_threads, pick_dtype
from clipcompat.backbones.load import load_backbone
from clipcompat.common.errors import ConfigError, DataError
from clipcompat.common.progress import Progress, showing
from clipcompat.data.pictures.images import hash_contents
from clipcompat.data.sampling import parse_seed
from clipcompat.data.split import Dataset, Split
from clipcompat.methods.defaults import default_method
from clipcompat.plugins.focal import FocalDistillation
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
    progress: Progress | bool | None = None,
    focal: FocalDistillation | None = None,
) -> Plugin:
    """Train `method` on `data.train` and return the plug-in of the last epoch. `data.test` is never used.

    A method that selects something (a probe's C, a cache's mixture) selects it on `data.val`.

    Args:
        seed: of initial values, batch order and views.
        init: a plug-in of the same shapes to start from. A method that starts from another one's plug-in (DPC) takes
            that; None tunes it first, with the same seed and views.
        teacher: a plug-in, such as PromptSRC's, and the backbone that it acts on, a wider one; for PromptKD, and for
            DPC over it. It must have class weights for the classes of `data`, and take pictures of the same size. None
            tunes the one that the method names, with the same seed and views.
        select_on: give data.test to a method with protocol="official", which selects on test images; else None.
        views: augmented versions of each image to encode once and train on; None means 10, or the epochs if fewer.
            0 augments and encodes again in every epoch, as official code does; it equals views = epochs.
        dtype: autocast type of the towers; None keeps the backbone's. Parameters are float32 always.
        memory_budget: bytes that a pass of the text tower may take, tensors kept for backward included; None means
            most of the device's free memory. A smaller budget costs time and changes nothing else.
        cache: folder for feature files; None keeps features in memory.
        progress: None shows a bar where a terminal or a notebook can; True everywhere, False nowhere; or a function
            that is called with (done, total, what) during encoding and training.
        focal: hold the training to what an old plug-in has right, against negative flips. For a warm start: with the
            old plug-in also as init.

    Raises:
        ConfigError, DataError: arguments are out of range or contradict each other, or a class has no training image.
        ClipcompatError: the loss is no longer a number.
    """
    if teacher is not None and not method.takes_teacher:
        raise ConfigError(f"{method.name} has no teacher; drop teacher=.")
    with showing(progress) as told:
        how = (views, dtype, memory_budget, cache, told)
        teacher = teacher or _own_teacher(method, backbone, data, seed, how)
        if init is None and method.starts_from is not None:
            init = _fit(method.starts_from, backbone, [(data, seed, None, select_on)], *how, [teacher])[0]
        return _fit(method, backbone, [(method.reads(data), seed, init, select_on)], *how, [teacher], focal)[0]


def fit_many(
    method: Method,
    backbone: Backbone,
    data: Sequence[Dataset],
    *,
    seeds: Sequence[int],
    inits: Sequence[Plugin | None] | None = None,
    teachers: Sequence[tuple[Plugin, Backbone] | None] | None = None,
    select_on: Sequence[Split] | None = None,
    views: int | None = None,
    dtype: torch.dtype | str | None = None,
    memory_budget: int | None = None,
    cache: str | Path | None = None,
    progress: Progress | bool | None = None,
) -> list[Plugin]:
    """`fit` for several draws and seeds at once: the same plug-ins within rounding, in less time.

    A small run leaves a GPU idle most of the time. Runs whose class lists are equally long share one pass through the
    text tower per step, and in float16 the scale of the loss.

    Args:
        data, seeds, inits, teachers, select_on: one per run; all else as for `fit`.

    Returns:
        One plug-in per run, in order; its "seconds" are the total divided by the number of runs.
    """
    data, seeds = list(data), list(seeds)
    select_on = [None] * len(data) if select_on is None else list(select_on)
    inits = [None] * len(data) if inits is None else list(inits)
    teachers = [None] * len(data) if teachers is None else list(teachers)
    counts = [len(data), len(seeds), len(inits), len(teachers), len(select_on)]
    if not data or len(set(counts)) > 1:
        raise ConfigError(
            "one dataset, one seed (and one init, teacher and select_on, if any) are needed for each run; these are "
            f"{', '.join(map(str, counts[:-1]))} and {counts[-1]}."
        )
    with showing(progress) as told:
        how = (views, dtype, memory_budget, cache, told)
        runs = zip(data, seeds, teachers, strict=True)
        teachers = [given or _own_teacher(method, backbone, d, seed, how) for d, seed, given in runs]
        if method.starts_from is not None and None in inits:
            first = [(d, seed, None, split) for d, seed, split in zip(data, seeds, select_on, strict=True)]
            made = _fit(method.starts_from, backbone, first, *how, teachers)
            inits = [given or tuned for given, tuned in zip(inits, made, strict=True)]
        jobs = list(zip(map(method.reads, data), seeds, inits, select_on, strict=True))
        return _fit(method, backbone, jobs, *how, teachers)


_Job = tuple[Dataset, int, Plugin | None, Split | None]  # data, seed, init, select_on
_Teacher = tuple[Plugin, Backbone] | None


def _own_teacher(method: Method, backbone: Backbone, data: Dataset, seed: int, how: tuple) -> _Teacher:
    """The teacher that a method names, tuned on the same pictures; None if it names none.

    how: arguments of `_fit`.
    """
    found = named_teacher(method, backbone, data)
    if found is None:
        return None
    its, wide, taught = found
    return _fit(its, wide, [(taught, seed, None, None)], *how)[0], wide


def named_teacher(method: Method, backbone: Backbone, data: Dataset) -> tuple[Method, Backbone, Dataset] | None:
    """What the teacher that a method names is tuned as, on which backbone and data; None if it names none."""
    method = method.starts_from or method  # DPC's learner names it
    if not method.takes_teacher or method.teacher is None:
        return None
    name, _, weights = method.teacher.partition(":")
    wide = load_backbone(name, weights or None, device=backbone.device, dtype=backbone.dtype)
    its = default_method("promptsrc", data.name, "mini" if wide.kind == "mini" else "")
    return its, wide, data.part(method.teacher_classes)


def _fit(
    method: Method,
    backbone: Backbone,
    jobs: Sequence[_Job],
    views,
    dtype,
    memory_budget,
    cache,
    progress,
    teachers: Sequence[_Teacher] | None = None,
    focal: FocalDistillation | None = None,
) -> list[Plugin]:
    teachers = teachers or [None] * len(jobs)
    for data, seed, _, select_on in jobs:
        _refuse(method, data, seed, select_on)
        hash_contents(data.train, cache, progress)  # before training, so that the stamp names what was trained on
    if views is not None and views < 0:
        raise ConfigError(f"views must be 0 (augment on the fly) or more, not {views}.")
    backbone = backbone.with_dtype(dtype if dtype is None else pick_dtype(backbone.device, dtype))
    backbone = backbone.with_memory_budget(memory_budget)
    clock = time.monotonic()
    trained: list[dict[str, Any]] = [{"epochs": 0, "views": None, "final_loss": None}] * len(jobs)
    with fit_threads(backbone.device, backbone.width):
        tasks, learners = [], []
        for (data, seed, init, select_on), teacher in zip(jobs, teachers, strict=True):
            generator = torch.Generator().manual_seed(parse_seed(seed))
            tasks.append(Task(backbone, data, generator, seed, init, cache, progress, select_on, teacher, focal))
            learners.append(method.setup(tasks[-1]))
            if init is not None and not learners[-1].parameters:
                raise ConfigError(f"{method.name} trains nothing that could start from another plug-in; drop init=.")
            if focal is not None:
                learners[-1] = focal.hold(method, learners[-1], tasks[-1], views)
        if learners[0].parameters:
            trained = train(method, learners, tasks, views)
        tensors = [learner.finish() if learner.finish else learner.parameters for learner in learners]
    seconds = round((time.monotonic() - clock) / len(jobs), 1)
    plugins = []
    for task, learned, training in zip(tasks, tensors, trained, strict=True):
        learned = {name: t.detach().cpu().float() for name, t in learned.items()}
        held = {} if focal is None else {"focal": str(focal)}
        plugins.append(Plugin(method, learned, {**_origin(task, method), "seconds": seconds, **training, **held}))
    return plugins


def _origin(task: Task, method: Method) -> dict[str, Any]:
    stamps = (task.init.stamp if task.init else None, task.select_on.stamp if task.select_on else None)
    origin = origin_of(method, task.backbone, task.data, task.seed, *stamps)
    if method.rows_of_classes and method.starts_from is not None:
        origin |= {"rows": list(task.init.row_names)}
    if task.teacher is None:
        return origin
    return origin | {"teacher": teacher_origin(*task.teacher)}


def teacher_origin(plugin: Plugin, backbone: Backbone) -> dict[str, Any]:
    """What an origin says of a teacher."""
    return {"method": plugin.method.name, "stamp": plugin.stamp, "backbone": backbone.description}


def origin_of(
    method: Method, backbone: Backbone, data: Dataset, seed: int, init: str | None = None, select_on: str | None = None
) -> dict[str, Any]:
    """The origin of the plug-in that `fit` would make, but for what training tells: epochs, views, loss and seconds.

    init, select_on: stamps.
    """
    template = data.train.template
    return {
        "backbone": backbone.description,
        "dataset": data.name,
        "train_stamp": data.train.stamp,
        "classnames": list(data.classnames),
        "template": template if isinstance(template, str) else list(template),
        "shots": data.shots,
        "seed": seed,
        "init": init,
        "select_on": select_on,
        "crop": _crop(method, backbone, data),
        "upright": getattr(data.train.images, "upright", False),
    }


def _crop(method: Method, backbone: Backbone, data: Dataset) -> list[float] | None:
    """The range of random crops that the training saw: the recipe's, within the backbone's. None: it has no recipe."""
    if not any(f.name == "recipe" for f in fields(method)):  # a class variable tells only that nothing is trained
        return None
    return list(backbone.preprocess.crop_range(method.recipe.crop_for(data.name)))


def _refuse(method: Method, data: Dataset, seed: int, select_on: Split | None) -> None:
    """Refuse a run that cannot work, before anything is encoded."""
    if is_official(method) and select_on is None:
        wants = "selects on test pictures, and must be given select_on=data.test"
        raise ConfigError(f"{method.name} with protocol='official' {wants}.")
    if select_on is not None and not is_official(method):
        advice = "drop select_on= (or set its protocol='official')"
        raise ConfigError(f"{method.name} selects nothing on test pictures; {advice}.")
    if method.needs != "nothing":
        _refuse_empty(data)
    if not 0 <= seed < 2**63:
        raise ConfigError(f"seed must be a whole number from 0 to 2^63 - 1, not {seed}.")


def is_official(method: Method) -> bool:
    """Whether the method follows an upstream protocol that selects on test images."""
    return getattr(method, "protocol", "clean") == "official"


def _refuse_empty(data: Dataset) -> None:
    """Every class needs a training image."""
    if len(data.train) == 0:
        raise DataError(f"{data.name} has no training images; load it with shots of at least 1.")
    counts = torch.bincount(data.train.labels, minlength=len(data.classnames))
    empty = [data.classnames[i] for i in (counts == 0).nonzero().flatten().tolist()]
    if empty:
        named = ", ".join(map(repr, empty[:5])) + (" …" if len(empty) > 5 else "")
        raise DataError(
            f"{data.name} has no training image of {len(empty)} of its {len(counts)} classes ({named}). Give each "
            "class at least one, or leave such classes out: data.subset([…])."
        )

"""What the golden tests share: a `fit` without a random draw, its slow twin, and changes of every constant.

Features of pictures and the order of an epoch come from whole-number arithmetic (fixture `written_down`) and initial
values from a plug-in given as init; so a run of `fit` ends at the same number everywhere, and a literal can freeze it.
"""

from __future__ import annotations

import dataclasses

import torch

from clipcompat.plugins.fit import fit
from tests.methods.learners import PHOTO, plugin_of
from tests.reference.dassl import batches, sgd_step
from tests.tiny import numbers
from tests.toys import NAMES, toy_dataset

SGD_RECIPE = {
    "recipe.optimizer": "adamw",
    "recipe.lr": 0.101,
    "recipe.momentum": 0.89,
    "recipe.weight_decay": 4e-4,
    "recipe.epochs": 4,
    "recipe.max_steps": 2,
    "recipe.warmup_epochs": 0,
    "recipe.warmup_lr": 2e-3,
    "recipe.schedule": "step",
    "recipe.crop": (0.09, 1.0),
}
"""A slightly other value for every constant that SGD on the toy pictures can notice."""

ELSEWHERE = {"recipe.eurosat_epochs", "recipe.imagenet_crop"}
"""Constants of single datasets, which have tests of their own."""


UNCUT = (1.0, 1.0)
"""The crop that stands for the test transform."""


def order(count):
    """A shuffled epoch that is the same every time."""
    step = 5 if count % 5 else 7
    return [(step * i + 2) % count for i in range(count)]


def views(count, labels, width, crop=(0.08, 1.0)):
    """Features of augmented pictures, [view, image, width]: around the class's centre, others for another crop."""
    seed = 300 + round(100 * crop[0]) + round(1000 * (1 - crop[1]))
    return numbers((count, len(labels), width), seed, 2.0) + _centres(width)[labels]


def pixels(count, labels, size, crop=(0.08, 1.0)):
    """Augmented pictures, uint8 [view, image, 3, size, size]: a cast of the class's, others for another crop."""
    seed = 300 + round(100 * crop[0]) + round(1000 * (1 - crop[1]))
    noise = numbers((count, len(labels), 3, size, size), seed, 60.0)
    cast = torch.eye(3)[labels % 3][None, :, :, None, None] * 80
    return (100 + noise + cast).round().to(torch.uint8)


def features(part, labels, width):
    """Features of the test transform of a part of the data, [image, width]."""
    return numbers((len(labels), width), {"train": 400, "val": 401, "test": 402}[part], 2.0) + _centres(width)[labels]


def _centres(width):
    return numbers((len(NAMES), width), 410)


def data_of(per_class=4, name="toys", template=PHOTO):
    """The toy pictures, under the name of a real dataset if that matters."""
    data = toy_dataset(per_class)
    parts = {p: dataclasses.replace(getattr(data, p), template=template) for p in ("train", "val", "test")}
    return dataclasses.replace(data, name=name, **parts)


def digest(tensors):
    """One number that every entry moves; the squares make a common shrinking add up."""
    return float(
        sum((t.double() * (t + numbers(t.shape, 90 + i))).sum() for i, (_, t) in enumerate(sorted(tensors.items())))
    )


def path_of(method, backbone, data, tensors=None, **options):
    """The digest of a whole `fit`, from these tensors on."""
    init = plugin_of(method, tensors, backbone) if tensors else None
    return digest(fit(method, backbone, data, init=init, **options).tensors)


def epochs_of(data, width, epochs, size, crop=(0.08, 1.0), drop_last=True, first=0):
    """The batches of `fit` on as many views as epochs: (features, labels), in order."""
    labels = data.train.labels
    return _batched(views(first + epochs, labels, width, crop)[first:], labels, size, drop_last)


def pixel_epochs_of(data, epochs, size, drop_last=True):
    """The same of a method that sees pixels of 8 x 8: (pixels, labels), in order."""
    return _batched(pixels(epochs, data.train.labels, 8), data.train.labels, size, drop_last)


def _batched(every, labels, size, drop_last):
    """every: of the pictures in each epoch, [epoch, image, …]."""
    return [
        (of_epoch[torch.tensor(images)], labels[torch.tensor(images)])
        for of_epoch in every
        for images in batches(order(len(labels)), size, drop_last)
    ]


def slow_path(tensors, loss, steps, rates, step=sgd_step):
    """The tensors at the end of `slow_walk`."""
    return list(slow_walk(tensors, loss, steps, rates, step))[-1]


def slow_walk(tensors, loss, steps, rates, step=sgd_step):
    """The tensors after each optimiser step by hand, one for each (features, labels); loss(tensors, *step)."""
    values, states = dict(tensors), dict.fromkeys(tensors)
    for (seen, labels), rate in zip(steps, rates, strict=True):
        leaves = {name: value.clone().requires_grad_() for name, value in values.items()}
        gradients = torch.autograd.grad(loss(leaves, seen, labels), list(leaves.values()))
        for (name, leaf), gradient in zip(leaves.items(), gradients, strict=True):
            values[name], states[name] = step(leaf.detach(), gradient, states[name], rate)
        yield dict(values)


def change(method, field, value):
    """The method with one constant changed; "recipe.lr" is the recipe's."""
    part, _, rest = field.partition(".")
    return dataclasses.replace(method, **{part: change(getattr(method, part), rest, value) if rest else value})


def constants(method):
    """Names of everything that can be set, "recipe.lr" among them."""
    found = set()
    for field in dataclasses.fields(method):
        value = getattr(method, field.name)
        found |= {f"{field.name}.{n}" for n in constants(value)} if dataclasses.is_dataclass(value) else {field.name}
    return found

"""Directions of classes are cosines seen from the mean, place by place, as a loop by hand finds them."""

from __future__ import annotations

import pytest
import torch

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.data.load import load_dataset
from clipcompat.features.encode import encode_split
from clipcompat_book.chapters.methods.directions import (
    PENULTIMATE,
    PROJECTED,
    TEXT,
    class_directions,
    directions_sentence,
)


def by_hand(vectors: list[list[torch.Tensor]]) -> list[float]:
    """Cosines of classes, from the vectors of each class on old and on new."""
    sides = [[torch.stack(mine).mean(0) for mine in side] for side in vectors]
    moved = [[x - sum(side) / len(side) for x in side] for side in sides]
    return [float(torch.dot(a, b) / a.norm() / b.norm()) for a, b in zip(*moved, strict=True)]


def test_an_upgrade_to_itself_keeps_every_direction(mini_old):
    found = class_directions(Upgrade(mini_old, mini_old), load_dataset("mini/shapes", shots=1))
    assert list(found) == [TEXT, PROJECTED, PENULTIMATE]
    assert all(cosine == pytest.approx(1, abs=1e-4) for cosines in found.values() for cosine in cosines)


def test_cosines_are_those_of_means_of_classes_seen_from_the_mean_of_all(mini_old, mini_new):
    data = load_dataset("mini/shapes", shots=1)
    found = class_directions(Upgrade(mini_old, mini_new), data)
    labels, classes = data.test.labels.tolist(), range(len(data.classnames))
    for place, kind in ((PROJECTED, "projected"), (PENULTIMATE, "penultimate")):
        vectors = []
        for b in (mini_old, mini_new):
            x = encode_split(b, data.test, kind=kind)
            vectors.append([[row for row, label in zip(x, labels, strict=True) if label == i] for i in classes])
        assert found[place] == pytest.approx(by_hand(vectors), abs=1e-4)
    texts = [data.test.template.replace("{}", name) for name in data.classnames]
    vectors = [[[row] for row in b.encode_text(texts)] for b in (mini_old, mini_new)]
    assert found[TEXT] == pytest.approx(by_hand(vectors), abs=1e-4)


def test_the_sentence_begins_with_the_place_that_kept_most():
    told = directions_sentence({"a, x": [0.1, 0.2, 0.9], "b": [0.5, 0.7], "c": [-0.01]})
    assert told == "**Median cosine of a class between old and new:** 0.6 for b, 0.2 for a x, 0.0 for c."

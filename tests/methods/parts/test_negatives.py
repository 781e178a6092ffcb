"""DPC's sampler: the classes that the stage-1 model confuses with an image's own, none twice in a batch."""

from __future__ import annotations

import pytest
import torch

from clipcompat.methods.parts.negatives import LEAST, Negatives
from tests.reference import dpc as reference


def _negatives(classes=6, each=3, top_k=4, **options) -> Negatives:
    return Negatives.of(torch.arange(classes * each) % classes, classes, top_k, **options)


def _generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(5))
def test_negatives_are_the_first_classes_that_the_batch_does_not_have_yet(seed):
    logits = torch.randn(3, 40, generator=_generator(seed))
    labels = torch.randint(40, (3,), generator=_generator(seed))
    found = _negatives(40, 1, top_k=8).classes(logits, labels, _generator())
    assert found == reference.hard_negatives(logits, labels, 8)


def test_an_image_that_comes_first_has_the_first_choice():
    logits = torch.tensor([[0.0, 3, 2, 1, 0, 0], [0.0, 3, 2, 1, 0.5, 0.25]])
    found = _negatives(top_k=2).classes(logits, torch.tensor([0, 5]), _generator())
    assert found[0] == [1, 2] and not {1, 2} & set(found[1])


@pytest.mark.parametrize("seed", range(20))
def test_no_class_comes_twice_in_a_batch_and_none_is_an_images_own(seed):
    labels = torch.randint(6, (4,), generator=_generator(seed))
    found = _negatives(top_k=6).classes(torch.randn(4, 6, generator=_generator(seed)), labels, _generator(seed))
    flat = [label for mine in found for label in mine]
    assert len(set(flat)) == len(flat) and not set(flat) & set(labels.tolist())
    assert set(flat) | set(labels.tolist()) == set(range(6))  # as long as there are unused ones, they are used


def test_a_batch_is_filled_up_to_two_negatives_an_image_as_long_as_classes_last():
    logits = torch.eye(6)[[0, 0]]  # top 1 is class 0, which is the label
    labels = torch.tensor([0, 0])
    found = _negatives(top_k=1).classes(logits, labels, _generator())
    assert [len(mine) for mine in found] == [LEAST, LEAST] and len({c for mine in found for c in mine}) == 4
    few = _negatives(3, top_k=1).classes(torch.eye(3)[[0, 0]], labels, _generator())
    assert sorted(map(len, few)) == [0, 2]


def test_the_described_sampler_fills_up_from_all_classes_and_the_released_ones_not_from_the_first_or_the_last():
    def drawn(**options) -> set[int]:
        sampler = _negatives(6, top_k=1, **options)
        labels = torch.tensor([2])
        logits = torch.eye(6)[[2]]
        return {c for seed in range(60) for c in sampler.classes(logits, labels, _generator(seed))[0]}

    assert drawn() == {0, 1, 3, 4, 5} and drawn(as_released=True) == {1, 3, 4}
    assert drawn(as_released=True, draws_last=True) == {1, 3, 4, 5}


def test_more_classes_than_there_are_cannot_be_asked_for():
    logits, labels = torch.tensor([[0.0, 1.0]]), torch.tensor([0])
    assert _negatives(2, top_k=8).classes(logits, labels, _generator()) == [[1]]


def test_an_image_of_each_negative_class_is_drawn_and_over_seeds_all_of_them():
    sampler = _negatives(4, each=3, top_k=4)
    logits, labels = torch.tensor([[3.0, 2.0, 1.0, 0.0]]), torch.tensor([0])
    draws = [sampler.draw(logits, labels, _generator(seed)).tolist() for seed in range(60)]
    assert all([image % 4 for image in draw] == [1, 2, 3] for draw in draws)
    assert {draw[0] for draw in draws} == {1, 5, 9}


def test_the_same_generator_draws_the_same_images():
    logits, labels = torch.randn(4, 6, generator=_generator()), torch.tensor([0, 1, 2, 3])
    first, second = (_negatives().draw(logits, labels, _generator(3)) for _ in range(2))
    assert first.tolist() == second.tolist()

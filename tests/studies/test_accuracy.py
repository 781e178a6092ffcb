"""The few numbers that everything is reported in, against numbers worked out by hand."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from clipcompat.common.errors import DataError
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.studies.accuracy import accuracy, correct, percent
from clipcompat.studies.report import harmonic_mean
from tests.toys import toy_dataset, toy_split

SPLIT = toy_split("test", 2)  # labels 0 0 1 1 2 2


@dataclasses.dataclass(frozen=True)
class Told:
    """A plug-in whose logits are given."""

    values: torch.Tensor
    method: object = ZeroShot()

    def logits(self, backbone, split, cache=None, progress=None):
        return self.values


def test_accuracy_is_the_share_of_pictures_whose_largest_logit_is_their_label():
    logits = torch.tensor(
        [[3.0, 1, 2], [0, 1, 0], [-5, -4, -9], [0, 0, 1], [1, 2, 3], [9, 1, 2]]
    )  # right, wrong, right, wrong, right, wrong
    assert correct(Told(logits), None, SPLIT).tolist() == [True, False, True, False, True, False]
    assert accuracy(Told(logits), None, SPLIT) == 50.0


def test_it_is_plain_and_not_a_mean_over_classes():
    split = SPLIT.keep_classes([0, 1, 2])
    split = dataclasses.replace(split, labels=torch.tensor([0, 0, 0, 0, 1, 2]))
    logits = torch.tensor([[1.0, 0, 0]] * 6)
    assert accuracy(Told(logits), None, split) == pytest.approx(400 / 6)


@pytest.mark.parametrize("classes", [3, 1000])
def test_ties_go_to_the_first_class(classes):
    labels = torch.tensor([0, 1, 1, 2, 2, 0])
    logits = torch.zeros(6, classes)
    logits[1:3, 1:] = 1.0  # classes 1, 2, … are tied: 1 wins
    split = dataclasses.replace(SPLIT, labels=labels)
    assert correct(Told(logits), None, split).tolist() == [True, True, True, False, False, True]


def test_an_empty_split_is_a_sentence(old):
    with pytest.raises(DataError, match="toys/test has no images"):
        accuracy(fit(ZeroShot(), old, toy_dataset()), old, SPLIT.keep_classes([]))


def test_logits_that_are_not_numbers_are_refused():
    with pytest.raises(DataError, match="not numbers on toys/test"):
        accuracy(Told(torch.full((6, 3), float("nan"))), None, SPLIT)


def test_zero_shot_accuracy_is_that_of_the_plain_formula(old, tmp_path):
    data = toy_dataset()
    texts = old.encode_text([f"a photo of a {n}." for n in data.classnames])
    images = old.encode_image(torch.stack([old.preprocess.test(data.test.images[i]) for i in range(15)]))
    expected = 100 * sum(int((texts @ f).argmax()) == i // 5 for i, f in enumerate(images)) / 15
    plugin = fit(ZeroShot(), old, data)
    assert (
        accuracy(plugin, old, data.test) == accuracy(plugin, old, data.test, cache=tmp_path) == pytest.approx(expected)
    )


def test_percent_counts_hits():
    assert percent(torch.tensor([True, False, False])) == pytest.approx(100 / 3)


@pytest.mark.parametrize(
    ("a", "b", "h"), [(50, 100, 66.66666666666667), (81.27, 79.32, 80.28316), (70, 70, 70), (0, 80, 0), (0, 0, 0)]
)
def test_the_harmonic_mean(a, b, h):
    assert harmonic_mean(a, b) == pytest.approx(h, abs=1e-4) == harmonic_mean(b, a)

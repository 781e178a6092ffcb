"""A plug-in's own answers as labels."""

from __future__ import annotations

import torch

from clipcompat.plugins.repair.imitate import own_labels


def test_a_label_is_the_most_probable_class():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 2.0]])
    assert own_labels(logits).tolist() == [0, 1, 0]


def test_a_class_without_a_picture_gets_the_one_where_it_is_most_probable():
    logits = torch.tensor([[5.0, 0.0, 0.0], [5.0, 4.0, 0.0], [5.0, 0.0, 1.0]])
    assert own_labels(logits).tolist() == [0, 1, 2]


def test_it_takes_no_other_class_its_last_picture():
    logits = torch.tensor([[9.0, 0.0, 0.0], [8.0, 0.0, 0.0], [0.0, 9.0, 8.5]])  # 2 is most probable on 1's only picture
    labels = own_labels(logits)
    assert sorted(labels.tolist()) == [0, 1, 2] and labels[2] == 1

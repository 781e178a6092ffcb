"""Stored image vectors of old under a new backbone: as they are, mapped, or every picture encoded again.

The index holds the test pictures. It is asked with the validation pictures, and with the class names as texts, encoded
by new. Maps are fitted on pictures of the training pool, whose labels are not read, on sentences, or on sentences with
the means of a few pictures.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from clipcompat.data.split import Dataset
from clipcompat.features.encode import encode_split, encode_together
from clipcompat.methods.parts.prompts import zero_shot_weights
from clipcompat.plugins.repair.feature_map import COMPARED
from clipcompat.plugins.repair.pictures import unlabelled_pictures
from clipcompat.plugins.repair.stored import map_vectors, nearest, recall_at_k
from clipcompat.studies.carried.without_pictures import sentences_for
from clipcompat.studies.experiment import Experiment

PICTURES = (50, 200)
SENTENCES = 200
SHOWN = (25, 200)
"""Pictures whose means give the shift of a map from sentences."""
K = 10

_NOTHING_TRAINED = {"training_seconds": {"train": None, "retrain": None}}


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed, in percent. The method of the run is not asked.

    WAY_1, WAY_10: recall of the nearest and of the ten nearest, asked with pictures; WAY_text: recall of the ten
    nearest, asked with class names. WAY_class: share of the ten nearest that are of the class of the picture they were
    asked with. WAY: unmapped (left out where widths differ), KIND_N (mapped by a map of this kind from N pictures),
    sentences (by a rotation from sentences). again_class: of the index encoded again; old_class: of old, asked by old.
    pictures: how many the pool has; counts above it are left out.
    """
    for seed, data in experiment.datasets.items():
        asked = _Asked.of(experiment, data)
        old_queries = encode_split(experiment.upgrade.old, data.val, **experiment.options)
        row: dict[str, Any] = {"seed": seed, "pictures": len(data.unlabelled)}
        row |= {"again_class": asked.same_class(asked.again)}
        row |= {"old_class": replace(asked, queries=old_queries).same_class(asked.stored)}
        for way, index in _indexes(asked.stored, experiment, data, seed):
            row |= asked.columns(way, index)
        yield row | _NOTHING_TRAINED


def measure_means(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed, with the columns of `measure`. WAY: means_N (rotated by sentences, shifted by the means of N
    pictures).
    """
    for seed, data in experiment.datasets.items():
        asked, sentences = _Asked.of(experiment, data), sentences_for(data, SENTENCES)
        row: dict[str, Any] = {"seed": seed, "pictures": len(data.unlabelled)}
        for count in SHOWN:
            if count <= len(data.unlabelled):
                seen = {"pictures": unlabelled_pictures(data, count, seed), "sentences": sentences}
                index = map_vectors(asked.stored, experiment.upgrade, **seen, **experiment.options)
                row |= asked.columns(f"means_{count}", index)
        yield row | _NOTHING_TRAINED


@dataclass(frozen=True)
class _Asked:
    """Vectors [row, dim] of the test pictures by old (stored) and by new (again); and by new, what an index is asked
    with: the validation pictures (queries) and the class names (texts).
    """

    stored: Tensor
    again: Tensor
    queries: Tensor
    texts: Tensor
    data: Dataset

    @classmethod
    def of(cls, experiment: Experiment, data: Dataset) -> "_Asked":
        upgrade, told = experiment.upgrade, experiment.options
        stored, again = encode_together([(upgrade.old, "projected"), (upgrade.new, "projected")], data.test, **told)
        texts = zero_shot_weights(upgrade.new, data.classnames, data.test.template)
        return cls(stored, again, encode_split(upgrade.new, data.val, **told), texts, data)

    def columns(self, way: str, index: Tensor) -> dict[str, float]:
        row = {f"{way}_{k}": recall_at_k(self.queries, index, self.again, min(k, len(index))) for k in (1, K)}
        row[f"{way}_text"] = recall_at_k(self.texts, index, self.again, min(K, len(index)))
        return row | {f"{way}_class": self.same_class(index)}

    def same_class(self, index: Tensor) -> float:
        """Precision of the ten nearest, in percent."""
        found = self.data.test.labels[nearest(self.queries, index, min(K, len(index))).cpu()]  # [query, k]
        return 100 * float((found == self.data.val.labels[:, None]).to(torch.float32).mean())


def _indexes(stored: Tensor, experiment: Experiment, data: Dataset, seed: int) -> Iterator[tuple[str, Tensor]]:
    upgrade, told = experiment.upgrade, experiment.options
    if upgrade.old.dim == upgrade.new.dim:
        yield "unmapped", stored
    for count in PICTURES:
        if count <= len(data.unlabelled):
            pictures = unlabelled_pictures(data, count, seed)
            for kind in COMPARED:
                yield f"{kind}_{count}", map_vectors(stored, upgrade, pictures, kind=kind, **told)
    yield "sentences", map_vectors(stored, upgrade, sentences=sentences_for(data, SENTENCES), **told)

"""Stored image vectors of old under a new backbone: as they are, mapped, or every picture encoded again.

The index holds the test pictures. It is asked with the validation pictures, and with the class names as texts, encoded
by new. Maps are fitted on pictures of the training pool, whose labels are not read, or on sentences.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from clipcompat.data.split import Dataset
from clipcompat.features.encode import encode_together
from clipcompat.methods.parts.prompts import zero_shot_weights
from clipcompat.plugins.repair.feature_map import COMPARED
from clipcompat.plugins.repair.pictures import unlabelled_pictures
from clipcompat.plugins.repair.stored import map_vectors, nearest, recall_at_k
from clipcompat.studies.carried.without_pictures import sentences_for
from clipcompat.studies.experiment import Experiment

PICTURES = (50, 200)
SENTENCES = 200
K = 10


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed, in percent. The method of the run is not asked.

    WAY_1, WAY_10: recall of the nearest and of the ten nearest, asked with pictures; WAY_text: recall of the ten
    nearest, asked with class names. WAY_class: share of the ten nearest that are of the class of the picture they were
    asked with. WAY: unmapped (left out where widths differ), KIND_N (mapped by a map of this kind from N pictures),
    sentences (by a rotation from sentences). again_class: of the index encoded again; old_class: of old, asked by old.
    pictures: how many the pool has; counts above it are left out.
    """
    upgrade, told = experiment.upgrade, experiment.options
    for seed, data in experiment.datasets.items():
        wanted = [(upgrade.old, "projected"), (upgrade.new, "projected")]
        stored, again = encode_together(wanted, data.test, **told)
        old_queries, queries = encode_together(wanted, data.val, **told)
        texts = zero_shot_weights(upgrade.new, data.classnames, data.test.template)
        row: dict[str, Any] = {"seed": seed, "pictures": len(data.unlabelled)}
        row |= {"again_class": _same_class(queries, again, data), "old_class": _same_class(old_queries, stored, data)}
        for way, index in _indexes(stored, experiment, data, seed):
            row |= {f"{way}_{k}": recall_at_k(queries, index, again, min(k, len(index))) for k in (1, K)}
            row[f"{way}_text"] = recall_at_k(texts, index, again, min(K, len(index)))
            row[f"{way}_class"] = _same_class(queries, index, data)
        yield row | {"training_seconds": {"train": None, "retrain": None}}


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


def _same_class(queries: Tensor, index: Tensor, data: Dataset) -> float:
    """Precision of the ten nearest, in percent; queries are the validation pictures, the index the test pictures."""
    found = data.test.labels[nearest(queries, index, min(K, len(index))).cpu()]  # [query, k]
    return 100 * float((found == data.val.labels[:, None]).to(torch.float32).mean())

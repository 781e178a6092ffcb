"""An index of old under new: each cell against maps and searches by hand."""

from __future__ import annotations

import pytest

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.features.encode import encode_split
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.plugins.repair.pictures import unlabelled_pictures
from clipcompat.plugins.repair.stored import map_vectors, nearest, recall_at_k
from clipcompat.studies.carried import stored_vectors as study
from clipcompat.studies.experiment import Experiment
from tests.toys import toy_dataset


@pytest.fixture(scope="module")
def row(mini_old, mini_new, tmp_path_factory):
    upgrade, data = Upgrade(mini_old, mini_new, "mini"), toy_dataset(20)
    folder = tmp_path_factory.mktemp("plugins")
    (found,) = study.measure(Experiment(upgrade, {3: data}, TunedPlugins(folder, ZeroShot()), retrain=False))
    return found


def test_recall_and_precision_are_those_of_a_search_by_hand(row, mini_old, mini_new):
    upgrade, data = Upgrade(mini_old, mini_new, "mini"), toy_dataset(20)
    stored, again = encode_split(mini_old, data.test), encode_split(mini_new, data.test)
    queries = encode_split(mini_new, data.val)
    mapped = map_vectors(stored, upgrade, unlabelled_pictures(data, 50, 3), kind="ridge")
    assert row["ridge_50_10"] == pytest.approx(recall_at_k(queries, mapped, again, 10))
    assert row["unmapped_1"] == pytest.approx(recall_at_k(queries, stored, again, 1))
    found = nearest(queries, again, 10)
    same = [data.test.labels[i] == y for row, y in zip(found, data.val.labels, strict=True) for i in row]
    assert row["again_class"] == pytest.approx(100 * sum(map(int, same)) / len(same))


def test_maps_of_more_pictures_than_there_are_are_left_out(row):
    assert row["pictures"] == 60 and "orthogonal_50_1" in row and "orthogonal_200_1" not in row
    assert {"sentences_10", "sentences_text", "sentences_class"} <= row.keys()

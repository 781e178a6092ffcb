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
from clipcompat.studies.carried.without_pictures import sentences_for
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


def test_sentences_with_the_means_of_a_few_pictures_are_that_map_by_hand(mini_old, mini_new, tmp_path):
    upgrade, data = Upgrade(mini_old, mini_new, "mini"), toy_dataset(20)
    plugins = TunedPlugins(tmp_path, ZeroShot())
    (row,) = study.measure_means(Experiment(upgrade, {3: data}, plugins, retrain=False))
    stored, again = encode_split(mini_old, data.test), encode_split(mini_new, data.test)
    queries = encode_split(mini_new, data.val)
    mapped = map_vectors(stored, upgrade, unlabelled_pictures(data, 25, 3), sentences=sentences_for(data, 200))
    assert row["means_25_10"] == pytest.approx(recall_at_k(queries, mapped, again, 10))
    alone = map_vectors(stored, upgrade, sentences=sentences_for(data, 200))
    assert (mapped - alone).abs().max() > 1e-3
    assert {"means_25_1", "means_25_text", "means_25_class"} <= row.keys()
    assert row["pictures"] == 60 and "means_200_1" not in row  # more than there are

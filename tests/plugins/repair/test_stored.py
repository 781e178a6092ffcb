"""Stored image vectors: mapped to a new backbone, and found again there as by slow loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import clipcompat.plugins.repair.stored as stored_module
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, DataError, UnknownNameError
from clipcompat.features.encode import encode_split
from clipcompat.plugins.repair.pictures import as_split
from clipcompat.plugins.repair.stored import map_vectors, nearest, recall_at_k
from tests.reference.feature_map import turned
from tests.tiny import numbers
from tests.toys import toy_dataset

WORDS = [f"a photo of a {word}." for word in ("dog", "cat", "car", "tree", "house", "cup", "shoe", "bird", "boat")]


def _double(rows):
    return rows.cpu().numpy().astype(np.float64)


def _pictures():
    return toy_dataset().train.images


def slow_nearest(queries, stored, k):
    q, s = queries.numpy().astype(np.float64), stored.numpy().astype(np.float64)
    found = []
    for a in q:
        cosines = [float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for b in s]
        found.append(sorted(range(len(s)), key=lambda i, c=cosines: -c[i])[:k])
    return found


@pytest.mark.parametrize("rows", [3, 7, 1 << 16])
def test_the_nearest_are_those_of_slow_loops_however_many_rows_are_compared_at_a_time(monkeypatch, rows):
    monkeypatch.setattr(stored_module, "_ROWS", rows)
    queries, stored = numbers((4, 6), 1), numbers((20, 6), 2, 3.0)
    assert nearest(queries, stored, 5).tolist() == slow_nearest(queries, stored, 5)


def test_recall_counts_what_an_index_embedded_again_would_return():
    queries, again = numbers((3, 6), 1), numbers((12, 6), 2)
    stored = again + numbers((12, 6), 3, 0.5)
    pairs = zip(slow_nearest(queries, stored, 4), slow_nearest(queries, again, 4), strict=True)
    expected = 100 * sum(len(set(a) & set(b)) for a, b in pairs) / 12
    assert 0 < expected < 100 and recall_at_k(queries, stored, again, 4) == pytest.approx(expected)
    assert recall_at_k(queries, 7 * again, again, 4) == 100, "lengths do not count"


def test_a_rotated_backbone_s_index_is_found_whole_again(mini_old, monkeypatch):
    """New is old, turned: the map from a few pictures turns all stored vectors."""
    turn = torch.linalg.qr(numbers((mini_old.dim, mini_old.dim), 5))[0]
    data = toy_dataset(40)
    real = stored_module.encode_together

    def turned(wanted, split, cache=None, progress=None):
        old, new = real(wanted, split, cache, progress)
        return [old, new @ turn]

    monkeypatch.setattr(stored_module, "encode_together", turned)
    stored = encode_split(mini_old, data.test)
    mapped = map_vectors(stored, Upgrade(mini_old, mini_old, "same"), data.train.images)
    again = torch.nn.functional.normalize(stored, dim=-1) @ turn
    seen = (mapped * again).sum(-1)  # cosines; 120 pictures show 119 of 128 directions
    assert seen.min() > 0.98 and recall_at_k(again, mapped, again, 3) > 90
    assert recall_at_k(again, stored, again, 3) < 60


def test_the_result_has_unit_norm_and_the_same_index_as_pictures_and_sentences_alone_make(mini_old, mini_new):
    upgrade, stored = Upgrade(mini_old, mini_new, "mini"), numbers((5, mini_old.dim), 4, 3.0)
    for seen in ({"pictures": _pictures()}, {"sentences": WORDS}):
        mapped = map_vectors(stored, upgrade, **seen)
        assert mapped.shape == (5, mini_new.dim)
        torch.testing.assert_close(mapped.norm(dim=-1), torch.ones(5))
        torch.testing.assert_close(map_vectors(2 * stored, upgrade, **seen), mapped)


def test_sentences_give_the_matrix_and_means_of_pictures_the_shift_where_both_are_given(mini_old, mini_new):
    upgrade, stored, pictures = Upgrade(mini_old, mini_new, "mini"), numbers((5, mini_old.dim), 4, 3.0), _pictures()
    texts = [_double(backbone.encode_text(WORDS)) for backbone in (mini_old, mini_new)]
    split = as_split(pictures, ("",), "{}")
    seen = [_double(encode_split(backbone, split)) for backbone in (mini_old, mini_new)]
    means = [sum(row / np.linalg.norm(row) for row in rows) / len(rows) for rows in seen]
    expected = turned(_double(stored), *texts, *means)
    found = map_vectors(stored, upgrade, pictures, sentences=WORDS)
    assert np.abs(found.numpy() - expected).max() < 1e-4
    for alone in ({"pictures": pictures}, {"sentences": WORDS}):
        assert np.abs(map_vectors(stored, upgrade, **alone).numpy() - expected).max() > 0.01


def test_an_index_is_mapped_a_block_of_rows_at_a_time(monkeypatch, mini_old, mini_new):
    upgrade, stored = Upgrade(mini_old, mini_new, "mini"), numbers((7, mini_old.dim), 4)
    whole = map_vectors(stored, upgrade, sentences=WORDS, kind="residual")
    monkeypatch.setattr(stored_module, "_ROWS", 3)
    torch.testing.assert_close(map_vectors(stored, upgrade, sentences=WORDS, kind="residual"), whole)
    assert map_vectors(stored[:0], upgrade, sentences=WORDS).shape == (0, mini_new.dim)


def test_bad_input_is_refused(mini_old, mini_new):
    upgrade, stored = Upgrade(mini_old, mini_new, "mini"), numbers((5, mini_old.dim), 4)
    pictures = _pictures()
    with pytest.raises(ConfigError, match="on pictures, on sentences, or on both; give some"):
        map_vectors(stored, upgrade)
    with pytest.raises(ConfigError, match="no shift apart from its network"):
        map_vectors(stored, upgrade, pictures, sentences=WORDS, kind="residual")
    with pytest.raises(
        DataError, match="shift of a map needs at least 8 pictures; these are 2. Give more, or sentences alone"
    ):
        map_vectors(stored, upgrade, pictures.select([0, 1]), sentences=WORDS)
    with pytest.raises(
        DataError,
        match=rf"stored vectors of mini-old are \[row, {mini_old.dim}\]; these are \[5, 3\]. Give the upgrade",
    ):
        map_vectors(stored[:, :3], upgrade, pictures)
    bad = stored.clone()
    bad[3, 1] = torch.nan
    with pytest.raises(DataError, match="row 3 of the stored vectors .* holds numbers that are not finite"):
        map_vectors(bad, upgrade, pictures)
    bad[3] = 0
    with pytest.raises(DataError, match="row 3 of the stored vectors .* holds only zeros"):
        map_vectors(bad, upgrade, pictures)
    with pytest.raises(
        DataError, match="at least 8 pictures or sentences, and 200 are advised; these are 3. Give more"
    ):
        map_vectors(stored, upgrade, sentences=WORDS[:3])
    with pytest.raises(UnknownNameError, match="spline"):
        map_vectors(stored, upgrade, pictures, kind="spline")
    with pytest.raises(DataError, match="queries have 3 numbers"):
        nearest(stored[:, :3], stored, 1)
    with pytest.raises(DataError, match="k must be from 1 to the number of stored vectors, 5; it is 6"):
        nearest(stored, stored, 6)
    with pytest.raises(DataError, match="both indexes must hold the same pictures; they have 4 and 5"):
        recall_at_k(stored, stored[:4], stored, 1)

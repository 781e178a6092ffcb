"""Stored image vectors of an old backbone, taken to a new one's joint space, and how well they are found there.

An index that was built with old can be asked by new once its vectors are mapped: Drift-Adapter (arXiv 2509.23471) maps
queries back to old for the same end; here the index moves once, and queries of new, pictures and texts, stay as they
are. The map is that of `fit_map`, of features of unit norm.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ConfigError, DataError
from clipcompat.data.split import Images
from clipcompat.features.encode import Cache, Progress, encode_together
from clipcompat.plugins.repair.feature_map import check_map, fit_map
from clipcompat.plugins.repair.pictures import as_split
from clipcompat.plugins.repair.translate import joint_means

_ROWS = 1 << 16  # stored vectors at a time, so that little memory is needed beside them


def map_vectors(
    vectors: Tensor,
    upgrade: Upgrade,
    pictures: Images | None = None,
    *,
    sentences: Sequence[str] | None = None,
    kind: str = "orthogonal",
    strength: float = 0.1,
    cache: Cache = None,
    progress: Progress | None = None,
) -> Tensor:
    """Image vectors of `upgrade.old` -> vectors that stand for the same pictures on `upgrade.new`.

    Args:
        vectors: [row, dim of old], of any norm.
        pictures: seen by both backbones, 200 or more are advised; they need not be those that are stored, and have no
            labels.
        sentences: read by both, instead of pictures. With `pictures` beside them (8 or more), sentences give the map's
            matrix, and the means of the pictures its shift, as in `repair`.
        kind, strength: as for `fit_map`.

    Returns:
        [row, dim of new], of unit norm, on the device of `vectors`.

    Raises:
        ConfigError: neither pictures nor sentences; or both for kind="residual". DataError: vectors of another width,
        not finite, or all zeros; too few pictures or sentences. UnknownNameError: no such kind.
    """
    old, new = upgrade.old, upgrade.new
    if pictures is None and sentences is None:
        raise ConfigError("a map of stored vectors is fitted on pictures, on sentences, or on both; give some.")
    check_map(kind, strength, shifted=pictures is not None and sentences is not None)
    _check_stored(vectors, old)
    split, means = None if pictures is None else as_split(pictures, ("",), "{}"), None
    if sentences is None:
        both = encode_together([(old, "projected"), (new, "projected")], split, cache, progress)
    else:
        both = [backbone.encode_text(list(sentences)) for backbone in (old, new)]
        means = None if split is None else joint_means(old, new, split, cache, progress)
    seen_old, seen_new = (F.normalize(x, dim=-1) for x in both)
    to_new = fit_map(seen_old, seen_new, kind, strength, means=means)
    mapped = torch.empty(len(vectors), new.dim, device=vectors.device)
    for start in range(0, len(vectors), _ROWS):
        rows = F.normalize(vectors[start : start + _ROWS].to(seen_new.device, torch.float32), dim=-1)
        mapped[start : start + _ROWS] = F.normalize(to_new(rows), dim=-1)
    return mapped


def _check_stored(vectors: Tensor, old: Backbone) -> None:
    if vectors.ndim != 2 or vectors.shape[1] != old.dim:
        raise DataError(
            f"stored vectors of {old.name} are [row, {old.dim}]; these are {list(vectors.shape)}. Give the upgrade "
            "from the backbone that made them, and its image features in the joint space with text."
        )
    for start in range(0, len(vectors), _ROWS):
        rows = vectors[start : start + _ROWS]
        wrong = {"numbers that are not finite": ~rows.isfinite().all(1), "only zeros": (rows == 0).all(1)}
        for what, at in wrong.items():
            if at.any():
                first = start + int(at.nonzero()[0])
                raise DataError(f"row {first} of the stored vectors (from 0) holds {what}; leave such rows out.")


def nearest(queries: Tensor, stored: Tensor, k: int) -> Tensor:
    """For each query the k stored vectors of the largest cosine, best first: [query, k], int64.

    queries: [query, dim]. stored: [row, dim]. Both of any norm. Memory: queries × 65,536 numbers at a time.

    Raises:
        DataError: the widths differ, or there are fewer than k stored vectors.
    """
    if queries.shape[1] != stored.shape[1]:
        raise DataError(f"queries have {queries.shape[1]} numbers, and stored vectors {stored.shape[1]}.")
    if not 1 <= k <= len(stored):
        raise DataError(f"k must be from 1 to the number of stored vectors, {len(stored)}; it is {k}.")
    queries = F.normalize(queries, dim=-1)
    best = queries.new_empty(len(queries), 0)
    places = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
    for start in range(0, len(stored), _ROWS):
        some = F.normalize(stored[start : start + _ROWS].to(queries.device), dim=-1)
        own = torch.arange(start, start + len(some), device=queries.device).expand(len(queries), -1)
        scores = torch.cat([best, queries @ some.T], dim=1)  # [query, at most k + rows]
        best, order = scores.topk(min(k, scores.shape[1]), dim=1)
        places = torch.cat([places, own], dim=1).gather(1, order)
    return places


def recall_at_k(queries: Tensor, stored: Tensor, embedded_again: Tensor, k: int) -> float:
    """The share, in percent, of the k nearest vectors of an index embedded again that the stored index returns, too.

    queries: [query, dim], of new. stored: [row, dim], mapped or not. embedded_again: the same pictures encoded by new,
    row by row. 100: whoever asks sees no difference, but for the order of the k.

    Raises:
        DataError: the two indexes differ in their number of rows; or see `nearest`.
    """
    if len(stored) != len(embedded_again):
        raise DataError(f"both indexes must hold the same pictures; they have {len(stored)} and {len(embedded_again)}.")
    found, wanted = nearest(queries, stored, k), nearest(queries, embedded_again, k)
    same = (found[:, :, None] == wanted[:, None, :]).any(-1)  # [query, k]
    return 100 * float(same.float().mean())

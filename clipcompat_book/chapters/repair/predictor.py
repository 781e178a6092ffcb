"""How good the audit's predictor is, on upgrades and datasets that its fit has not seen, beside its rivals.

lines = audit_lines()
errors(lines)["the audit, accuracy on old known"].mean      # points
fit(lines, "")                                              # what `clipcompat.audits.predictor.TOLD` is
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from clipcompat.audits.predictor import Predictor, logit
from clipcompat.audits.verdict import MapShares
from clipcompat.runs.tables import Table
from clipcompat_book.means import groups

Line = Mapping[str, Any]

OURS = {
    "": "the audit, accuracy on old known",
    "_val": "the audit, accuracy on old from validation pictures",
    "_untold": "the audit, accuracy on old not known",
}
RIVALS = {"atc": "ATC, confidence", "atc_entropy": "ATC, entropy", "doc": "DoC", "frap": "FRAP"}
HELD = "held alone, nothing fitted, accuracy on old known"
_PENALTY = 1e-3  # per line
_FITTED = {"": "", "_val": "", "_untold": "_untold"}  # signs of validation pictures are read by the first predictor


@dataclass(frozen=True)
class Errors:
    """Of one estimate, in points. mean: absolute. most: 95 % are within. by_upgrade: title -> mean."""

    mean: float
    most: float
    by_upgrade: Mapping[str, float]


def audit_lines() -> list[Line]:
    """The lines that `python -m clipcompat_book.miniature.audits` wrote."""
    file = importlib.resources.files("clipcompat_book") / "miniature" / "audits.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def fit(lines: Sequence[Line], how: str) -> np.ndarray:
    """The two weights of a `Predictor`, by ridge regression of logits.

    how: "", "_val" or "_untold", the signs to read.
    """
    return _fitted(*_terms(lines, how))


def held_out(lines: Sequence[Line], how: str, datasets: bool = True) -> np.ndarray:
    """[line]: predictions, percent, of fits that saw neither the line's upgrade nor (with `datasets`) its dataset."""
    (start, x, _), learned = _terms(lines, how), _terms(lines, _FITTED[how])
    upgrades, sets = (np.array([line[key] for line in lines]) for key in ("upgrade", "dataset"))
    found = np.zeros(len(lines))
    for upgrade in np.unique(upgrades):
        for dataset in np.unique(sets) if datasets else [""]:
            at = (upgrades == upgrade) & ((sets == dataset) | (not datasets))
            weights = _fitted(*(part[(upgrades != upgrade) & (sets != dataset)] for part in learned))
            found[at] = 100 / (1 + np.exp(-(start[at] + x[at] @ weights)))
    return found


def _fitted(start: np.ndarray, x: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.linalg.solve(x.T @ x + _PENALTY * len(x) * np.eye(x.shape[1]), x.T @ (truth - start))


def _terms(lines: Sequence[Line], how: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits: of old [line], what the weights multiply [line, 2], of the accuracy on new [line]."""
    held, old, new = (np.array([logit(line[key]) for line in lines]) for key in (f"held{how}", f"old{how}", "new"))
    changed = 1 - np.array([line[f"same{how}"] for line in lines])
    return old, np.stack([held - old, changed], axis=1), new


def estimates(lines: Sequence[Line], datasets: bool = True) -> dict[str, np.ndarray]:
    """What estimates -> [line], percent: the audit's three, held out, and the rivals'."""
    ours = {words: held_out(lines, how, datasets) for how, words in OURS.items()}
    ours[HELD] = 100 * np.array([line["held"] for line in lines])
    return ours | {words: 100 * np.array([line[name] for line in lines]) for name, words in RIVALS.items()}


def errors(lines: Sequence[Line], datasets: bool = True, what: str = "carried") -> dict[str, Errors]:
    """What estimates -> its errors on carried plug-ins (or on "repaired" ones, or "zero-shot")."""
    truth = 100 * np.array([line["new"] for line in lines])
    upgrades = np.array([line["upgrade"] for line in lines])
    mine = np.array([line["what"] == what for line in lines])
    found = {}
    for words, estimate in estimates(lines, datasets).items():
        off = abs(estimate - truth)
        by_upgrade = {str(u): float(off[mine & (upgrades == u)].mean()) for u in np.unique(upgrades[mine])}
        found[words] = Errors(float(off[mine].mean()), float(np.quantile(off[mine], 0.95)), by_upgrade)
    return found


def predictor(lines: Sequence[Line], how: str) -> Predictor:
    """The predictor as it is shipped, with the held-out error of carried and repaired plug-ins and of zero-shot."""
    truth = 100 * np.array([line["new"] for line in lines])
    most = np.quantile(abs(held_out(lines, how) - truth), 0.95)
    typical = errors(lines)[OURS[how]].mean
    weights = (round(float(w), 3) for w in fit(lines, how))
    return Predictor(*weights, error=round(float(most), 1), typical=round(typical, 1))


def map_shares(lines: Sequence[Line]) -> dict[str, MapShares]:
    """Method -> share that a map of 200 pictures leaves of what the plug-in added to zero-shot, over upgrades.

    Upgrades on which carried linear probes keep at least nine of ten answers are left out: their image towers have
    old's weights. So are random weights, to which nobody upgrades.
    """
    probes = [x for x in lines if x["method"] == "linear_probe" and x["what"] == "carried"]
    kept = {title: fmean(x["same"] for x in same) for title, same in groups(probes, lambda x: x["upgrade"]).items()}
    changed = {title for title, same in kept.items() if same < 0.9 and "random weights" not in title}
    repaired = [x for x in lines if x["what"] == "repaired" and x["upgrade"] in changed]
    found = {}
    for method, mine in groups(repaired, lambda x: x["method"]).items():
        shares = []
        for same in groups(mine, lambda x: x["upgrade"]).values():
            gains = [fmean(x[key] - x["zero_shot"] for x in same) for key in ("new", "accuracy")]
            shares.append(gains[0] / gains[1])
        found[method] = MapShares(*(round(share, 2) for share in (fmean(shares), min(shares), max(shares))))
    return found


def errors_table(lines: Sequence[Line]) -> Table:
    """Mean absolute errors on carried plug-ins: new upgrades, new upgrades and datasets, and the worst upgrade."""
    known, unknown = errors(lines, datasets=False), errors(lines)
    rows = []
    for words, found in unknown.items():
        worst = max(found.by_upgrade, key=found.by_upgrade.get)
        cells = (f"{known[words].mean:.1f}", f"{found.mean:.1f}", f"{found.most:.1f}")
        rows.append((words, *cells, f"{found.by_upgrade[worst]:.1f} ({worst})"))
    columns = ("estimate", "new upgrade", "new upgrade and dataset", "95 % within", "worst upgrade")
    caption = (
        f"Mean absolute error of the expected accuracy of carried plug-ins, points; {len(known[words].by_upgrade)} "
        "upgrades of the miniature, each held out. ATC and DoC read labels of validation pictures on old."
    )
    return Table(columns, tuple(rows), caption)

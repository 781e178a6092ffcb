"""Small records of drift and of exchanged parts, made here."""

from __future__ import annotations

from clipcompat.runs.records import Record, Titles
from clipcompat.studies.drift.features import FeatureChange
from clipcompat.studies.drift.parameters import ParameterChange
from clipcompat.studies.drift.report import Drift
from clipcompat.studies.drift.swap import swaps

PARTS = ["embeddings", "block 1", "block 2", "block 3", "head"]
LAYERS = 3


def drift(blocks=(0.1, 0.2, 0.3), features=(0.4, 0.5, 0.6), tokens=0.05, positions=0.5) -> Drift:
    """A report of a tower with three blocks; embeddings and head moved by 0.1."""
    moved = dict(zip(PARTS, (0.1, *blocks, 0.1), strict=True))
    parameters = [ParameterChange(part, "all", 10, x / 10, x, x) for part, x in moved.items()]
    parameters += [
        ParameterChange("embeddings", kind, 5, x, x, x) for kind, x in (("tokens", tokens), ("positions", positions))
    ]
    changed = dict(zip([*PARTS[:-1], "output"], (0.3, *features, 0.7), strict=True))
    rows = [FeatureChange(layer, "eot", 4, 2 * x, x, 1 - x, 0.9 - x) for layer, x in changed.items()]
    rows += [FeatureChange(layer, "sos", 4, x, x / 2, None, None) for layer, x in list(changed.items())[:-1]]
    return Drift("old", "new", 4, tuple(parameters), tuple(rows))


def record(study, rows, method="coop", dataset="mini/a", upgrade="mini", weights=None, title=None) -> Record:
    inputs = {
        "upgrade": upgrade,
        "dataset": dataset,
        "old_weights": None,
        "new_weights": weights,
        "method": {"name": method, "config": {}},
    }
    name = {"coop": "CoOp", "zero_shot": "zero-shot", "contcoop": "ContCoOp"}[method]
    return Record(study, inputs, Titles(method, name, title or upgrade), rows, {}, {}, "", 1.0, [])


def drift_record(report=None, **about) -> Record:
    return record("drift", [{"seed": 1, **(report or drift()).to_dict()}], "zero_shot", **about)


def swap_record(costs, start=(80.0, 30.0), frozen=(), method="coop", dataset="mini/a", seeds=(1, 2)) -> Record:
    """Accuracies that fall by the cost of each new part on old's pictures, and rise to 90 on new's with all parts new.

    costs: part -> points. frozen: part -> points lost on new's pictures where it alone stays old.
    """
    frozen, rows = dict(frozen), []
    for seed in seeds:
        accuracies = {}
        for name, parts in swaps(LAYERS).items():
            on_old = start[0] - sum(costs.get(part, 0) for part in parts) - 0.1 * seed
            left = [
                part for part in ("tokens", "positions", "block 1", "block 2", "block 3", "head") if part not in parts
            ]
            on_new = 90 - sum(frozen.get(part, 5) for part in left)
            accuracies[name] = [on_old, on_new]
        rows.append({"seed": seed, "accuracies": accuracies})
    return record("swap", rows, method, dataset)

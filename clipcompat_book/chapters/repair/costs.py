"""What a repair, a training and an audit of a thousand plug-ins take, as the benchmarks measured them.

costs = repair_costs()
costs["CoOp"]["repair"], costs["CoOp"]["retrain"]      # seconds of processor time, of one task of the miniature
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping
from typing import Any

from clipcompat.methods import KNOWN
from clipcompat_book.chapters.repair.rows import Repaired
from clipcompat_book.words import short_name

Costs = Mapping[str, Mapping[str, float]]
"""Method's title -> "repair", "retrain", and for some "retrain_1_shots", "retrain_2_epochs" -> seconds."""


def measured_costs() -> dict[str, Any]:
    """The whole file: device, dataset, shots, pictures, rows."""
    return _read("repairs.json")


def repair_costs() -> dict[str, dict[str, float]]:
    """`Costs`, with the titles that `methods_of` gives."""
    rows = measured_costs()["rows"]
    return {KNOWN[row["method"]].title + " (joint space)" * bool(row["settings"]): row["seconds"] for row in rows}


def cost_words() -> str:
    """What captions say of the seconds."""
    found = measured_costs()
    return (
        f"Seconds: of processor time, on {short_name(found['dataset'])}, without a cache of features "
        f"({found['rows'][0]['repeats']} times in turns, median)"
    )


def saving_sentence(methods: Mapping[str, Repaired], costs: Costs) -> str:
    """What a map and an imitation take, as a share of training again with labels; bounds over methods."""
    told = []
    for how, words in (("map", "A map"), ("imitate", "An imitation")):
        mine = [costs[title] for title, method in methods.items() if method.how == how and title in costs]
        shares = [100 * cost["repair"] / cost["retrain"] for cost in mine]
        if shares:
            told.append(f"{words} takes {min(shares):.0f} to {max(shares):.0f} % of the seconds of retraining.")
    return " ".join(told)


def thousand_row() -> dict[str, Any]:
    """The row "audit-1000" of the shipped measurements."""
    return next(row for row in _read("performance.json")["rows"] if row["name"] == "audit-1000")


def thousand_sentence() -> str:
    """Time and memory of one command for all, beside one command each."""
    row = thousand_row()
    few, many = (row[key] / 1e6 for key in ("peak_bytes_of_100", "peak_bytes"))
    least, most = row["spread"]["alone"]
    return (
        f"{row['plugins']:,} plug-ins of the miniature in one command took {row['fast_s'] * row['plugins']:.0f} s. One "
        f"command each would take {row['reference_s'] * row['plugins'] / 3600:.1f} hours, {row['ratio']:.0f} times as "
        f"long. Of these, some were timed, and took {least:.0f} to {most:.0f} s. Memory: {many:.0f} MB, and {few:.0f} "
        "MB for 100 plug-ins."
    )


def _read(name: str) -> dict[str, Any]:
    file = importlib.resources.files("clipcompat_book") / "records" / name
    return json.loads(file.read_text(encoding="utf-8"))

"""What was measured of time and memory, as the package ships it: fast paths against plain ones, and how both grow.

    cpu = committed_performance()[0]
    cpu.row("coop-47").ratio            # how many times as fast

`records/performance.json` and `growth.json` are copies of what `make bench` and `python -m benchmarks.growth` wrote on
one device; another device's are beside them, as `performance-<device>.json` and `growth-<device>.json`.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipcompat.common.errors import DataError, unknown_name
from clipcompat_book.chapters.performance.measured import Point, Row, Training

BUDGET = 16e9
"""Bytes that the growth of steps was measured within."""


@dataclass(frozen=True)
class Performance:
    """All that was measured on one device."""

    device: str
    model: str
    torch: str
    rows: tuple[Row, ...]
    points: tuple[Point, ...]
    trainings: tuple[Training, ...]

    def row(self, name: str) -> Row:
        """The row of this name; UnknownNameError where it was not measured."""
        found = {row.name: row for row in self.rows}
        if name not in found:
            raise unknown_name("measurement", name, found)
        return found[name]

    def sweep(self, sweep: str, method: str, way: str = "fast") -> list[Point]:
        """Points of one line, from the smallest to the largest.

        Raises:
            UnknownNameError: nothing of this kind was measured.
        """
        found = [p for p in self.points if (p.sweep, p.method, p.way) == (sweep, method, way)]
        if not found:
            known = {f"{p.sweep}, {p.method}, {p.way}" for p in self.points}
            raise unknown_name("sweep", f"{sweep}, {method}, {way}", known)
        return sorted(found, key=lambda p: (p.classes, p.n_ctx))

    def shots(self, method: str) -> list[Training]:
        """Trainings of a method, from the fewest shots to the most.

        Raises:
            UnknownNameError: none was measured.
        """
        found = [t for t in self.trainings if t.method == method]
        if not found:
            raise unknown_name("training", method, {t.method for t in self.trainings})
        return sorted(found, key=lambda t: t.shots)

    def limit(self, row: Row) -> float | None:
        """Seconds that the arithmetic of pictures or of a step takes, where it was counted; None elsewhere."""
        if row.limit_s is not None:
            return row.limit_s
        if row.kind != "step" or row.dtype != "fp32":
            return None
        of_size = {p.classes: p.limit_s for p in self.points if (p.sweep, p.method) == ("classes", row.method)}
        return of_size.get(row.classes)


def committed_performance() -> tuple[Performance, ...]:
    """What this version ships: one a device, the CPU's first."""
    folder = importlib.resources.files("clipcompat_book") / "records"
    stems = sorted(p.name.removesuffix(".json") for p in folder.iterdir() if p.name.startswith("performance"))
    return tuple(_read(folder, f"{stem}.json", f"{stem.replace('performance', 'growth')}.json") for stem in stems)


def parse_performance(bench: Mapping[str, Any], growth: Mapping[str, Any]) -> Performance:
    """What the two programs wrote, as one thing.

    Raises:
        DataError: something is missing, or of another kind.
    """
    try:
        sweeps = [dict(p) for p in growth["rows"]]
        shots = [p for p in sweeps if p["sweep"] == "shots"]
        return Performance(
            bench["device"], bench["model"], growth["torch"],
            tuple(_row(r) for r in bench["rows"] if "reference_s" in r),  # benchmarks/gpu.py has rows of another kind
            tuple(Point(**p) for p in sweeps if p["sweep"] != "shots"),
            tuple(Training(**{name: value for name, value in p.items() if name != "sweep"}) for p in shots),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise DataError(
            "these are not measurements as `make bench` and `python -m benchmarks.growth` write them "
            f"({type(error).__name__}: {error}); restore the files from git, or run both again."
        ) from error


def _read(folder: Any, bench: str, growth: str) -> Performance:
    found = []
    for name in (bench, growth):
        try:
            found.append(json.loads((folder / name).read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise DataError(f"{name} is not a readable file of measurements ({error}); restore it from git.") from error
    return parse_performance(*found)


def _row(raw: Mapping[str, Any]) -> Row:
    spread = raw.get("spread", {})
    plain, fast = spread.get(raw["reference"]), spread.get("fast")
    return Row(
        raw["name"], float(raw["reference_s"]), float(raw["fast_s"]), raw["dtype"], raw["reference"],
        extrapolated=bool(raw.get("extrapolated")),
        features=raw.get("max_abs_diff"), gradients=raw.get("max_rel_grad_diff"), largest=raw.get("largest_feature"),
        bounds=(plain[0] / fast[1], plain[1] / fast[0]) if plain and fast else None,
        budget=raw.get("budget_bytes"), peak=raw.get("peak_bytes"), parts=raw.get("parts"),
        limit_s=raw.get("limit_s"),
    )  # fmt: skip

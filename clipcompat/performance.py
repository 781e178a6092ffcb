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

from clipcompat.errors import DataError, unknown_name
from clipcompat.sentences import name_title

BUDGET = 16e9
"""Bytes that the growth of steps was measured within."""

_NAMES = {  # method, classes, what is timed
    "coop-47": ("coop", 47, "47 classes"),
    "contcoop-47": ("contcoop", 47, "47 classes"),
    "cocoop-10x8": ("cocoop", 10, "10 classes × 8 images"),
    "coop-1000": ("coop", 1000, "1,000 classes"),
    "contcoop-1000": ("contcoop", 1000, "1,000 classes"),
    "coop-training": ("coop", 47, "47 classes"),
    "coop-training-mini": ("coop", 0, "mini"),
    "classes-10000": ("coop", 10_000, "10,000 classes"),
    "classes-10000-contcoop": ("contcoop", 10_000, "10,000 classes"),
}


@dataclass(frozen=True)
class Row:
    """One comparison of a plain way with the fast one.

    name: as `make bench` prints it. reference_s, fast_s: medians. reference: what the plain way was, in words.
    extrapolated: steps were timed and multiplied. features, gradients: the largest difference of both ways, absolute
    and relative to the largest gradient; None: not comparable. largest: feature. bounds: the ratio's, slowest against
    fastest. budget, peak: bytes that a process might take, and took. parts: what was kept for backward -> of how many.
    """

    name: str
    reference_s: float
    fast_s: float
    dtype: str
    reference: str
    extrapolated: bool = False
    features: float | None = None
    gradients: float | None = None
    largest: float | None = None
    bounds: tuple[float, float] | None = None
    budget: float | None = None
    peak: float | None = None
    parts: Mapping[str, int] | None = None

    @property
    def ratio(self) -> float:
        """How many times as fast the fast way is."""
        return self.reference_s / self.fast_s

    @property
    def kind(self) -> str:
        """ "step", "training" or "chunks"."""
        return "chunks" if self.budget is not None else "training" if "training" in self.name else "step"

    @property
    def method(self) -> str:
        return self._told[0]

    @property
    def classes(self) -> int:
        return self._told[1]

    @property
    def title(self) -> str:
        """How a text calls it: "CoOp, 47 classes"."""
        method, _, words = self._told
        return f"{name_title(method)}, {words}" if method else words

    @property
    def _told(self) -> tuple[str, int, str]:
        return _NAMES.get(self.name.removesuffix("-bf16"), ("", 0, self.name))


@dataclass(frozen=True)
class Point:
    """One step of some size.

    sweep: "classes" or "context". way: "fast" or "plain". limit_s: what arithmetic takes. memory_bytes: the most
    that the process took, beyond what it held before its first step; 0: not known. kept: what was kept for backward
    -> of how many parts.
    """

    sweep: str
    method: str
    way: str
    classes: int
    n_ctx: int
    seconds: float
    limit_s: float
    memory_bytes: float
    kept: Mapping[str, int]


@dataclass(frozen=True)
class Training:
    """A whole training on mini/textures: seconds from pictures, and steps_s where their features are kept already."""

    method: str
    shots: int
    seconds: float
    steps_s: float


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

    def limit(self, row: Row) -> float | None:
        """Seconds that the arithmetic of a step takes, where its size was measured; None elsewhere."""
        if row.kind != "step" or row.dtype != "fp32":
            return None
        of_size = {p.classes: p.limit_s for p in self.points if (p.sweep, p.method) == ("classes", row.method)}
        return of_size.get(row.classes)


def committed_performance() -> tuple[Performance, ...]:
    """What this version ships: one a device, the CPU's first."""
    folder = importlib.resources.files("clipcompat") / "records"
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
            tuple(Training(p["method"], p["shots"], p["seconds"], p["steps_s"]) for p in shots),
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
    )  # fmt: skip

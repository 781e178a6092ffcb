"""What was measured of time and memory, as the package ships it: fast paths against plain ones, and how both grow.

    cpu = committed_performance()[0]
    cpu.row("coop-47").ratio            # how many times as fast

`records/performance.json` and `growth.json` are copies of what `make bench` and `python -m benchmarks.growth` wrote on
one device. Those of another device are beside them, as `performance-<device>.json` and `growth-<device>.json`.
"""

from __future__ import annotations

import importlib.resources
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipcompat.common.errors import DataError, unknown_name
from clipcompat_book.words import name_title

BUDGET = 16e9
"""Bytes that the growth of steps was measured within."""
_OPTIONAL = {  # field of a Row -> what `make bench` calls it
    "features": "max_abs_diff",
    "gradients": "max_rel_grad_diff",
    "largest": "largest_feature",
    "budget": "budget_bytes",
    "peak": "peak_bytes",
    "parts": "parts",
    "limit_s": "limit_s",
}

_NAMES = {  # method, classes, what is timed
    "coop-47": ("coop", 47, "47 classes"),
    "contcoop-47": ("contcoop", 47, "47 classes"),
    "cocoop-10x8": ("cocoop", 10, "10 classes × 8 images"),
    "coop-1000": ("coop", 1000, "1,000 classes"),
    "contcoop-1000": ("contcoop", 1000, "1,000 classes"),
    "maple-47": ("maple", 47, "47 classes, 4 pictures"),
    "coop-training": ("coop", 47, "47 classes"),
    "coop-training-mini": ("coop", 0, "mini"),
    "images-32": ("", 0, "CLIP, 32 pictures"),
    "images-32-eva": ("", 0, "EVA-CLIP, 32 pictures"),
    "classes-10000": ("coop", 10_000, "10,000 classes"),
    "classes-10000-contcoop": ("contcoop", 10_000, "10,000 classes"),
}


@dataclass(frozen=True)
class Row:
    """One comparison of a plain way with the fast one.

    name: as `make bench` prints it. reference: the plain way, in words. reference_s, fast_s: median seconds.
    extrapolated: steps were timed and multiplied. limit_s: seconds that arithmetic takes; None: not counted.
    features, gradients: the largest difference of both ways, absolute and relative to the largest gradient; None: not
    comparable. largest: the largest feature. bounds: of the ratio, slowest repetition against fastest.
    budget, peak: bytes that the process might take, and took. parts: what a part kept for backward -> number of parts.
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
    limit_s: float | None = None

    @property
    def ratio(self) -> float:
        """How many times as fast the fast way is."""
        return self.reference_s / self.fast_s

    @property
    def kind(self) -> str:
        """ "step" (at the text side), "towers" (a step with both), "images", "training" or "chunks"."""
        if self.budget is not None:
            return "chunks"
        if self.method == "maple":
            return "towers"
        return "training" if "training" in self.name else "images" if self.name.startswith("images") else "step"

    @property
    def method(self) -> str:
        return self._subject[0]

    @property
    def classes(self) -> int:
        return self._subject[1]

    @property
    def title(self) -> str:
        """How a text calls it: "CoOp, 47 classes"."""
        method, _, words = self._subject
        return f"{name_title(method)}, {words}" if method else words

    @property
    def _subject(self) -> tuple[str, int, str]:
        return _NAMES.get(self.name.removesuffix("-bf16"), ("", 0, self.name))


@dataclass(frozen=True)
class Point:
    """One step of some size.

    sweep: "classes" or "context". way: "fast" or "plain". limit_s: seconds that arithmetic takes. memory_bytes: the
    most that the process took, beyond what it held before its first step; 0: not known. kept: what a part kept for
    backward -> number of parts.
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
    """A whole training at full size, from picture files to a plug-in.

    pictures_s: seconds for decoding and encoding `views` views of all pictures. steps_s: seconds for the `steps` steps
    after that. limit_s: seconds that the arithmetic of both takes. pictures_bytes, steps_bytes: the most that the
    process took in each, beyond what it held before. views_bytes: size of what is kept, one vector per view.
    """

    method: str
    classes: int
    shots: int
    views: int
    steps: int
    pictures_s: float
    steps_s: float
    limit_s: float
    pictures_bytes: float
    steps_bytes: float
    views_bytes: float

    @property
    def seconds(self) -> float:
        """From pictures to a plug-in."""
        return self.pictures_s + self.steps_s


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
        rows = {row.name: row for row in self.rows}
        if name not in rows:
            raise unknown_name("measurement", name, rows)
        return rows[name]

    def sweep(self, sweep: str, method: str, way: str = "fast") -> list[Point]:
        """Points of one line, from the smallest to the largest.

        Raises:
            UnknownNameError: nothing of this kind was measured.
        """
        points = [p for p in self.points if (p.sweep, p.method, p.way) == (sweep, method, way)]
        if not points:
            known = {f"{p.sweep}, {p.method}, {p.way}" for p in self.points}
            raise unknown_name("sweep", f"{sweep}, {method}, {way}", known)
        return sorted(points, key=lambda p: (p.classes, p.n_ctx))

    def shots(self, method: str) -> list[Training]:
        """Trainings of a method, from the fewest shots to the most.

        Raises:
            UnknownNameError: none was measured.
        """
        trainings = [t for t in self.trainings if t.method == method]
        if not trainings:
            raise unknown_name("training", method, {t.method for t in self.trainings})
        return sorted(trainings, key=lambda t: t.shots)

    def limit(self, row: Row) -> float | None:
        """Seconds that the arithmetic of pictures or of a step takes, where it was counted; None elsewhere."""
        if row.limit_s is not None:
            return row.limit_s
        if row.kind != "step" or row.dtype != "fp32":
            return None
        of_size = {p.classes: p.limit_s for p in self.points if (p.sweep, p.method) == ("classes", row.method)}
        return of_size.get(row.classes)


def committed_performance() -> tuple[Performance, ...]:
    """What this version ships: one per device, the CPU's first."""
    folder = importlib.resources.files("clipcompat_book") / "records"
    stems = sorted(p.name.removesuffix(".json") for p in folder.iterdir() if p.name.startswith("performance"))
    return tuple(_read(folder, f"{stem}.json", f"{stem.replace('performance', 'growth')}.json") for stem in stems)


def parse_performance(bench: Mapping[str, Any], growth: Mapping[str, Any]) -> Performance:
    """What the two programs wrote, as one thing.

    Raises:
        DataError: something is missing, or of another kind.
    """
    try:
        # benchmarks/gpu.py has rows of another kind; rows of sweeps and audits are of whole commands, another subject
        rows = [_row(r) for r in bench["rows"] if "reference_s" in r and not {"runs", "plugins"} & r.keys()]
        sweeps = [dict(p) for p in growth["rows"]]
        points = [Point(**p) for p in sweeps if p["sweep"] != "shots"]
        shots = [{k: v for k, v in p.items() if k != "sweep"} for p in sweeps if p["sweep"] == "shots"]
        trainings = [Training(**p) for p in shots]
        of = bench["device"], bench["model"], growth["torch"]
        return Performance(*of, tuple(rows), tuple(points), tuple(trainings))
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise DataError(
            "these are not measurements as `make bench` and `python -m benchmarks.growth` write them "
            f"({type(error).__name__}: {error}); restore the files from git, or run both again."
        ) from error


def _read(folder: Any, bench: str, growth: str) -> Performance:
    contents = []
    for name in (bench, growth):
        try:
            contents.append(json.loads((folder / name).read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise DataError(f"{name} is not a readable file of measurements ({error}); restore it from git.") from error
    return parse_performance(*contents)


def _row(raw: Mapping[str, Any]) -> Row:
    spread = raw.get("spread", {})
    plain, fast = spread.get(raw["reference"]), spread.get("fast")
    given = {field: raw.get(name) for field, name in _OPTIONAL.items()}
    given |= {"extrapolated": bool(raw.get("extrapolated"))}
    given |= {"bounds": (plain[0] / fast[1], plain[1] / fast[0]) if plain and fast else None}
    times = float(raw["reference_s"]), float(raw["fast_s"])
    return Row(raw["name"], *times, raw["dtype"], raw["reference"], **given)

"""A table of the ContCoOp paper with ours beside it, cell by cell, at the paper's own scale. Needs no torch.

    found = reproduction("table2", find_records("results"))
    print(found.table())          # paper | ours | gap; "not run here" where there is no record
    found.to_text("latex")        # or any other format of `clipcompat table`

A record fills its cell wherever it was made: whoever has run a part of `clipcompat sweep table2 --scale paper` can send
the JSON files.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from clipcompat.common.errors import ConfigError, UnknownNameError
from clipcompat.data.public.layout import find_layout
from clipcompat.runs.papers import PaperCell, paper_average, paper_cell
from clipcompat.runs.papers.ablations import ABLATIONS, paper_ablation
from clipcompat.runs.papers.hours import THROUGHPUT, gpu_hours
from clipcompat.runs.records import Record
from clipcompat.runs.request import Request
from clipcompat.runs.results import in_format
from clipcompat.runs.sweep.spec import Spec, load_spec
from clipcompat.runs.tables import Table
from clipcompat.studies.report import harmonic_mean
from clipcompat.studies.statistic import Statistic

AVERAGE = "average"
_TABLES = ("table2", "table8")
NOT_RUN = "not run here"
_COLUMNS = ("dataset", "method", "paper: old / new / H", "ours: old / new / H", "gap", "seeds", "device, or estimate")
_PACKAGES = ("torch", "open_clip_torch", "timm", "torchvision", "numpy", "pillow", "python")


@dataclass(frozen=True)
class Cell:
    """One dataset, or `AVERAGE` over the datasets, and one method, with what is changed in it: a record's label.

    records: that of the dataset; of an average those of all datasets. Empty: not run. hours: of what is still to run.
    old, new: over seeds, in percent; None where it was not run.
    """

    dataset: str
    method: str
    paper: PaperCell
    records: tuple[Record, ...]
    hours: float
    old: Statistic | None
    new: Statistic | None

    @property
    def ours(self) -> tuple[float, float, float] | None:
        """old, new, and the H of the two, as the paper computes the H of its averages."""
        if self.old is None:
            return None
        return self.old.mean, self.new.mean, harmonic_mean(self.old.mean, self.new.mean)

    @property
    def gap(self) -> tuple[float, float, float] | None:
        """Ours minus the paper's, in points."""
        printed = (self.paper.old, self.paper.new, self.paper.h)
        return self.ours and tuple(mine - theirs for mine, theirs in zip(self.ours, printed, strict=True))


@dataclass(frozen=True)
class Reproduction:
    """Every cell of one table of the paper, averages first. command: makes the records that are missing."""

    title: str
    command: str
    cells: tuple[Cell, ...]

    def table(self) -> Table:
        """One row per cell; in HTML, a row says on hover how its record was made, or what fills it."""
        datasets = [cell for cell in self.cells if cell.dataset != AVERAGE]
        missing = [cell for cell in datasets if not cell.records]
        caption = f"{self.title}. Percent; ± half of the 95 % interval over seeds; gap: ours minus the paper's."
        if missing:
            caption += (
                f" {NOT_RUN}: {len(missing)} of {len(datasets)} cells. `{self.command}` runs them, and what else the "
                f"study has. These cells take {_hours(sum(c.hours for c in missing))} at {THROUGHPUT / 1e12:.0f} "
                "TFLOP/s, estimated from FLOPs and not measured."
            )
        return Table(_COLUMNS, tuple(map(_row, self.cells)), caption, tuple(map(self._hover, self.cells)))

    def rows(self) -> list[dict[str, Any]]:
        """One row per cell, not rounded. What was not run is None, and has a command and an estimate instead."""
        return [self._numbers(cell) for cell in self.cells]

    def to_text(self, format: str = "text") -> str:
        """The table in one of the formats of `Results.to_text`."""
        return in_format(format, lambda: [self.table()], self.rows)

    def _hover(self, cell: Cell) -> str:
        if cell.records:
            return f"{_intervals(cell)}; {provenance(cell.records)}"
        return f"{NOT_RUN}: {self.command}; {_hours(cell.hours)}, estimated from FLOPs and not measured"

    def _numbers(self, cell: Cell) -> dict[str, Any]:
        names, run = ("old", "new", "h_upgrade"), bool(cell.records)
        ours, gap = (values or (None,) * 3 for values in (cell.ours, cell.gap))
        return {
            "dataset": cell.dataset,
            "method": cell.method,
            **dict(zip((f"paper_{n}" for n in names), (cell.paper.old, cell.paper.new, cell.paper.h), strict=True)),
            **dict(zip(names, ours, strict=True)),
            "old_interval": cell.old and cell.old.interval,
            "new_interval": cell.new and cell.new.interval,
            **dict(zip((f"gap_{n}" for n in names), gap, strict=True)),
            "seeds": _joined(_seeds(r) for r in cell.records) if run else None,
            "device": _joined(_device(r) for r in cell.records) if run else None,
            "versions": _joined(_versions(r) for r in cell.records) if run else None,
            "id": _joined(r.id for r in cell.records) if run else None,
            "command": None if run else self.command,
            "gpu_hours_from_flops": None if run else round(cell.hours, 3),
        }


def reproduction(study: str, records: Iterable[Record]) -> Reproduction:
    """The paper's table of a shipped study, with what is among `records`.

    study: "table2" (Fig. 2a shows its averages), "table8", or one of `ABLATIONS`. Of several records of one cell, that
    with the most seeds counts, and of these the latest.

    Raises:
        UnknownNameError: no such study, or one without a paper's scale. ConfigError: the paper's table is not shipped.
    """
    spec, records = load_spec(study), list(records)
    spec.requests("paper")
    if study not in (*_TABLES, *ABLATIONS):
        tables = ", ".join((*_TABLES, *ABLATIONS))
        raise ConfigError(f"the paper's table of {study!r} is not in this version; those of {tables} are.")
    found = []
    for label, request, paper in _wanted(study, spec):
        mine = latest(r for r in records if fills(r, request, label))
        dataset, values = find_layout(request["dataset"]).name, mine and _values(mine)
        old, new = map(Statistic.of, values) if values else (None, None)
        own = (mine,) if mine else ()
        found.append(Cell(dataset, label, paper, own, 0.0 if mine else gpu_hours(request), old, new))
    averages = [] if study in ABLATIONS else _averages(spec, found)
    command = f"clipcompat sweep {study} --scale paper --root DATA --out results"
    return Reproduction(spec.title, command, (*averages, *found))


def _wanted(study: str, spec: Spec) -> Iterator[tuple[str, Mapping[str, Any], PaperCell]]:
    """Label, request and printed numbers of every cell, in the order of the paper's table."""
    requests = spec.requests("paper")
    if study in ABLATIONS:
        for label, paper in paper_ablation(study).items():
            yield label, requests[0], paper
        return
    plain = [request for request in requests if not request["settings"]]
    datasets = list(dict.fromkeys(request["dataset"] for request in plain))
    for request in sorted(plain, key=lambda request: datasets.index(request["dataset"])):
        if paper := paper_cell(request["upgrade"], request["dataset"], request["method"]):
            yield request["method"], request, paper


def _averages(spec: Spec, cells: Sequence[Cell]) -> list[Cell]:
    upgrade = spec.requests("paper")[0]["upgrade"]
    methods = dict.fromkeys(cell.method for cell in cells)
    return [_average(m, paper_average(upgrade, m), [c for c in cells if c.method == m]) for m in methods]


def fills(record: Record, request: Mapping[str, Any], label: str | None = None) -> bool:
    """Whether a record is a run of this request. Seeds, views, number type and machine may be others.

    label: of a method with changed settings; None: its default ones.

    Weights that were given are not known to be the upgrade's own, so that their records fill no cell.
    """
    inputs = record.inputs
    if (record.study, record.method, inputs["upgrade"], record.titles.label) != (
        request.get("study", Request.study),
        request["method"],
        request["upgrade"],
        label or request["method"],
    ):
        return False
    asked = {name: request.get(name, getattr(Request, name)) for name in ("classes", "shots", "templates", "repeat")}
    has = {"templates": Request.templates, "repeat": Request.repeat} | inputs
    try:
        same_data = find_layout(record.dataset) == find_layout(request["dataset"]) and "split" not in inputs
    except UnknownNameError:  # a mini set, or the user's own
        return False
    given = inputs["old_weights"] or inputs["new_weights"]
    return same_data and all(has[name] == value for name, value in asked.items()) and not given


def provenance(records: Sequence[Record]) -> str:
    """Where the numbers of records are from, on one line: seeds, views, devices, number types, versions, and which."""
    views = _joined(str(row["views"]) for r in records for row in r.per_seed if row["views"] is not None)
    what = (
        f"seeds {_joined(map(_seeds, records))}",
        views and f"{views} views",
        _joined(map(_device, records)),
        _joined(str(r.inputs["dtype"]) for r in records if "dtype" in r.inputs),
        _joined(map(_versions, records)),
    )
    days = sorted({record.started[:10] for record in records})
    which = f"record {records[0].id}" if len(records) == 1 else f"{len(records)} records"
    return ", ".join([*filter(None, what), f"{which} of {' to '.join(dict.fromkeys((days[0], days[-1])))}"])


def _average(method: str, paper: PaperCell, cells: Sequence[Cell]) -> Cell:
    """Over all datasets; not run as long as one of them is not. Without common seeds it has no interval."""
    hours = sum(cell.hours for cell in cells)
    if not all(cell.records for cell in cells):
        return Cell(AVERAGE, method, paper, (), hours, None, None)
    records = tuple(record for cell in cells for record in cell.records)
    rows = [{r.seed: (r.old, r.new) for r in record.reports} for record in records]
    same = all(own.keys() == rows[0].keys() for own in rows)

    def over_seeds(side: int, means: Sequence[float]) -> Statistic:
        if not same:
            return Statistic(fmean(means), None, None, 1)
        return Statistic.of([fmean(own[seed][side] for own in rows) for seed in rows[0]])

    sides = (over_seeds(side, [getattr(c, name).mean for c in cells]) for side, name in enumerate(("old", "new")))
    return Cell(AVERAGE, method, paper, records, hours, *sides)


def _row(cell: Cell) -> tuple[str, ...]:
    paper = f"{cell.paper.old:.2f} / {cell.paper.new:.2f} / {cell.paper.h:.2f}"
    if cell.ours is None:
        return cell.dataset, cell.method, paper, NOT_RUN, "–", "–", _hours(cell.hours)
    old, new = (
        f"{s.mean:.2f}" + (f" ± {s.interval:.2f}" if s.interval is not None else "") for s in (cell.old, cell.new)
    )
    gap = " / ".join(f"{points:+.2f}" for points in cell.gap)
    seeds = _joined(str(len(r.per_seed)) for r in cell.records)
    return (
        cell.dataset,
        cell.method,
        paper,
        f"{old} / {new} / {cell.ours[2]:.2f}",
        gap,
        seeds,
        _joined(map(_device, cell.records)),
    )


def _intervals(cell: Cell) -> str:
    sides = [
        f"{name} ± {s.interval:.2f}" for name, s in (("old", cell.old), ("new", cell.new)) if s.interval is not None
    ]
    return f"95 % interval over seeds: {', '.join(sides) or 'none, one seed'}"


def latest(records: Iterable[Record]) -> Record | None:
    """Of several records of one cell, that with the most seeds, and of these the latest; None of none."""
    return max(records, key=lambda record: (len(record.per_seed), record.started), default=None)


def _values(record: Record) -> tuple[list[float], list[float]]:
    return [r.old for r in record.reports], [r.new for r in record.reports]


def _seeds(record: Record) -> str:
    return " ".join(str(row["seed"]) for row in record.per_seed)


def _device(record: Record) -> str:
    return str(record.environment.get("device", "an unknown device"))


def _versions(record: Record) -> str:
    known = record.environment
    return ", ".join(f"{name} {known[name]}" for name in ("clipcompat", *_PACKAGES) if name in known)


def _joined(words: Iterable[str]) -> str:
    """Each once, in order."""
    return "; ".join(dict.fromkeys(words))


def _hours(hours: float) -> str:
    return f"about {hours:.1f} GPU hours" if hours >= 0.05 else "under 0.1 GPU hours"

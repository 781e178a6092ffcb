"""Tables of the papers that ask something else than old and carried to new, row by row, with ours beside them.

    printed_tables(find_records("results"))    # ContCoOp's Table 3, and DPC on base and new classes

Both are of the old backbone alone. A record fills its row wherever it was made, as in `reproduction`. Needs no torch.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from clipcompat.data.public.layout import find_layout
from clipcompat.runs.papers import method_of, read_table
from clipcompat.runs.papers.reproduction import NOT_RUN, fills, latest, provenance
from clipcompat.runs.records import Record
from clipcompat.runs.sweep.spec import load_spec
from clipcompat.runs.tables import Table
from clipcompat.studies.report import harmonic_mean
from clipcompat.studies.statistic import Statistic

_UPGRADE = "clip-to-eva-vit-b-16"
_LEARNERS = {"CoOp": ("coop", ""), "MaPLe": ("maple", ""), "PromptSRC": ("promptsrc", "")}
_LEARNERS["PromptKD"] = ("promptkd", "teacher_classes=base")
"""DPC's name of a learner -> ours, and what the study sets in it."""


@dataclass(frozen=True)
class Row:
    """One row of a paper's table. printed: its cells, as text. numbers: how many of them, at the end, are accuracies.

    ours: the same accuracies, over seeds, in percent; empty where it was not run. records: which made them.
    """

    printed: tuple[str, ...]
    numbers: int
    ours: tuple[Statistic, ...] = ()
    records: tuple[Record, ...] = ()


@dataclass(frozen=True)
class PrintedTable:
    """title: the paper's. study: its sweep at paper scale makes the rows that are missing."""

    title: str
    study: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def command(self) -> str:
        return f"clipcompat sweep {self.study} --scale paper --root DATA --out results"

    def table(self) -> Table:
        """The paper's cells, and ours in the same order; in HTML, a row says on hover how ours was measured."""
        head = " / ".join(self.columns[-self.rows[0].numbers :])
        rows = tuple((*row.printed, _ours(row)) for row in self.rows)
        return Table((*self.columns, f"ours: {head}"), rows, "Percent.", tuple(map(self._hover, self.rows)))

    def _hover(self, row: Row) -> str:
        if not row.ours:
            return f"{NOT_RUN}: {self.command}"
        printed = map(float, row.printed[-row.numbers :])
        gaps = (f"{mine.mean - theirs:+.2f}" for mine, theirs in zip(row.ours, printed, strict=True))
        return f"ours minus the paper's: {' / '.join(gaps)}; {provenance(row.records)}"


def printed_tables(records: Iterable[Record]) -> tuple[PrintedTable, ...]:
    """Both tables, with what is among `records`. Of several records of a row, that with the most seeds counts."""
    records = list(records)
    return _shifted(records), _base_to_new(records)


def _shifted(records: Sequence[Record]) -> PrintedTable:
    printed = read_table("contcoop_table3_ood.csv")
    plain = {r["method"]: r for r in load_spec("table3").requests("paper") if not r["settings"]}
    sets = [find_layout(name).name for name in printed[0] if name not in ("method", "average")]
    rows = []
    for row in printed:
        record = latest(r for r in records if fills(r, plain[method_of(row["method"])]))
        ours = () if record is None else _over_seeds(record, lambda seed: _by_set(seed, sets))
        rows.append(Row(tuple(row.values()), len(row) - 1, ours, (record,) if ours else ()))
    return PrintedTable("Table 3", "table3", tuple(printed[0]), tuple(rows))


def _by_set(seed: Mapping[str, Any], sets: Sequence[str]) -> list[float]:
    """The source, each shifted set, and the mean of the shifted ones, as the paper has it."""
    there = {shift["dataset"]: shift["there"]["old"] for shift in seed["shifts"]}
    shifted = [there[name] for name in sets[1:]]
    return [seed["old"], *shifted, fmean(shifted)]


def _base_to_new(records: Sequence[Record]) -> PrintedTable:
    printed = read_table("dpc_base_to_new.csv")
    rows: list[Row] = []
    for row in printed:
        cells = tuple(row.values())
        if row["dataset"] == "Average":
            rows.append(Row(cells, 3))
            continue
        found = latest(r for r in records if _is_of(r, row["dataset"], row["method"]))
        dual = row["method"].endswith("+DPC")
        ours = () if found is None else _with_h(_over_seeds(found, lambda seed, d=dual, r=found: _halves(seed, r, d)))
        rows.append(Row(cells, 3, ours, (found,) if ours else ()))
    averaged = tuple(_average(row, rows) if row.printed[0] == "Average" else row for row in rows)
    return PrintedTable("DPC, base to new", "dual_prompts", tuple(printed[0]), averaged)


def _is_of(record: Record, dataset: str, title: str) -> bool:
    """Whether a record has this row: of DPC, whose mixture has the learner alone in it, or of the learner alone."""
    name, setting = _LEARNERS[title.removesuffix("+DPC")]
    request = {"dataset": dataset, "upgrade": _UPGRADE}
    changed = [f"learner={name}"] * (name != "coop") + [f"learner.{setting}"] * bool(setting)
    dual = f"dpc ({', '.join(changed)})" if changed else "dpc"
    if fills(record, request | {"method": "dpc", "study": "mixture"}, dual):
        return True
    alone = f"{name} ({setting})" if setting else name
    return not title.endswith("+DPC") and fills(record, request | {"method": name, "study": "base_to_new"}, alone)


def _halves(seed: Mapping[str, Any], record: Record, dual: bool) -> list[float]:
    """Base and new on old. Of a mixture: with the method's own weights, or with none of the parallel prompt."""
    if record.study == "base_to_new":
        return [seed["old_base"], seed["old_new"]]
    config = record.inputs["method"]["config"]
    weights = [config["omega_base"], config["omega_new"]] if dual else [0.0, 0.0]
    return [seed[f"old_{half}"][seed["omegas"].index(w)] for half, w in zip(("base", "new"), weights, strict=True)]


def _average(row: Row, rows: Sequence[Row]) -> Row:
    """Over all datasets; not run as long as one of them is not."""
    mine = [other for other in rows if other.printed[1] == row.printed[1] and other.printed[0] != "Average"]
    if not all(other.ours for other in mine):
        return row
    halves = zip(*(other.ours[:2] for other in mine), strict=True)
    means = [Statistic(fmean(one.mean for one in half), None, None, 1) for half in halves]
    return Row(row.printed, 3, _with_h(means), tuple(r for other in mine for r in other.records))


def _with_h(halves: Sequence[Statistic]) -> tuple[Statistic, ...]:
    """And the H of the two means, as the paper computes it."""
    return (*halves, Statistic(harmonic_mean(*(half.mean for half in halves)), None, None, 1))


def _over_seeds(record: Record, values: Callable[[Mapping[str, Any]], Sequence[float]]) -> tuple[Statistic, ...]:
    return tuple(Statistic.of(own) for own in zip(*map(values, record.per_seed), strict=True))


def _ours(row: Row) -> str:
    if not row.ours:
        return NOT_RUN
    return " / ".join(f"{s.mean:.2f}" + (f" ± {s.interval:.2f}" if s.interval is not None else "") for s in row.ours)

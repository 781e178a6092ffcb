"""How long runs took: the rates that `clipcompat sweep --dry-run` plans with.

A rate is in seconds per seed, of one study, one kind of miniature, one method with its settings, with or without
retraining. It is the mean over records, because a sweep takes a sum; some records were made while the machine did other
work, and they count too. `rates.json` holds those of the committed records; it is made by

    python -m clipcompat.runs.sweep.rates clipcompat_book/records
"""

import argparse
import importlib.resources
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import fmean

from clipcompat.backbones.catalog import generations, upgrade_kind
from clipcompat.common.errors import ClipcompatError, DataError
from clipcompat.common.files import write_atomic
from clipcompat.common.text import printable
from clipcompat.runs.records import Record, read_lines

FILE = "rates.json"


@dataclass(frozen=True)
class Kind:
    """What decides how long a run takes. place: see `place_of`. label: the method and what is changed in it."""

    study: str
    place: str
    label: str
    retrain: bool

    @property
    def method(self) -> str:
        return self.label.partition(" ")[0]


@dataclass(frozen=True)
class Rate:
    """seconds: per seed, the mean over `runs` records."""

    seconds: float
    runs: int


Rates = dict[Kind, Rate]


def place_of(upgrade: str) -> str:
    """The kind of miniature of an upgrade, "mini" or "mini-large", because pairs and controls of one kind are equally
    fast; another upgrade is a place of its own."""
    if upgrade_kind(upgrade) != "mini":
        return upgrade
    return "mini-large" if generations(upgrade)[0][0].startswith("mini-large") else "mini"


def measured_rates(records: Iterable[Record]) -> Rates:
    """Of every kind of run among the records."""
    found = defaultdict(list)
    for record in records:
        inputs = record.inputs
        kind = Kind(record.study, place_of(inputs["upgrade"]), record.titles.label, inputs.get("retrain", True))
        trained = sum(s for seed in record.training_seconds for s in seed.values() if s is not None)
        # a run that found its plug-ins tuned took less than they did
        found[kind].append(max(record.seconds, trained) / len(record.per_seed))
    return {kind: Rate(fmean(seconds), len(seconds)) for kind, seconds in found.items()}


def shipped_rates() -> Rates:
    """The rates that this version ships."""
    file = importlib.resources.files("clipcompat") / "runs" / "sweep" / FILE
    return {
        Kind(*kind): Rate(seconds, runs) for *kind, seconds, runs in json.loads(file.read_text())["seconds_per_seed"]
    }


def find_rate(rates: Rates, kind: Kind) -> tuple[float, bool] | None:
    """Seconds per seed of a kind of run, and whether they are borrowed; None if nothing like it was measured.

    Borrowed are, where the kind itself has no rate, those of its method in the same study with other settings, else
    those of its method in all studies; always of the same place.
    """
    if kind in rates:
        return rates[kind].seconds, False
    same = {other: rate for other, rate in rates.items() if (other.place, other.method) == (kind.place, kind.method)}
    near = [rate for other, rate in same.items() if other.study == kind.study] or list(same.values())
    if not near:
        return None
    return sum(r.seconds * r.runs for r in near) / sum(r.runs for r in near), True


def write_rates(path: str | Path, rates: Rates) -> Path:
    """One line per kind of run, sorted."""
    kinds = sorted(rates, key=astuple)
    rows = [json.dumps([*astuple(k), round(rates[k].seconds, 2), rates[k].runs], ensure_ascii=False) for k in kinds]
    title = '"study, place, label, retrain, seconds per seed, runs"'
    return write_atomic(path, f'{{\n"columns": {title},\n"seconds_per_seed": [\n' + ",\n".join(rows) + "\n]\n}\n")


def committed_lists(folder: str | Path) -> list[Record]:
    """The records of all JSONL files of a folder.

    Raises:
        DataError: there is none, or one is damaged.
    """
    files = sorted(Path(folder).glob("*.jsonl"))
    if not files:
        raise DataError(f"{folder} holds no .jsonl file of records.")
    return [record for file in files for record in read_lines(file)]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: write `rates.json` of the records of a folder."""
    parser = argparse.ArgumentParser(prog="python -m clipcompat.runs.sweep.rates", description=main.__doc__)
    parser.add_argument("folder", metavar="FOLDER", help="with JSONL files of records: clipcompat_book/records")
    parser.add_argument("--out", default=Path(__file__).with_name(FILE), metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        path = write_rates(options.out, measured_rates(committed_lists(options.folder)))
    except ClipcompatError as error:
        print(printable(str(error)), file=sys.stderr)
        return 1
    print(f"{path} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())

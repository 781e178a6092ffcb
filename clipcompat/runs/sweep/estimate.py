"""How long a sweep will take, from measured rates: those of the records at hand, else those that this version ships."""

import importlib.resources
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from clipcompat.backbones.catalog import upgrade_kind
from clipcompat.methods import KNOWN
from clipcompat.runs.records import Record
from clipcompat.runs.request import Request


@dataclass(frozen=True)
class Estimate:
    """seconds, disk_bytes: of the runs whose rate is known. unknown: how many runs have none. worker_bytes: memory of
    one worker process, if it was measured."""

    seconds: float
    disk_bytes: float
    worker_bytes: float | None
    unknown: int

    def __str__(self) -> str:
        minutes = self.seconds / 60
        time = f"{minutes / 60:.1f} hours" if minutes >= 90 else f"{max(1, round(minutes))} minutes"
        words = [f"about {time}" if self.seconds or not self.unknown else "time unknown"]
        if self.worker_bytes:
            words.append(f"{self.worker_bytes / 1e9:.1f} GB of memory per worker")
        if self.disk_bytes:
            words.append(f"{self.disk_bytes / 1e6:.0f} MB on disk")
        if self.unknown:
            words.append(f"{self.unknown} runs are of a kind that nobody has timed; their first record tells")
        return ", ".join(words)


def estimate(requests: Sequence[Mapping[str, Any]], records: Iterable[Record], workers: int) -> Estimate:
    """Of runs that are not done yet, with so many workers at once."""
    shipped = json.loads((importlib.resources.files("clipcompat") / "runs" / "sweep" / "rates.json").read_text())
    rates = _rates(records)
    seconds, unknown, mini = 0.0, 0, 0
    for request in requests:
        fields = {f: request.get(f, getattr(Request, f)) for f in ("upgrade", "seeds", "retrain")}
        rate = rates.get((fields["upgrade"], request["method"]))
        if upgrade_kind(fields["upgrade"]) == "mini":
            mini += 1
            rate = shipped["seconds_per_training"].get(request["method"]) if rate is None else rate
        if rate is None:
            unknown += 1
            continue
        trainings = 2 if fields["retrain"] and KNOWN[request["method"]].needs != "nothing" else 1
        seconds += len(fields["seeds"]) * trainings * rate
    all_mini = mini == len(requests) and mini
    return Estimate(
        seconds / workers, mini * shipped["bytes_per_run"], shipped["worker_bytes"] if all_mini else None, unknown
    )


def _rates(records: Iterable[Record]) -> dict[tuple[str, str], float]:
    """(upgrade, method) -> median seconds of one training."""
    found = defaultdict(list)
    for record in records:
        for seconds in record.training_seconds:
            found[record.inputs["upgrade"], record.method] += [s for s in seconds.values() if s is not None]
    return {what: median(seconds) for what, seconds in found.items() if seconds}

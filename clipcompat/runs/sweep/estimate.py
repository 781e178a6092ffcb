"""How long a sweep will take. First what was measured: the rates of the records at hand, then those that this version
ships. A run at paper scale without either has an estimate from floating-point operations, in GPU hours."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clipcompat.backbones.catalog import upgrade_kind
from clipcompat.common.config import from_config, to_config
from clipcompat.runs.papers.disk import feature_bytes
from clipcompat.runs.papers.hours import THROUGHPUT, TOWERS, estimated_hours
from clipcompat.runs.records import Record
from clipcompat.runs.run import Run
from clipcompat.runs.sweep.rates import Kind, find_rate, measured_rates, place_of, shipped_rates
from clipcompat.runs.titles import make_titles

# Measured 2026-11-28 on two AMD EPYC cores, one thread per worker, over the mini runs of table2.
_MINI_BYTES, _MINI_WORKER = 1_750_000, 995_807_232  # on disk per run; memory of one worker


@dataclass(frozen=True)
class Estimate:
    """Of so many runs.

    seconds: of those whose rate was measured, with all workers at once. borrowed: how many of these have the rate of
    their method in other settings or another study. gpu_hours: of `computed` further runs, from operations, on one GPU.
    unknown: how many have neither. disk_bytes: records and plug-ins of the miniature, image features at paper scale.
    worker_bytes: memory of one worker process, measured. weights_bytes: without that, the weights of both backbones.
    """

    seconds: float = 0.0
    timed: int = 0
    borrowed: int = 0
    gpu_hours: float = 0.0
    computed: int = 0
    unknown: int = 0
    disk_bytes: float = 0.0
    worker_bytes: float | None = None
    weights_bytes: float | None = None

    def __str__(self) -> str:
        words = []
        if self.timed or not (self.computed or self.unknown):
            words.append(f"about {_time(self.seconds)}")
        if self.borrowed:
            words.append(f"of which {_runs(self.borrowed)} by the rate of the method in other settings or studies")
        if self.computed:
            words.append(
                f"about {self.gpu_hours:.1f} GPU hours for {_runs(self.computed)}, estimated from FLOPs at "
                f"{THROUGHPUT / 1e12:.0f} TFLOP/s and not measured"
            )
        if not words:
            words.append("time unknown")
        if self.worker_bytes:
            words.append(f"{self.worker_bytes / 1e9:.1f} GB of memory per worker")
        if self.weights_bytes:
            words.append(
                f"{self.weights_bytes / 1e9:.1f} GB of memory per worker for the weights of both backbones alone"
            )
        if self.disk_bytes:
            what = ", computed, for image features" if self.weights_bytes else ""
            words.append(f"about {_size(self.disk_bytes)} on disk{what}")
        if self.unknown:
            are, its = ("is", "its") if self.unknown == 1 else ("are", "their")
            words.append(f"{_runs(self.unknown)} {are} of a kind that nobody has timed; {its} first record tells")
        return ", ".join(words)


def estimate(requests: Sequence[Mapping[str, Any]], records: Iterable[Record], workers: int) -> Estimate:
    """Of runs that are not done yet, with so many workers at once."""
    rates = shipped_rates() | measured_rates(records)
    seconds, hours = [], []
    borrowed = unknown = 0
    for request in requests:
        run = from_config(Run, request)
        rate = find_rate(rates, _kind(run))
        if rate is not None:
            seconds.append(len(run.seeds) * rate[0])
            borrowed += rate[1]
        elif (computed := estimated_hours(request)) is not None:
            hours.append(computed)
        else:
            unknown += 1
    minis = sum(upgrade_kind(request["upgrade"]) == "mini" for request in requests)
    public = {request["upgrade"] for request in requests} & TOWERS.keys()
    return Estimate(
        seconds=sum(seconds) / workers,
        timed=len(seconds),
        borrowed=borrowed,
        gpu_hours=sum(hours),
        computed=len(hours),
        unknown=unknown,
        disk_bytes=minis * _MINI_BYTES + feature_bytes(requests),
        worker_bytes=_MINI_WORKER if minis and minis == len(requests) else None,
        weights_bytes=4 * max(TOWERS[name].parameters for name in public) if public else None,
    )


def _kind(run: Run) -> Kind:
    """The kind of a run, as its record will tell it."""
    method = run.configured_method()
    inputs = {
        "method": {"name": method.name, "config": to_config(method)},
        **{name: getattr(run, name) for name in ("dataset", "upgrade", "old_weights", "new_weights")},
    }
    return Kind(run.study, place_of(run.upgrade), make_titles(inputs).label, run.retrain)


def _runs(count: int) -> str:
    return f"{count} run" if count == 1 else f"{count} runs"


def _time(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes / 60:.1f} hours" if minutes >= 90 else f"{max(1, round(minutes))} minutes"


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"

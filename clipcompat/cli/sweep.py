"""The verb that makes many records: `clipcompat sweep`."""

import argparse
import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

from clipcompat.common.terminal import Bars, say, show

_SWEEP = """\
make every record of a study that is not there yet; the same command goes on after any interruption

  clipcompat sweep table2 --dry-run                  what it would run, and how long
  clipcompat sweep table2 --out results/             on the miniature
  clipcompat sweep table2 --scale paper --root $DATA --out results/
  clipcompat sweep table2 --scale paper --root $DATA --engine ray --address auto
  clipcompat sweep my_study.yaml                     a file like those in clipcompat/studies/specs/
"""


_ENGINES = "serial; pool: one process per GPU or core (default); ray: a cluster (extra `sweep`)"


def add_sweep_verb(verbs: Any) -> None:
    """Add it to the parser's sub-commands."""
    sweep = verbs.add_parser(
        "sweep",
        help="every record of a study, in several processes",
        description=_SWEEP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = sweep.add_argument
    add("spec", metavar="SPEC", help="a shipped study (see `clipcompat list`), or a YAML file")
    add("--scale", default="mini", help="mini (default) or paper: which upgrade and datasets")
    add("--engine", choices=("serial", "pool", "ray"), default="pool", help=_ENGINES)
    add("--address", help="of a running Ray cluster (default: Ray on this machine alone)")
    add("--gpus", type=float, help="GPUs per run on Ray; 0.5 lets two runs share one (default: 1 if there are any)")
    add("--workers", type=int, help="processes of the pool (default: one per GPU, or per core)")
    add("--device", help="cuda or cpu (default: the best there is)")
    add("--root", metavar="DATA", help="the folder that holds the public datasets' folders")
    add("--seeds", type=int, nargs="+", help="instead of the study's")
    add("--cache", metavar="DIR", help="where features and hashes of pictures are kept (default: OUT/cache)")
    add("--out", default="results", metavar="DIR", help="where records go (default: results)")
    add("--dry-run", action="store_true", help="only say what would be run, what is done, and how long it takes")
    sweep.set_defaults(verb=_sweep)


def _sweep(options: argparse.Namespace) -> int:
    from clipcompat.common.errors import ConfigError
    from clipcompat.runs.sweep.jobs import run_serially
    from clipcompat.runs.sweep.on_ray import connect, run_on_ray
    from clipcompat.runs.sweep.pool import run_in_pool
    from clipcompat.runs.sweep.spec import load_spec
    from clipcompat.runs.sweep.sweep import begin_worker, sweep, threads_each, workers

    if options.workers is not None and (options.workers < 1 or options.engine != "pool"):
        raise ConfigError("--workers is a number of processes from 1 on, for the pool.")
    if options.engine != "ray" and (options.address or options.gpus is not None):
        raise ConfigError("--address and --gpus are for --engine ray.")
    spec = load_spec(options.spec)
    asked = requests = [_with(request, options) for request in spec.requests(options.scale)]
    places = workers(options.device, options.workers) if options.engine == "pool" else [(options.device,)]
    show(spec.title)
    show(f"{options.scale}: {len(requests)} runs")
    if options.dry_run:
        _print_plan(requests, options.out, len(places))
        return 0
    engine = {
        "serial": run_serially,
        "pool": functools.partial(run_in_pool, workers=places, begin=begin_worker, threads=threads_each(len(places))),
        "ray": functools.partial(run_on_ray, address=options.address, gpus=options.gpus),
    }[options.engine]
    if options.engine == "ray":
        connect(options.address)  # before anything is read
    else:  # on a cluster the data may be on the nodes alone
        requests = _with_data(asked)
    total, done, failed = len(requests), 0, 0
    with Bars() as bars:
        bars(0, total, "runs")  # the time left counts from here
        try:
            for outcome in sweep(requests, options.out, engine, options.cache, away=options.engine == "ray"):
                if outcome.error is None:
                    done += 1
                else:
                    failed += 1
                    bars.say(f"failed: {_words(outcome.job.request)}: {outcome.error.strip().splitlines()[-1]}")
                bars(done + failed, total, "runs")
        except KeyboardInterrupt:
            bars.say(f"{done} of {total} runs are finished and kept in {options.out}; those in flight begin again.")
            raise
    show(f"{done} records in {options.out}; see `clipcompat table {options.out}`.")
    if failed:
        why = os.path.join(options.out, "failed")
        runs = "1 run" if failed == 1 else f"{failed} runs"
        say(f"{runs} failed; why is in {why}. The same command tries again.")
    return 1 if failed or len(requests) < len(asked) else 0


def _with(request: Mapping[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """A request with what the command line says of all runs."""
    from clipcompat.runs.request import acts_on

    given = {"device": options.device, "root": options.root, "seeds": options.seeds and tuple(options.seeds)}
    return {**request, **{k: v for k, v in given.items() if v is not None and acts_on(k, request["dataset"])}}


def _with_data(requests: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those whose data is on this machine; what is left out is said once, and not once per run.

    Raises:
        DataError: it is there for none of them.
    """
    from clipcompat.common.errors import DataError
    from clipcompat.runs.sweep.absent import absent_data

    found = absent_data(requests)
    here = [request for request, absent in zip(requests, found, strict=True) if not absent]
    if len(here) < len(requests):
        absent = {name: why for one in found for name, why in one.items()}
        first = next(iter(absent.values()))
        if not here:
            raise DataError(first)
        left_out = f"{len(requests) - len(here)} of {len(requests)} runs are left out"
        say(f"{left_out}, their data is not here: {', '.join(absent)}. {first}")
    return here


def _print_plan(requests: Sequence[Mapping[str, Any]], out: str, workers: int) -> None:
    from pathlib import Path

    from clipcompat.common.config import from_config
    from clipcompat.common.errors import DataError
    from clipcompat.runs.records import find_records
    from clipcompat.runs.run import Run
    from clipcompat.runs.sweep.estimate import estimate

    todo, absent = [], {}
    for request in requests:
        run = from_config(Run, request)
        try:
            done = run.record_file(out).exists()
        except DataError as error:  # a record's name is a hash of its pictures too
            done = False
            absent.setdefault(run.dataset, str(error))
        show(f"{'done' if done else 'to do'}  {_words(request)}")
        if not done:
            todo.append(request)
    records = find_records(out) if Path(out).is_dir() else []
    if absent:
        show(f"data not here: {', '.join(absent)}. Whether these runs are done shows only beside their data.")
        show(next(iter(absent.values())))
    show(
        f"{len(requests) - len(todo)} done, {len(todo)} to do with {workers} at once: "
        f"{estimate(todo, records, workers)}"
    )


def _words(request: Mapping[str, Any]) -> str:
    settings = f" ({', '.join(request['settings'])})" if request.get("settings") else ""
    return f"{request['upgrade']}  {request['dataset']}  {request['method']}{settings}"

"""Random SIGKILLs over a sweep of real tiny runs: is anything lost, done twice, or different?

    python -m benchmarks.kills --runs 60 --workers-killed 20 --drivers-killed 5 [--engine ray]

Writes benchmarks/results/kills-<engine>.json, and exits 1 if the store differs from an undisturbed one. `make kills`
does so for both engines.
"""

import argparse
import importlib.metadata
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import torch

from clipcompat.common.files import to_json, write_atomic
from clipcompat.runs.records import environment, find_records, now
from clipcompat.runs.sweep.jobs import run_serially
from clipcompat.runs.sweep.sweep import failures, sweep
from tests.trees import PROJECT, child_environment, write_eurosat

DRIVER = """
import functools, json, sys
from clipcompat.runs.sweep.on_ray import run_on_ray
from clipcompat.runs.sweep.pool import run_in_pool
from clipcompat.runs.sweep.sweep import begin_worker, sweep

if __name__ == "__main__":
    requests = [{**r, "seeds": tuple(r["seeds"]), "settings": tuple(r["settings"])} for r in json.loads(sys.argv[1])]
    pool = functools.partial(run_in_pool, workers=[("cpu",)] * 2, begin=begin_worker, threads=1)
    ray = sys.argv[3] == "ray"
    for outcome in sweep(requests, sys.argv[2], run_on_ray if ray else pool, away=ray):
        print(outcome.job.number, outcome.error, flush=True)
"""


def requests(root: str, count: int) -> list[dict[str, Any]]:
    """Tiny runs on two random mini backbones, each with another learning rate."""
    plain = {"method": "coop", "dataset": "eurosat", "upgrade": "mini", "root": root, "shots": 1, "views": 1}
    plain |= {"device": "cpu", "dtype": "fp32", "old_weights": "random:1", "new_weights": "random:2", "seeds": (1, 2)}
    quick = ("n_ctx=2", "recipe.batch_size=2", "recipe.epochs=2")
    return [plain | {"settings": (*quick, f"recipe.lr={0.001 * (n + 1):.3f}")} for n in range(count)]


def numbers(out: Path) -> dict[str, Any]:
    """id -> rows, times aside."""
    return {r.id: r.per_seed for r in find_records(out)}


def stamp(engine: str) -> dict[str, Any]:
    """When and on what it was measured: date (UTC), hash of the code that decides numbers, versions, device."""
    found = environment(torch.device("cpu"))
    return {"measured": now(), **found, **({"ray": importlib.metadata.version("ray")} if engine == "ray" else {})}


def workers_of(driver: subprocess.Popen, engine: str) -> list[psutil.Process]:
    """The processes that run jobs for this driver."""
    mark = "ray::task_in_worker" if engine == "ray" else "spawn_main"
    found = []
    for process in psutil.Process(driver.pid).children(recursive=True):
        try:
            if mark in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def disturb(
    wanted: list[dict], out: Path, engine: str, workers: int, drivers: int, rng: random.Random
) -> dict[str, int]:
    """Drive the sweep to its end through that many kills; how many there were."""
    killed = {"workers": 0, "drivers": 0}
    while True:
        script = out.with_name("drive.py")
        script.write_text(DRIVER)
        command = [sys.executable, str(script), json.dumps(wanted), str(out), engine]
        with open(os.devnull, "w") as nowhere:
            driver = subprocess.Popen(command, cwd=PROJECT, env=child_environment(), stdout=nowhere, stderr=nowhere)
        share = -(-workers // (drivers + 1)) * (killed["drivers"] + 1)  # worker kills before this driver's own
        while driver.poll() is None:
            time.sleep(rng.uniform(0.2, 3))
            targets = workers_of(driver, engine) if driver.poll() is None else []
            if not targets:
                continue
            if killed["workers"] < min(share, workers):
                rng.choice(targets).kill()
                killed["workers"] += 1
            elif killed["drivers"] < drivers:
                driver.kill()
                killed["drivers"] += 1
        if driver.wait() == 0:
            return killed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--workers-killed", type=int, default=20)
    parser.add_argument("--drivers-killed", type=int, default=5)
    parser.add_argument("--engine", choices=("pool", "ray"), default="pool")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)  # a little EuroSAT is said to be incomplete, with every run
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        wanted = requests(str(write_eurosat(place / "data")), options.runs)
        for _ in sweep(wanted, place / "calm", run_serially):
            pass
        started = time.monotonic()
        rng = random.Random(options.seed)
        killed = disturb(wanted, place / "out", options.engine, options.workers_killed, options.drivers_killed, rng)
        calm, found = numbers(place / "calm"), numbers(place / "out")
        result = {
            **stamp(options.engine),
            "engine": options.engine,
            "runs": options.runs,
            "killed": killed,
            "lost": len(calm.keys() - found.keys()),
            "different": sum(found[i] != calm[i] for i in calm.keys() & found.keys()),
            "failed": len(failures(place / "out")),
            "seconds": round(time.monotonic() - started, 1),
        }
    print(json.dumps(result))
    if killed != {"workers": options.workers_killed, "drivers": options.drivers_killed}:
        print("the sweep ended before all kills, so nothing is written; give more --runs", file=sys.stderr)
        return 1
    write_atomic(Path(__file__).parent / "results" / f"kills-{options.engine}.json", to_json(result) + "\n")
    return 1 if result["lost"] or result["different"] or result["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())

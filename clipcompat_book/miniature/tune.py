"""Choosing the mini recipes: the same trials for every method, on the development sets, on old backbones only.

    python -m clipcompat_book.miniature.tune old-1.safetensors old-2.safetensors --out trials.jsonl

Validation pictures of the whole pool (16 per class) decide; the few-shot draw's own four per class are too few. Test
pictures and new backbones are never touched. A trial already in the file is not run again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.load import load_backbone
from clipcompat.common.errors import DivergedError
from clipcompat.common.files import hash_file, to_json, write_atomic
from clipcompat.data.load import load_dataset
from clipcompat.data.mini.datasets import development_names
from clipcompat.data.split import Dataset, Split
from clipcompat.methods import METHODS
from clipcompat.methods.defaults import mini_method
from clipcompat.plugins.fit import fit, named_teacher
from clipcompat.studies.accuracy import accuracy
from clipcompat.training.learner import Method

TRIALS = (5e-4, 2e-3, 8e-3, 3.2e-2, 0.128, 0.512, 2.048, 8.192)
"""Learning rates tried for every method."""

TUNED = set(METHODS) - {"zero_shot", "linear_probe", "tip_adapter"} | {"dpc", "maple", "promptsrc", "promptkd"}
TUNED |= {"taskres", "zs_lp", "clap", "prolip", "clip_lora"}
"""Methods that have a tuned rate. Of DPC, stage 2 over its default learner: stage 1 has the learner's own rate."""

_SEEDS = (1, 2)


def tune(methods: Sequence[str], weights: Sequence[Path], out: Path) -> None:
    """Run what is missing of methods × TRIALS × development sets × old backbones × seeds; one line per training."""
    lines = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    done = {_trial(line) for line in lines}
    for path in weights:
        backbone = load_backbone("mini-old", path, device="cpu")
        for name in development_names():
            val = load_dataset(name, shots=None).val
            for seed in _SEEDS:
                data = load_dataset(name, shots=16, seed=seed)
                for method in methods:
                    trials = [{"method": method, "lr": lr, "dataset": name, "seed": seed} for lr in TRIALS]
                    trials = [line | {"old": hash_file(path)} for line in trials]
                    trials = [line for line in trials if _trial(line) not in done]
                    start = _start(method, backbone, data, seed) if trials else {}
                    for line in trials:
                        tried = mini_method(method, line["lr"])
                        lines.append(line | _measured(tried, backbone, data, val, seed, start))
                        write_atomic(out, "".join(to_json(x, indent=None) + "\n" for x in lines))


def _start(name: str, backbone: Backbone, data: Dataset, seed: int) -> dict[str, Any]:
    """What all trials of a method start from, if from anything: stage 1 of DPC, or a teacher, is trained once."""
    method = mini_method(name)
    found = {} if method.starts_from is None else {"init": fit(method.starts_from, backbone, data, seed=seed)}
    if (teacher := named_teacher(method, backbone, data)) is not None:
        its, wide, taught = teacher
        found["teacher"] = (fit(its, wide, taught, seed=seed), wide)
    return found


def _measured(
    method: Method, backbone: Backbone, data: Dataset, val: Split, seed: int, start: dict[str, Any]
) -> dict[str, float | None]:
    try:
        plugin = fit(method, backbone, data, seed=seed, **start)
    except DivergedError:  # a rate that is too high is a result, too
        return {"val": 0.0, "seconds": None}
    return {"val": round(accuracy(plugin, backbone, val), 2), "seconds": plugin.origin["seconds"]}


def _trial(line: dict[str, Any]) -> tuple:
    return tuple(line[key] for key in ("method", "lr", "dataset", "seed", "old"))


def chosen(lines: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The learning rate of the highest mean validation accuracy for every method; of equals the smaller."""
    best: dict[str, float] = {}
    for method in sorted({line["method"] for line in lines}):
        means = {lr: fmean(x["val"] for x in lines if (x["method"], x["lr"]) == (method, lr)) for lr in sorted(TRIALS)}
        best[method] = max(means, key=lambda lr: (round(means[lr], 6), -lr))
        print(method, {lr: round(mean, 2) for lr, mean in means.items()})
    return best


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m clipcompat_book.miniature.tune", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("weights", nargs="+", type=Path, help="weights of mini-old")
    parser.add_argument("--methods", nargs="+", default=sorted(TUNED))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    tune(options.methods, options.weights, options.out)
    lines = [json.loads(line) for line in options.out.read_text().splitlines()]
    print(chosen([line for line in lines if line["method"] in options.methods]))


if __name__ == "__main__":
    main()

"""Whether the miniature is worth measuring on: headroom on the old backbone, asked before any upgrade is looked at.

    python -m clipcompat_book.miniature.acceptance old-1.safetensors old-2.safetensors --out acceptance.jsonl

Zero-shot must be 25–90 % on every set; a 16-shot linear probe 5 points above it on at least 8 of the 11; CoOp 5 points
above it on average, with a standard deviation over seeds of at most 4 points.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch.nn.functional as F

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.load import load_backbone
from clipcompat.common.files import hash_file, to_json, write_atomic
from clipcompat.data.load import load_dataset
from clipcompat.data.mini.datasets import study_names
from clipcompat.data.split import Dataset
from clipcompat.features.encode import encode_split
from clipcompat.methods import ZeroShot
from clipcompat.methods.defaults import mini_method
from clipcompat.methods.linear_probe import logistic_regression
from clipcompat.plugins.fit import fit
from clipcompat.studies.accuracy import accuracy

_DECAYS = (1e-3, 1e-2, 1e-1)


def measure(backbone: Backbone, name: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Zero-shot, and by seed the linear probe and CoOp, in percent of the test pictures."""
    probes, prompts = [], []
    for seed in seeds:
        data = load_dataset(name, shots=16, seed=seed)
        probes.append(round(linear_probe(backbone, data), 2))
        prompts.append(round(accuracy(fit(mini_method("coop"), backbone, data, seed=seed), backbone, data.test), 2))
    zero_shot = round(accuracy(fit(ZeroShot(), backbone, data), backbone, data.test), 2)
    return {"dataset": name, "zero_shot": zero_shot, "linear_probe": probes, "coop": prompts, "seeds": list(seeds)}


def linear_probe(backbone: Backbone, data: Dataset) -> float:
    """Test accuracy of logistic regression on standardised joint features; validation pictures choose the decay."""
    x, y = encode_split(backbone, data.train), data.train.labels
    mean, sd = x.mean(0), x.std(0) + 1e-6
    parts = [((encode_split(backbone, split) - mean) / sd, split.labels) for split in (data.val, data.test)]
    scores = []
    for decay in _DECAYS:  # of the mean loss
        fitted = logistic_regression((x - mean) / sd, y, len(data.classnames), 1 / (decay * len(x)), max_iter=1000)
        guesses = [F.linear(f, fitted["weight"], fitted["bias"]).argmax(1) for f, _ in parts]
        scores.append([100 * float((g == t).double().mean()) for g, (_, t) in zip(guesses, parts, strict=True)])
    _, on_test = max(scores, key=lambda pair: pair[0])  # of equals the first
    return on_test


def verdict(lines: Sequence[dict[str, Any]]) -> dict[str, bool]:
    """Which of the four demands the lines of one old backbone meet."""
    over = [fmean(x["linear_probe"]) - x["zero_shot"] for x in lines]
    return {
        "zero-shot is 25–90 % on every set": all(25 <= x["zero_shot"] <= 90 for x in lines),
        "linear probe is 5 points above on 8 sets": sum(gap >= 5 for gap in over) >= 8,
        "CoOp is 5 points above on average": fmean(fmean(x["coop"]) - x["zero_shot"] for x in lines) >= 5,
        "CoOp's sd over seeds is at most 4 on every set": max(stdev(x["coop"]) for x in lines) <= 4,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    about = __doc__.partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m clipcompat_book.miniature.acceptance", description=about)
    parser.add_argument("weights", nargs="+", type=Path, help="weights of mini-old")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--datasets", nargs="+", default=study_names())
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    lines = []
    for path in options.weights:
        backbone = load_backbone("mini-old", path, device="cpu")
        mine = []
        for name in options.datasets:
            mine.append({"old": hash_file(path)} | measure(backbone, name, options.seeds))
            print(to_json(mine[-1], indent=None), flush=True)
        lines += mine
        print(json.dumps(verdict(mine), indent=1, ensure_ascii=False))
        write_atomic(options.out, "".join(to_json(x, indent=None) + "\n" for x in lines))


if __name__ == "__main__":
    main()

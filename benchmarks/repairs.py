"""What a repair takes beside training again: processor seconds of both, in turns, into benchmarks/results/.

    python -m benchmarks.repairs            # on one CPU core some minutes; methods that are in the file are left out
    python -m benchmarks.repairs --again    # all of them

Both sides begin with the plug-in and undecoded pictures, and have no cache of features. A ratio holds for this task
and the miniature's recipes, of at most 100 steps; at full size a recipe takes thousands.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import median
from typing import Any

import torch

from benchmarks.bench import RESULTS, device_name
from benchmarks.clocks import processor_seconds
from clipcompat.backbones.upgrade import Upgrade, load_upgrade
from clipcompat.common.files import to_json, write_atomic
from clipcompat.data.load import load_dataset
from clipcompat.data.split import Dataset
from clipcompat.methods.defaults import mini_method
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin
from clipcompat.plugins.repair.pictures import unlabelled_pictures
from clipcompat.plugins.repair.repair import repair

DATASET, SHOTS, SEED, PICTURES, REPEATS = "mini/textures", 16, 1, 200, 3
JOINT = {"features": "projected", "normalize": True}
METHODS = (
    ("linear_probe", {}),
    ("tip_adapter", {}),
    ("coop", {}),
    ("contcoop", {}),
    ("linear_probe", JOINT),
    *(
        (name, {})
        for name in ("tip_adapter_f", "clip_adapter", "kgcoop", "dpc", "gda", "zs_lp", "clap", "lp_plus_plus")
    ),
)
"""(name, settings), as the study `repair` has them."""
SHORTER = ("coop", "contcoop")
"""Methods that the study `warm_start` trains on one picture per class and for two epochs, too."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--again", action="store_true", help="measure methods that are in the file, too")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    path = RESULTS / "repairs-cpu.json"
    rows = [] if options.again or not path.exists() else json.loads(path.read_text())["rows"]
    upgrade = load_upgrade("mini", device="cpu")
    about = {"dataset": DATASET, "shots": SHOTS, "pictures": PICTURES, "torch": torch.__version__}
    device = device_name(torch.device("cpu"))
    for name, settings in METHODS:
        if any((row["method"], row["settings"]) == (name, settings) for row in rows):
            continue
        rows.append(measure_repair(name, settings, upgrade, _say))
        write_atomic(path, to_json({"device": device, **about, "rows": rows}) + "\n")


def measure_repair(
    name: str, settings: Mapping[str, Any], upgrade: Upgrade, say: Callable[[str], None], repeats: int = REPEATS
) -> dict[str, Any]:
    """Median processor seconds of the default repair and of training on new with all labels; a start decides neither.

    For methods of `SHORTER` also with one label per class, and for two epochs.
    """
    method = replace(mini_method(name), **settings)
    plugin = fit(method, upgrade.old, _data(), seed=SEED, progress=False)
    ways = {"repair": lambda data: _repaired(plugin, upgrade, data), "retrain": _trained(method, upgrade)}
    if name in SHORTER:
        short = replace(method, recipe=replace(method.recipe, epochs=2))
        ways |= {"retrain_1_shots": _trained(method, upgrade, 1), "retrain_2_epochs": _trained(short, upgrade)}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, run in ways.items():
            data = _forgotten(upgrade)
            times[way].append(processor_seconds(lambda run=run, data=data: run(data)))
    seconds = {way: median(its) for way, its in times.items()}
    row = {
        "method": name,
        "settings": dict(settings),
        "seconds": seconds,
        "ratio": seconds["repair"] / seconds["retrain"],
        "spread": {way: [min(its), max(its)] for way, its in times.items()},
        "repeats": repeats,
    }
    say(f"{name}: {seconds['repair']:.2f} s / {seconds['retrain']:.2f} s = {row['ratio']:.2f}")
    return row


def _data() -> Dataset:
    return load_dataset(DATASET, shots=SHOTS, seed=SEED)


def _forgotten(upgrade: Upgrade) -> Dataset:
    """The data, undecoded; and both backbones forget their features."""
    for backbone in (upgrade.old, upgrade.new):
        backbone.memory.clear()
    return _data()


def _repaired(plugin: Plugin, upgrade: Upgrade, data: Dataset) -> Plugin:
    return repair(plugin, upgrade, unlabelled_pictures(data, PICTURES, SEED), progress=False)


def _trained(method, upgrade: Upgrade, shots: int = SHOTS) -> Callable[[Dataset], Plugin]:
    return lambda data: fit(method, upgrade.new, data.few(shots), seed=SEED, progress=False)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

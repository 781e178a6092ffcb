"""What unlabelled pictures show of plug-ins on mini upgrades, beside the accuracies that labels show.

    python -m clipcompat_book.miniature.audits results/plugins --upgrades mini mini-two-steps --out audits.jsonl

Per upgrade and plug-in of its old backbone: a line for the plug-in carried, for zero-shot and, where a map of 200
pictures can repair it, for the repaired one. Each has the accuracy on new; the signs of `clipcompat.audits.signs`, with
the accuracy on old known, known from validation pictures (_val), and not known (_untold); and the estimates of ATC, DoC
and FRAP, of which the first two see the labels of validation pictures. All are shares of 1, of the test pictures. Lines
that the file has are not made again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipcompat.audits.rivals import atc, doc, frap
from clipcompat.audits.signs import signs, teacher
from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.upgrade import Upgrade, load_upgrade
from clipcompat.common.config import to_config
from clipcompat.common.errors import ClipcompatError
from clipcompat.common.files import to_json, write_atomic
from clipcompat.data.load import load_dataset
from clipcompat.data.split import Dataset, Split
from clipcompat.features.encode import Cache
from clipcompat.methods import METHODS
from clipcompat.methods.defaults import mini_method
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.plugin import Plugin, load_plugin
from clipcompat.plugins.repair.pictures import unlabelled_pictures
from clipcompat.plugins.repair.repair import repair
from clipcompat.plugins.repair.translate import is_translatable

_LEFT_OUT = ("cocoop", "zero_shot")  # the first is slow; the second learns nothing


def measure(plugin: Plugin, upgrade: Upgrade, data: Dataset, cache: Cache = None) -> Iterator[dict[str, Any]]:
    """A line for the carried plug-in, for zero-shot, and for a repaired one."""
    zero_shot = fit(ZeroShot(), upgrade.old, data, progress=False)
    old, new, labels, of_val = upgrade.old, upgrade.new, data.test.labels, data.val.labels

    def answers(a_plugin: Plugin, backbone: Backbone, split: Split = data.test) -> Tensor:
        return a_plugin.logits(backbone, split, cache).cpu()

    on_old, on_val = answers(plugin, old), answers(plugin, old, data.val)
    known, on_labels = _share(on_old, labels), _share(on_val, of_val)
    teachers = {"": teacher(on_old, known), "_val": teacher(on_old, on_labels), "_untold": teacher(on_old)}
    zs_val, zs_new = answers(zero_shot, old, data.val), answers(zero_shot, new)
    lines = {"carried": (on_val, answers(plugin, new)), "zero-shot": (zs_val, zs_new)}
    if is_translatable(plugin.method):
        pictures = unlabelled_pictures(data, 200, data.seed)
        repaired = repair(plugin, upgrade, pictures, cache=cache, progress=False)
        lines["repaired"] = (on_val, answers(repaired, new))
    told = {"accuracy": known, "zero_shot": _share(zs_new, labels), "chance": 1 / len(data.classnames)}
    for what, (source, logits) in lines.items():
        target, seen = logits.softmax(-1), source.softmax(-1)
        found = {f"{k}{how}": v for how, t in teachers.items() for k, v in signs(t, logits.argmax(-1)).items()}
        found |= {
            "atc": atc(seen, of_val, target),
            "atc_entropy": atc(seen, of_val, target, "entropy"),
            "doc": doc(seen, of_val, target),
            "frap": frap(target, zs_new),
        }
        line = {"new": _share(logits, labels)} | told | found
        yield {"what": what} | {name: round(share, 5) for name, share in line.items()}


def _share(scores: Tensor, labels: Tensor) -> float:
    return float((scores.argmax(-1) == labels).double().mean())


def plugins_of(folders: Sequence[Path], seeds: Sequence[int]) -> Iterator[Plugin]:
    """Plug-ins of 16 shots and the recipes that this version ships, one of each training."""
    seen = set()
    for file in sorted(file for folder in folders for file in folder.glob("*.safetensors")):
        name = next((name for name in sorted(METHODS, key=len, reverse=True) if file.name.startswith(f"{name}-")), "")
        if name in (*_LEFT_OUT, ""):
            continue
        try:
            plugin = load_plugin(file)
        except ClipcompatError:
            continue  # of another version
        origin = plugin.origin
        key = (name, origin["dataset"], origin["seed"], origin["backbone"]["stamp"])
        known = origin["shots"] == 16 and origin["seed"] in seeds and not origin.get("repair")
        if key not in seen and known and to_config(plugin.method) == to_config(mini_method(name)):
            seen.add(key)
            yield plugin


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m clipcompat_book.miniature.audits", description=__doc__)
    parser.add_argument("plugins", nargs="+", type=Path, help="folders of plug-ins, as runs keep them")
    parser.add_argument("--upgrades", nargs="+", required=True, metavar="NAME[=TITLE]")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--cache")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    lines = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    done = {(x["upgrade"], x["dataset"], x["method"], x["seed"]) for x in lines}
    plugins = list(plugins_of(options.plugins, options.seeds))
    for named in options.upgrades:
        name, _, title = named.partition("=")
        upgrade = load_upgrade(name, device="cpu")
        mine = [plugin for plugin in plugins if plugin.is_tuned_on(upgrade.old)]
        for plugin in sorted(mine, key=lambda p: (p.origin["dataset"], p.origin["seed"], p.method.name)):
            what = (title or name, plugin.origin["dataset"], plugin.method.name, plugin.origin["seed"])
            if what in done:
                continue
            data = load_dataset(what[1], shots=16, seed=what[3])
            keys = dict(zip(("upgrade", "dataset", "method", "seed"), what, strict=True))
            lines += [keys | line for line in measure(plugin, upgrade, data, options.cache)]
            ordered = sorted(lines, key=lambda x: (x["upgrade"], x["dataset"], x["method"], x["seed"], x["what"]))
            write_atomic(options.out, "".join(to_json(x, indent=None) + "\n" for x in ordered))
        print(title or name, len(mine), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

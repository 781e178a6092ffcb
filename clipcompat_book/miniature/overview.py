"""What the miniature consists of, counted and read from its definitions and its committed logs.

words_said(20_000)["rare"]["disc"]     # how many captions say "disc"
acceptance_table(mini_log("acceptance"))
"""

from __future__ import annotations

import importlib.resources
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from clipcompat.backbones.mini.manifest import weights
from clipcompat.common.errors import DataError
from clipcompat.data.mini import words
from clipcompat.data.mini.captions import captions
from clipcompat.data.mini.datasets import load_mini, study_names
from clipcompat.data.mini.sets import SETS
from clipcompat.data.mini.world import sample_scenes
from clipcompat.runs.tables import Table, cell
from clipcompat.studies.statistic import Statistic
from clipcompat_book.means import groups
from clipcompat_book.miniature.acceptance import verdict
from clipcompat_book.miniature.pretrain import RECIPES
from clipcompat_book.words import short_name

_LEVELS = ("rare", "rarer", "rarest")


def set_lines(names: Sequence[str]) -> str:
    """Markdown: one line per mini dataset, with the real one whose place it takes and what makes it hard."""
    lines = []
    for name in names:
        kind = SETS[name]
        place = f"in the place of {kind.mirrors}; " if kind.mirrors else ""
        lines.append(f"- **{name}** ({place}{len(kind.classes)} classes, “{kind.template}”): {kind.hard}.")
    return "\n".join(lines)


def sample_pictures(name: str, n: int) -> list[tuple[Image.Image, str]]:
    """n test pictures of a mini dataset with their class names, from classes all over its list."""
    test = load_mini(name).test
    step = max(1, len(test.classnames) // n)
    step += len(test.classnames) >= 4 * n  # neighbours have something in common: not always the same of each group
    return [(test.images[i], test.classnames[test.labels[i]]) for i in range(0, n * step, step)]


def one_of_each() -> tuple[list[Image.Image], list[str]]:
    """A test picture of each of the eleven datasets, and its title: the dataset, and below it the class name."""
    shown = [(short_name(name), *sample_pictures(name, 2)[1]) for name in study_names()]
    return [picture for _, picture, _ in shown], [f"{name}\n{classname}" for name, _, classname in shown]


def vocabulary() -> dict[str, tuple[str, ...]]:
    """The words for shapes, colours and textures, from common to unseen."""
    rare = {**words.RARE_SHAPES, **words.RARE_COLOURS, **words.RARE_TEXTURES}
    unseen = {**words.UNSEEN_SHAPES, **words.UNSEEN_COLOURS, **words.UNSEEN_TEXTURES}
    found = {"common": tuple(rare)}
    found |= {level: tuple(dict.fromkeys(rarer[k] for rarer in rare.values())) for k, level in enumerate(_LEVELS)}
    return found | {"unseen": tuple(unseen.values())}


def words_said(n: int = 20_000, seed: int = 1) -> dict[str, dict[str, int]]:
    """Group -> word -> how often `n` captions of pretraining say it; "polka dotted" does not count for "dotted"."""
    index = np.arange(n)
    text = " \n ".join(captions(sample_scenes(seed, index), seed, index))
    by_level = vocabulary()
    longest_first = sorted({word for level in by_level.values() for word in level}, key=len, reverse=True)
    counts = Counter(re.findall(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b", text))
    return {group: {word: counts[word] for word in members} for group, members in by_level.items()}


def mini_log(name: str) -> list[dict[str, Any]]:
    """The lines of a committed log of the miniature: "acceptance", "trials", or a file of curves in weights/.

    Raises:
        DataError: this version has no such log.
    """
    for file in (importlib.resources.files(__package__) / f"{name}.jsonl", _weights() / f"{name}.jsonl"):
        if file.is_file():
            return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    raise DataError(f"this version has no log {name}.jsonl of the miniature; mini_logs() lists the curves it has.")


def mini_logs() -> tuple[str, ...]:
    """The names of the committed files of curves, one per pretraining run."""
    return tuple(sorted(p.name.removesuffix(".jsonl") for p in _weights().iterdir() if p.name.endswith(".jsonl")))


def _weights():
    """Curves lie beside the weights that they led to."""
    return importlib.resources.files("clipcompat.backbones.mini") / "weights"


def by_old(lines: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Old backbone -> its lines of the acceptance log, one per set."""
    return groups(lines, lambda line: _old(line["old"]))


def accuracies_by_rate(lines: Sequence[Mapping[str, Any]]) -> dict[str, dict[float, list[float]]]:
    """Method -> learning rate -> validation accuracy of every trial; 0 where the training diverged."""
    by_method = groups(lines, lambda line: line["method"])
    by_rate = {method: groups(own, lambda line: line["lr"]) for method, own in by_method.items()}
    return {method: {lr: [line["val"] for line in own] for lr, own in its.items()} for method, its in by_rate.items()}


def verdict_table(lines: Sequence[Mapping[str, Any]]) -> Table:
    """The demands on the miniature as rows, and whether each old backbone meets them, from the acceptance log."""
    verdicts = {old: verdict(own) for old, own in by_old(lines).items()}
    demands = dict.fromkeys(demand for one in verdicts.values() for demand in one)
    rows = [(demand, *("met" if one[demand] else "not met" for one in verdicts.values())) for demand in demands]
    return Table(("demand", *verdicts), tuple(rows), "Demands on old backbones; all sets, 16 shots.")


def acceptance_table(lines: Sequence[Mapping[str, Any]]) -> Table:
    """One row per set and old backbone: zero-shot, 16-shot linear probe and CoOp, mean ± sd over seeds."""
    rows = []
    for x in lines:
        tuned = (cell(Statistic.of(x[method])) for method in ("linear_probe", "coop"))
        rows.append((x["dataset"], _old(x["old"]), f"{x['zero_shot']:.1f}", *tuned))
    caption = "Test accuracy on old backbones, percent, mean ± sd over seeds."
    return Table(("set", "backbone", "zero-shot", "linear probe", "CoOp"), tuple(rows), caption)


def weights_table() -> Table:
    """One row per pretraining run of the manifest: what it started from, how long it went on, which weights it made."""
    known = weights()
    titles = {sha: f"{facts['name']} {facts['number']}" for sha, facts in known.items()}
    names = list(RECIPES)
    order = sorted(known, key=lambda x: (names.index(known[x]["name"]), known[x]["number"], known[x]["steps_taken"]))
    rows = [
        (
            titles[sha] + (", made again" if facts.get("again") else ""),
            str(facts["seed"]),
            "nothing" if facts["source"] is None else titles.get(facts["source"], facts["source"][:8]),
            f"{facts['steps_taken']:,}" + ("" if facts["steps_taken"] == facts["steps"] else f" of {facts['steps']:,}"),
            sha[:8],
        )
        for sha, facts in ((sha, known[sha]) for sha in order)
    ]
    return Table(("weights", "seed", "started from", "steps", "sha256"), tuple(rows), "Pretraining runs.")


def _old(sha: str) -> str:
    known = weights().get(sha)
    return f"old {known['number']}" if known else sha[:8]

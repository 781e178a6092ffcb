"""The miniature told by itself: what it consists of, counted and read from its definitions and its committed logs.

    words_said(20_000)["rare"]["disc"]     # how many captions say "disc"
    acceptance_table(mini_log("acceptance"))
"""

from __future__ import annotations

import importlib.resources
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import numpy as np

from clipcompat.errors import DataError
from clipcompat.mini import words
from clipcompat.mini.captions import captions
from clipcompat.mini.manifest import weights
from clipcompat.mini.sets import SETS
from clipcompat.mini.world import sample_scenes
from clipcompat.tables import Table

_LEVELS = ("rare", "rarer", "rarest")


def set_lines(names: Sequence[str]) -> str:
    """Markdown: a line a mini dataset, with the real one whose place it takes and what makes it hard."""
    told = []
    for name in names:
        kind = SETS[name]
        place = f"in the place of {kind.mirrors}; " if kind.mirrors else ""
        told.append(f"- **{name}** ({place}{len(kind.classes)} classes, `{kind.template}`): {kind.hard}.")
    return "\n".join(told)


def vocabulary() -> dict[str, tuple[str, ...]]:
    """The words for shapes, colours and textures, from common to unseen."""
    rare = {**words.RARE_SHAPES, **words.RARE_COLOURS, **words.RARE_TEXTURES}
    unseen = {**words.UNSEEN_SHAPES, **words.UNSEEN_COLOURS, **words.UNSEEN_TEXTURES}
    groups = {"common": tuple(rare)}
    groups |= {level: tuple(dict.fromkeys(found[k] for found in rare.values())) for k, level in enumerate(_LEVELS)}
    return groups | {"unseen": tuple(unseen.values())}


def words_said(n: int = 20_000, seed: int = 1) -> dict[str, dict[str, int]]:
    """Group -> word -> how often `n` captions of pretraining say it; "polka dotted" does not count for "dotted"."""
    index = np.arange(n)
    told = " \n ".join(captions(sample_scenes(seed, index), seed, index))
    groups = vocabulary()
    longest_first = sorted({word for group in groups.values() for word in group}, key=len, reverse=True)
    found = Counter(re.findall(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b", told))
    return {group: {word: found[word] for word in members} for group, members in groups.items()}


def mini_log(name: str) -> list[dict[str, Any]]:
    """The lines of a committed log of the miniature: "acceptance", "recipes", or a file of curves in weights/.

    Raises:
        DataError: this version has no such log.
    """
    folder = importlib.resources.files("clipcompat") / "mini"
    for file in (folder / f"{name}.jsonl", folder / "weights" / f"{name}.jsonl"):
        if file.is_file():
            return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    raise DataError(f"this version has no log {name}.jsonl of the miniature; mini_logs() lists the curves it has.")


def mini_logs() -> tuple[str, ...]:
    """The names of the committed files of curves, one a pretraining run."""
    folder = importlib.resources.files("clipcompat") / "mini" / "weights"
    return tuple(sorted(p.name.removesuffix(".jsonl") for p in folder.iterdir() if p.name.endswith(".jsonl")))


def acceptance_table(lines: Sequence[Mapping[str, Any]]) -> Table:
    """A row a set and old backbone: zero-shot, 16-shot linear probe and CoOp, mean ± sd over seeds."""
    names = {sha: f"old {facts['number']}" for sha, facts in weights().items()}
    rows = [
        (
            x["dataset"],
            names.get(x["old"], x["old"][:8]),
            f"{x['zero_shot']:.1f}",
            _over_seeds(x["linear_probe"]),
            _over_seeds(x["coop"]),
        )
        for x in lines
    ]
    caption = "Test accuracy on old backbones, percent, mean ± sd over seeds."
    return Table(("set", "backbone", "zero-shot", "linear probe", "CoOp"), tuple(rows), caption)


def weights_table() -> Table:
    """A row a pretraining run of the manifest: what it started from, how long it went on, which weights it made."""
    known = weights()
    titles = {sha: f"{facts['name']} {facts['number']}" for sha, facts in known.items()}
    rows = [
        (
            titles[sha],
            str(facts["seed"]),
            "nothing" if facts["source"] is None else titles.get(facts["source"], facts["source"][:8]),
            f"{facts['steps_taken']:,}" + ("" if facts["steps_taken"] == facts["steps"] else f" of {facts['steps']:,}"),
            sha[:8],
        )
        for sha, facts in known.items()
    ]
    return Table(("weights", "seed", "started from", "steps", "sha256"), tuple(rows), "Pretraining runs.")


def _over_seeds(values: Sequence[float]) -> str:
    return f"{fmean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")

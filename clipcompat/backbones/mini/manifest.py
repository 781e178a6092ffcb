"""All pretrained mini weights, shipped or not, by their hash: gives the hashes in a record a name.

    python -m clipcompat.backbones.mini.manifest old-1.safetensors new-1.safetensors …

adds files to the manifest. Backbones pretrained from other seeds have a number: new 2 was trained from old 2. An
upgrade from old 1 to new 2 joins unrelated backbones; it is the control for the true upgrade.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from clipcompat.backbones.catalog import upgrade_kind
from clipcompat.common.files import hash_file, to_json, write_atomic

MANIFEST = Path(__file__).with_name("weights") / "manifest.json"


@lru_cache(maxsize=1)
def weights() -> dict[str, dict[str, Any]]:
    """sha256 -> name, number, seed, steps_taken, steps, world, source (sha256 of the weights it started from)."""
    return json.loads(MANIFEST.read_text(encoding="utf-8")) if MANIFEST.is_file() else {}


def pair_title(inputs: Mapping[str, Any]) -> str:
    """What an upgrade of a record is called in tables: its name, and which pair where it is not the first."""
    given = (inputs["old_weights"], inputs["new_weights"])
    shipped = inputs.get("shipped") or (None, None)
    known = [weights().get((w or s or "").removeprefix("sha256:")) for w, s in zip(given, shipped, strict=True)]
    title = inputs["upgrade"]
    if upgrade_kind(title) != "mini" or not all(known):
        return title + ("*" if any(given) else "")
    old, new = known
    if old["number"] != new["number"]:
        title = f"{title}, old {old['number']} → new {new['number']}"
    elif new["number"] != 1:
        title = f"{title}, pair {new['number']}"
    return title if new["steps_taken"] == new["steps"] else f"{title}, step {new['steps_taken']}"


def describe(path: str | Path) -> tuple[str, dict[str, Any]]:
    """The manifest's entry for a file that `pretrain` wrote: its sha256, and the fields of `weights`."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["clipcompat"])
    entry = {key: facts[key] for key in ("name", "seed", "steps", "steps_taken", "source", "world")}
    return hash_file(path), {**entry, "number": facts["seed"] % 10}


def main(files: Sequence[str]) -> None:
    known = dict(weights()) | dict(map(describe, files))
    rows = sorted(known.items(), key=lambda row: (row[1]["name"], row[1]["number"], row[1]["steps_taken"]))
    write_atomic(MANIFEST, to_json(dict(rows)) + "\n")
    print(f"{MANIFEST.name} knows {len(known)} weights")


if __name__ == "__main__":
    main(sys.argv[1:])

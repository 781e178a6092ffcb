"""Add pretrained mini weights to the manifest, so that the hashes in a record have names.

python -m clipcompat_book.miniature.register old-1.safetensors new-1.safetensors …
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clipcompat.backbones.mini.manifest import MANIFEST, weights
from clipcompat.common.files import hash_file, to_json, write_atomic


def describe(path: str | Path) -> tuple[str, dict[str, Any]]:
    """The manifest's entry for a file that `pretrain` wrote: its sha256, and the fields of `weights`."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["clipcompat"])
    entry = {key: facts[key] for key in ("name", "seed", "steps", "steps_taken", "source", "world")}
    return hash_file(path), {**entry, "number": facts["seed"] % 10}


def main(files: Sequence[str]) -> None:
    """Add the files to the manifest, sorted by name, number and steps."""
    known = dict(weights())
    for sha, entry in map(describe, files):
        recipe = {key: value for key, value in entry.items() if key != "source"}  # which may be made again itself
        again = any(recipe.items() <= other.items() for former, other in known.items() if former != sha)
        known[sha] = entry | ({"again": True} if again else {})
    rows = sorted(known.items(), key=lambda row: (row[1]["name"], row[1]["number"], row[1]["steps_taken"]))
    write_atomic(MANIFEST, to_json(dict(rows)) + "\n")
    print(f"{MANIFEST.name} knows {len(known)} weights")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m clipcompat_book.miniature.register", description=__doc__)
    parser.add_argument("files", nargs="+", help="weights that pretraining wrote")
    main(parser.parse_args().files)

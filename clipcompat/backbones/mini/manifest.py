"""All pretrained mini weights, shipped or not, by their hash: gives the hashes in a record a name.

`python -m clipcompat_book.miniature.register` adds files to the manifest. Backbones pretrained from other seeds have a
number: new 2 was trained from old 2. An upgrade from old 1 to new 2 joins unrelated backbones; it is the control for
the true upgrade.
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

MANIFEST = Path(__file__).with_name("weights") / "manifest.json"


@lru_cache(maxsize=1)
def weights() -> dict[str, dict[str, Any]]:
    """sha256 -> name, number, seed, steps_taken, steps, world, source (sha256 of the weights it started from).

    Weights with "again" were made once more by the command of others, whose last digits they do not share.
    """
    return json.loads(MANIFEST.read_text(encoding="utf-8")) if MANIFEST.is_file() else {}

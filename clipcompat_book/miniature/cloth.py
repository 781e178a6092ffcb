"""A folder of pictures as a user might have it: cloth samples, in folders with a catalogue's names.

    python -m clipcompat_book.miniature.cloth samples

writes `samples/cloth`, one folder per class, and lists of names for `clipcompat run --names`: `raw.json` (folder names,
untouched), `plain.json` (everyday words) and `house.json` (words that no caption of pretraining uses, as if a firm had
made them up). The pictures are made as those of mini/fabrics are, but from a random stream of their own: no recipe was
chosen on them, and no other chapter has seen them.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from clipcompat.common.errors import StorageError
from clipcompat.common.files import to_json, write_atomic
from clipcompat.data.mini.datasets import RenderedImages
from clipcompat.data.mini.sets import SETS
from clipcompat.data.mini.words import RARE_COLOURS, RARE_TEXTURES, UNSEEN_COLOURS, UNSEEN_TEXTURES
from clipcompat.data.mini.world import COLOURS, TEXTURES

KINDS = ("raw", "plain", "house")
"""Lists of names beside the one that clean-up makes."""

_SET, _STREAM = "mini/fabrics", "cloth"
_CLASSES = 12
"""The first of the set: six colours in two patterns each."""


def cloth_names(kind: str = "plain") -> dict[str, str]:
    """Folder name -> class name: "001.VermilionBarred" -> "red striped".

    kind: "plain", "house", "raw" (the folder name itself), as in the files that `write_cloth` writes.
    """
    names = {}
    for number, codes in enumerate(list(SETS[_SET].classes.values())[:_CLASSES], 1):
        colour, texture = COLOURS[codes["colour"]], TEXTURES[codes["texture"]]
        trade = f"{RARE_COLOURS[colour][-1]} {RARE_TEXTURES[texture][-1]}"  # the rarest words that captions use
        folder = f"{number:03d}.{trade.title().replace(' ', '')}"
        house = f"{UNSEEN_COLOURS[colour]} {UNSEEN_TEXTURES[texture]}"
        names[folder] = {"plain": f"{colour} {texture}", "house": house, "raw": folder}[kind]
    return names


def write_cloth(folder: str | Path, count: int = 240) -> Path:
    """Write `count` pictures per class and the lists of names; returns the folder of class folders.

    That folder appears whole or not at all.

    Raises:
        StorageError: there is such a folder already, or nothing can be written there.
    """
    folder, classes = Path(folder), len(SETS[_SET].classes)
    target = folder / "cloth"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            for label, name in enumerate(cloth_names()):
                # picture i of the set is of class i modulo the number of classes
                images = RenderedImages(_SET, _STREAM, [label + classes * i for i in range(count)])
                Path(place, "cloth", name).mkdir(parents=True)
                for i in range(count):  # BMP: as many bytes whatever the version of a compressor
                    images[i].save(Path(place, "cloth", name, f"{i:04d}.bmp"))
            os.rename(Path(place, "cloth"), target)
    except OSError as error:
        raise StorageError(
            f"could not write {target}: {error.strerror or error}. Choose a folder that does not hold it yet."
        ) from error
    for kind in KINDS:
        write_atomic(folder / f"{kind}.json", to_json(cloth_names(kind)))
    return target


if __name__ == "__main__":
    print(write_cloth(*sys.argv[1:2] or ["samples"]))

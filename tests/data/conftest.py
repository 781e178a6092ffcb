"""A small data set in the community's layout: EuroSAT's folders and class names, a few 8-pixel JPEGs each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

CLASSES = {
    "AnnualCrop": "Annual Crop Land",
    "Forest": "Forest",
    "HerbaceousVegetation": "Herbaceous Vegetation Land",
    "Highway": "Highway or Road",
    "Industrial": "Industrial Buildings",
    "Pasture": "Pasture Land",
    "PermanentCrop": "Permanent Crop Land",
    "Residential": "Residential Buildings",
    "River": "River",
    "SeaLake": "Sea_or_Lake",  # an underscore, which must not reach a prompt
}
COUNTS = {"train": 6, "val": 5, "test": 3}


def write_picture(path: Path, colour: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (colour % 256, 40, 90)).save(path, "JPEG")
    return path


@pytest.fixture
def split() -> dict[str, list[list]]:
    """The content of a sound split file."""
    number, parts = 0, {part: [] for part in COUNTS}
    for label, (folder, name) in enumerate(CLASSES.items()):
        for part, count in COUNTS.items():
            for _ in range(count):
                number += 1
                parts[part].append([f"{folder}/{folder}_{number}.jpg", label, name])
    return parts


@pytest.fixture
def write_split(tmp_path: Path) -> Callable[..., Path]:
    """Writes a value as a split file and says where."""

    def write(content, path: Path | None = None) -> Path:
        path = path or tmp_path / "split_zhou_EuroSAT.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=4), encoding="utf-8")
        return path

    return write


@pytest.fixture
def eurosat(tmp_path: Path, split, write_split) -> Path:
    """A data root with a complete little `eurosat/`."""
    folder = tmp_path / "data" / "eurosat"
    for number, (path, _, _) in enumerate(entry for part in split.values() for entry in part):
        write_picture(folder / "2750" / path, number)
    write_split(split, folder / "split_zhou_EuroSAT.json")
    return folder.parent

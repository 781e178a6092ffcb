"""Few-shot lists that other projects publish, as lists that `load_dataset(indices=…)` takes.

2SFS (arXiv 2503.11609; FarinaMatteo/rethinking_fewshot_vlms): `shot_16-seed_1_train.jsonl`, one picture per line, with
`shot_16-seed_1_val.jsonl` beside it; ImageNet has no such val file, and then there are no validation pictures.
Cross-modal adaptation (arXiv 2301.06267; linzhiqiu/cross_modal_adaptation): `indices/<dataset>/shot_16-seed_1.json`.
Both name pictures by paths of their own machine. A key of ours begins behind the folder of the dataset's pictures.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clipcompat.common.errors import DataError, UnknownNameError
from clipcompat.data.public.layout import Layout, find_layout

_NAME = re.compile(r"shot_(\d+)-seed_(\d+)")
_PATHS = ("_impath", "impath")


def read_2sfs(path: Path, name: str) -> dict[str, Any]:
    """The list that a jsonl file belongs to: dataset, shots, seed, train and val. path: of the train file, or of val.

    Raises:
        DataError: a file is missing or damaged, is not named as theirs, or is of another dataset.
    """
    stem = path.name.removesuffix(".jsonl")
    base, part = stem.rpartition("_")[::2]
    if part not in ("train", "val") or not _NAME.fullmatch(base):
        raise DataError(
            f"{path} is not named as a few-shot list of 2SFS, such as shot_16-seed_1_train.jsonl. Keep its name."
        )
    lists = {}
    for each in ("train", "val"):
        beside = path.with_name(f"{base}_{each}.jsonl")
        lists[each] = [] if each == "val" and not beside.is_file() else _lines(beside)
    return published(lists, path, name)


def published(parts: Mapping[str, Sequence[Any]], path: Path, name: str) -> dict[str, Any]:
    """The list that these pictures are: dataset, shots, seed, train and val.

    parts: "train" and "val", a mapping per picture with its path. path: of their file, whose name has shots and seed.

    Raises:
        DataError: a picture has no path, or one of another dataset; or no dataset of this name has published lists.
    """
    try:
        layout = find_layout(name)
    except UnknownNameError as error:
        raise DataError(f"{path} is a published list of a public dataset, and {name} is none. {error}") from error
    found = _NAME.search(path.name)
    about = {"shots": int(found[1]), "seed": int(found[2])} if found else {}
    keys = {part: [_key(item, layout, path) for item in parts[part]] for part in ("train", "val")}
    return {"dataset": layout.name, **about, **keys}


def is_cross_modal(content: Any) -> bool:
    """Whether this JSON is a list of cross-modal adaptation."""
    parts = [content.get(part) for part in ("train", "val")] if isinstance(content, Mapping) else [None]
    return all(isinstance(part, Mapping) and isinstance(part.get("data"), list) for part in parts)


def _lines(path: Path) -> list[Any]:
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}. Check the path.") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON, one picture per line: {error}. Download it again.") from error


def _key(item: Any, layout: Layout, path: Path) -> str:
    """The picture's path below the dataset's image root."""
    given = next((item[field] for field in _PATHS if field in item), None) if isinstance(item, Mapping) else None
    if not isinstance(given, str):
        raise DataError(
            f"{path}: a picture should have its path as {' or '.join(_PATHS)}; there is {str(item)[:80]!r}."
        )
    root = layout.folder if layout.image_root == "." else f"{layout.folder}/{layout.image_root}"
    _, there, key = f"/{given}".replace("\\", "/").partition(f"/{root}/")
    if not there:
        raise DataError(
            f"{path} names {given}, which is not under {root}/. It is a list of another dataset than {layout.name}."
        )
    return key

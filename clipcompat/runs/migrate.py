"""Bring records of earlier versions up to date, in place: what they say is completed, numbers are not touched.

Titles are added (format 1 had none). A setting that a method did not have yet gets its default, which is what the code
did before; inputs that were completed have another id, the one that the same command makes today. Rows learn which
random crops were used, and environments how far the same run may differ on another processor.
"""

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from clipcompat.backbones.catalog import upgrade_kind
from clipcompat.backbones.mini.models import MINI_PREPROCESS
from clipcompat.backbones.preprocess import Preprocess
from clipcompat.common.config import from_config, to_config
from clipcompat.common.errors import ClipcompatError, DataError
from clipcompat.common.files import parse_json, to_json, write_atomic
from clipcompat.common.text import printable
from clipcompat.methods import KNOWN
from clipcompat.runs.records import FORMATS, Record, checksum, record_files, split_lines
from clipcompat.runs.run import tolerance
from clipcompat.runs.shape import TITLES, find_fault
from clipcompat.runs.titles import make_titles


def migrate(place: str | Path) -> int:
    """Rewrite each record of an earlier version under a folder, or in a .json or .jsonl file; how many there were.

    Raises:
        DataError: there is nothing at `place`, or a record is damaged or was changed after it was written.
    """
    place, count = Path(place), 0
    if not place.exists():
        raise DataError(f"there is no {place}; give a folder of records or a .jsonl file of them.")
    for file in [place] if place.is_file() else record_files(place):
        text = file.read_text(encoding="utf-8-sig")
        texts = split_lines(text) if file.suffix == ".jsonl" else [text]
        fresh = [_updated(text, f"{file}, record {n}") for n, text in enumerate(texts, 1)]
        done = sum(record is not None for record in fresh)
        if done and file.suffix == ".jsonl":
            rows = [t if r is None else to_json(r.to_dict(), indent=None) for t, r in zip(texts, fresh, strict=True)]
            write_atomic(file, "".join(f"{row}\n" for row in rows))
        elif done:
            former = parse_json(text)["id"]
            new = write_atomic(file.with_name(file.name.replace(former, fresh[0].id)), to_json(fresh[0].to_dict()))
            if new != file:
                file.unlink()
        count += done
    return count


def _updated(text: str, where: str) -> Record | None:
    """The record as this version would write it; None if there is nothing to change, or if it is no record."""
    try:
        content = parse_json(text)
    except ValueError as error:
        raise DataError(f"{where} is not readable ({error}); delete it and run again.") from error
    if not isinstance(content, dict) or content.get("format") not in FORMATS:
        return None
    if content.get("checksum") != checksum(content):
        raise DataError(f"{where} was changed after it was written: its checksum is wrong. Delete it and run again.")
    if fault := find_fault(content | {"titles": dict.fromkeys(TITLES, "")}):
        raise DataError(f"{where} is not a whole record ({fault}). Delete it and run again.")
    parts = {f.name: content.get(f.name) for f in fields(Record)}
    inputs = parts["inputs"] = _completed(content["inputs"])
    if parts["study"] == "compatibility":
        parts["per_seed"] = [{"crop": _crop(inputs)} | row for row in content["per_seed"]]
    parts["environment"] = {"tolerance": tolerance(inputs["method"]["name"])} | content["environment"]
    record = Record(**parts | {"titles": make_titles(inputs)})
    return None if record.to_dict() == content else record


def _completed(inputs: dict[str, Any]) -> dict[str, Any]:
    """Inputs whose method names every setting that it has today."""
    method = inputs["method"]
    if method["name"] not in KNOWN:  # a method that this version does not have
        return inputs
    config = to_config(from_config(KNOWN[method["name"]], method["config"]))
    return inputs | {"method": {"name": method["name"], "config": config}}


def _crop(inputs: dict[str, Any]) -> list[float] | None:
    """The range of random crops that the training saw."""
    kind = KNOWN.get(inputs["method"]["name"])
    if kind is None or "recipe" not in inputs["method"]["config"]:
        return None
    recipe = from_config(kind, inputs["method"]["config"]).recipe
    preprocess = MINI_PREPROCESS if upgrade_kind(inputs["upgrade"]) == "mini" else Preprocess(size=224)
    return list(preprocess.crop_range(recipe.crop_for(inputs["dataset"])))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m clipcompat.runs.migrate", description=__doc__)
    parser.add_argument("places", nargs="+", metavar="PLACE", help="a folder of records, or a .jsonl file of them")
    try:
        print(f"{sum(map(migrate, parser.parse_args().places))} records brought up to date")
    except ClipcompatError as error:
        sys.exit(printable(f"clipcompat: {error}"))

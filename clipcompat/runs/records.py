"""Records: one JSON file a run, written when all of it is known, named by what went in."""

from __future__ import annotations

import datetime
import importlib.metadata
import importlib.resources
import json
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcompat.common.errors import DataError, unknown_name
from clipcompat.common.files import digest, shortened, to_json, write_atomic
from clipcompat.common.version import __version__

if TYPE_CHECKING:
    import torch

FORMAT = "clipcompat-record-1"
_PARTS = ("id", "study", "inputs", "per_seed", "backbones", "environment", "seconds", "started")


def record_id(inputs: Mapping[str, Any]) -> str:
    """The name of a run: equal inputs, equal id."""
    return digest(inputs)


def record_path(out: str | Path, study: str, inputs: Mapping[str, Any]) -> Path:
    """Where the record of these inputs lives under `out`."""
    words = [inputs["method"]["name"], shortened(inputs["dataset"].replace("/", "-")), record_id(inputs)]
    return Path(out) / study / ("-".join(words) + ".json")


def write_record(out: str | Path, record: Mapping[str, Any]) -> Path:
    """Write a finished run atomically; the file appears whole or not at all."""
    missing = [p for p in _PARTS if p not in record]
    if missing:
        raise DataError(f"a record needs {', '.join(_PARTS)}; {', '.join(missing)} is missing.")
    record = {"format": FORMAT, **record}
    record["checksum"] = _checksum(record)
    return write_atomic(record_path(out, record["study"], record["inputs"]), to_json(record))


def read_record(path: str | Path) -> dict[str, Any]:
    """One record, checked: damaged files and files of another kind are refused by name."""
    try:
        return _checked(json.loads(Path(path).read_text(encoding="utf-8")), str(path))
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is not a readable record ({error}); delete it and run again.") from error


def find_records(folder: str | Path) -> list[dict[str, Any]]:
    """All records under a folder (or the one in a file), sorted by study, dataset, method and id."""
    folder = Path(folder)
    if folder.is_file():
        return _read_lines(folder, folder.name) if folder.suffix == ".jsonl" else [read_record(folder)]
    if not folder.is_dir():
        raise DataError(f"there is no results folder {folder}; `clipcompat run … --out {folder}` makes one.")
    return _sorted(read_record(p) for p in folder.rglob("*.json"))


def write_committed(path: str | Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """One sorted JSONL for a study, as it is kept in git."""
    lines = [to_json(r, indent=None) for r in _sorted(records)]
    return write_atomic(path, "".join(f"{line}\n" for line in lines))


def committed_records(study: str) -> list[dict[str, Any]]:
    """The records this version ships for a study, so that a chapter can show results without making them."""
    folder = importlib.resources.files("clipcompat_book") / "records"
    files = folder.iterdir() if folder.is_dir() else ()
    known = sorted(p.name.removesuffix(".jsonl") for p in files if p.name.endswith(".jsonl"))
    if study not in known:
        raise unknown_name("study", study, known)
    return _read_lines(folder / f"{study}.jsonl", f"{study}.jsonl")


def environment(device: torch.device) -> dict[str, Any]:
    """What a result depends on besides its inputs: versions, device, threads."""
    import torch  # here, because reading a record needs none of it

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    packages = ("torch", "torchvision", "open_clip_torch", "timm", "numpy", "pillow")
    return {
        "clipcompat": __version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "device": f"{device.type} ({name})",
        "threads": torch.get_num_threads(),
        **{p: importlib.metadata.version(p) for p in packages},
    }


def now() -> str:
    """UTC, to the second, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _read_lines(file: Any, name: str) -> list[dict[str, Any]]:
    """The records of a JSONL file."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        return [_checked(json.loads(line), f"{name}, line {n}") for n, line in enumerate(lines, 1)]
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{name} is not a readable list of records ({error}); restore it from git.") from error


def _checked(record: Any, where: str) -> dict[str, Any]:
    if not isinstance(record, dict) or record.get("format") != FORMAT or any(p not in record for p in _PARTS):
        raise DataError(
            f"{where} is not a record of format {FORMAT}; it was not written by `clipcompat run`. "
            "Keep other JSON files out of the results folder."
        )
    if record["id"] != record_id(record["inputs"]) or record.get("checksum") != _checksum(record):
        raise DataError(f"{where} was changed after it was written: its checksum is wrong. Delete it and run again.")
    return record


def _checksum(record: Mapping[str, Any]) -> str:
    return digest({part: value for part, value in record.items() if part != "checksum"})


def _sorted(records: Iterable[Mapping[str, Any]]) -> list[Any]:
    return sorted(records, key=lambda r: (r["study"], r["inputs"]["dataset"], r["inputs"]["method"]["name"], r["id"]))

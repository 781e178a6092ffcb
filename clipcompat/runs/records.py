"""Records: one JSON file per run, written when it finishes; its name is a hash of the inputs."""

import datetime
import importlib.metadata
import logging
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.common.files import digest, parse_json, refuse_overwriting, shortened, to_json, write_atomic
from clipcompat.common.junk import is_junk
from clipcompat.common.text import brief
from clipcompat.common.version import __version__, code_hash
from clipcompat.runs.shape import find_fault
from clipcompat.studies.report import MEASURED, Compatibility

if TYPE_CHECKING:
    import torch

_FORMAT = "clipcompat-record-2"
_UNTITLED = "clipcompat-record-1"  # an earlier version's, whose records had no titles
FORMATS = (_UNTITLED, _FORMAT)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Titles:
    """What a run is called.

    label: the method's name and the settings that differ from its defaults, "contcoop (distillation.weight=0.5)".
    method: the same in texts, "ContCoOp (λ = 0.5)". upgrade: "mini, pair 2".
    """

    label: str
    method: str
    upgrade: str


@dataclass(frozen=True)
class Record:
    """A finished run.

    id: hash of `inputs`. inputs: everything the numbers depend on. per_seed: one row per seed, what the study measured
    and how the plug-in was trained. training_seconds: one entry per seed. backbones: "old" and "new", as they describe
    themselves. environment: versions, device, and "tolerance". started: UTC. seconds: of the whole run.
    """

    study: str
    inputs: dict[str, Any]
    titles: Titles
    per_seed: list[dict[str, Any]]
    backbones: dict[str, Any]
    environment: dict[str, Any]
    started: str
    seconds: float
    training_seconds: list[dict[str, Any]]

    __repr__ = brief

    @property
    def id(self) -> str:
        return record_id(self.inputs)

    @property
    def method(self) -> str:
        """The method's name, whatever its settings."""
        return self.inputs["method"]["name"]

    @property
    def dataset(self) -> str:
        return self.inputs["dataset"]

    @property
    def tolerance(self) -> float | None:
        """Percentage points by which an accuracy of one seed may differ on another processor. None: it was not stored.

        `python -m clipcompat.runs.migrate FOLDER` adds it to earlier records.
        """
        return self.environment.get("tolerance")

    @property
    def is_plain(self) -> bool:
        """The method has its default settings."""
        return self.titles.label == self.method

    @property
    def reports(self) -> list[Compatibility]:
        """One report per seed, of a record of the study "compatibility".

        Raises:
            ConfigError: the record is of another study.
        """
        if self.study != "compatibility":
            raise ConfigError(
                f"this record is of the study {self.study!r}, which makes no reports of compatibility: read its rows "
                "(per_seed)."
            )
        return [Compatibility(**{name: row[name] for name in MEASURED}) for row in self.per_seed]

    @property
    def numbers(self) -> list[dict[str, float]]:
        """Of every row, the numbers that its study measured, by name; none of its lists."""
        beside = ("seed", "views", "epochs", "final_loss", "training_seconds")  # of the training
        return [{k: v for k, v in row.items() if k not in beside and type(v) in (int, float)} for row in self.per_seed]

    def to_dict(self) -> dict[str, Any]:
        """As it is written: JSON values, with format, id and checksum."""
        content = asdict(self) | {"format": _FORMAT, "id": self.id}
        return content | {"checksum": checksum(content)}


def checksum(content: Mapping[str, Any]) -> str:
    """Hash of a record's JSON content, without the checksum itself."""
    return digest({part: value for part, value in content.items() if part != "checksum"})


def record_id(inputs: Mapping[str, Any]) -> str:
    """The name of a run: equal inputs, equal id."""
    return digest(inputs)


def record_path(out: str | Path, study: str, inputs: Mapping[str, Any]) -> Path:
    """Where the record of these inputs lives under `out`."""
    words = [inputs["method"]["name"], shortened(inputs["dataset"].replace("/", "-")), record_id(inputs)]
    return Path(out) / study / ("-".join(words) + ".json")


def write_record(out: str | Path, record: Record) -> Path:
    """Write a finished run atomically; the file appears whole or not at all."""
    return write_atomic(record_path(out, record.study, record.inputs), to_json(record.to_dict()))


def read_record(path: str | Path) -> Record:
    """One record, checked.

    Raises:
        DataError: the file is damaged, was edited, or is no record.
    """
    try:
        return _checked(parse_json(Path(path).read_text(encoding="utf-8-sig")), str(path))
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path} is not a readable record ({error}); delete it and run again.") from error


def find_records(folder: str | Path) -> list[Record]:
    """All records under a folder (or the one in a file), sorted by study, dataset, method and id.

    A run whose record is there twice, as a copy, comes once; with other numbers it comes twice, and a warning says so.

    Raises:
        DataError: there is no such folder, or a record in it is damaged or was changed after it was written.
    """
    folder = Path(folder)
    if folder.is_file():
        return _once(read_lines(folder)) if folder.suffix == ".jsonl" else [read_record(folder)]
    if not folder.is_dir():
        raise DataError(f"there is no results folder {folder}; `clipcompat run … --out {folder}` makes one.")
    return _once(read_record(path) for path in record_files(folder))


def record_files(folder: Path) -> list[Path]:
    """The JSON files under a folder, sorted by path, without junk (`clipcompat.common.junk`); a file is itself one."""
    if folder.is_file():
        return [folder]
    return sorted(path for path in folder.rglob("*.json") if not is_junk(path.relative_to(folder)))


def write_lines(path: str | Path, records: Iterable[Record], force: bool = False) -> Path:
    """One sorted JSONL file per study, as it is kept in git. force: overwrite a file of this name.

    Raises:
        StorageError: the file exists, or it cannot be written.
    """
    refuse_overwriting(path, force)
    return write_atomic(path, "".join(f"{to_json(r.to_dict(), indent=None)}\n" for r in _sorted(records)))


def read_lines(file: Any) -> list[Record]:
    """The records of a JSONL file: a path, or a resource of a package."""
    try:
        lines = split_lines(file.read_text(encoding="utf-8-sig"))
        return [_checked(parse_json(line), f"{file.name}, line {n}") for n, line in enumerate(lines, 1)]
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{file.name} is not a readable list of records ({error}); restore it from git.") from error


def split_lines(text: str) -> list[str]:
    """The lines of a JSONL text. `str.splitlines` also divides at U+2028 and U+0085, which JSON does not escape."""
    return text.removesuffix("\n").split("\n") if text else []


def environment(device: "torch.device") -> dict[str, Any]:
    """What a result depends on besides its inputs: versions, the code that decides numbers, device, threads."""
    import torch  # here, because reading a record needs none of it

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    packages = ("torch", "torchvision", "open_clip_torch", "timm", "numpy", "pillow")
    return {
        "clipcompat": __version__,
        "code": code_hash(),
        "python": platform.python_version(),
        "system": platform.system(),
        "device": f"{device.type} ({name})",
        "threads": torch.get_num_threads(),
        **{p: importlib.metadata.version(p) for p in packages},
    }


def now() -> str:
    """UTC, to the second, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _checked(content: Any, where: str) -> Record:
    if isinstance(content, dict) and content.get("format") == _UNTITLED:
        raise DataError(
            f"{where} is a record of an earlier version. Bring the whole folder up to date once: "
            "python -m clipcompat.runs.migrate FOLDER"
        )
    parts = {f.name for f in fields(Record)}
    known = isinstance(content, dict) and content.get("format") == _FORMAT and {"id", *parts} <= content.keys()
    newer = re.fullmatch(
        r"clipcompat-record-(\d{1,9})", str(content.get("format") if isinstance(content, dict) else "")
    )
    if newer and int(newer[1]) > int(_FORMAT.rpartition("-")[2]):
        raise DataError(
            f"{where} is of a newer format, {newer[0]}; this version reads {_FORMAT}. Please update clipcompat."
        )
    if not known:
        raise DataError(
            f"{where} is not a record of format {_FORMAT}; it was not written by `clipcompat run`. "
            "Keep other JSON files out of the results folder."
        )
    if content["id"] != record_id(content["inputs"]) or content.get("checksum") != checksum(content):
        raise DataError(f"{where} was changed after it was written: its checksum is wrong. Delete it and run again.")
    if fault := find_fault(content):
        raise DataError(f"{where} is not a whole record ({fault}). Delete it and run again.")
    return Record(**{part: content[part] for part in parts} | {"titles": Titles(**content["titles"])})


def _once(records: Iterable[Record]) -> list[Record]:
    found: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        same = found.setdefault((record.study, record.id), [])
        if all(other.per_seed != record.per_seed for other in same):
            same.append(record)
    if several := [same[0] for same in found.values() if len(same) > 1]:
        _log.warning(
            "%d runs have several records with different numbers, as %s on %s (%s): all are shown. Keep one of each.",
            len(several),
            several[0].titles.label,
            several[0].dataset,
            several[0].id,
        )
    return _sorted(record for same in found.values() for record in same)


def _sorted(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=lambda r: (r.study, r.dataset, r.method, r.id))

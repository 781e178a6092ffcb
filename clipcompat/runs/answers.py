"""A finished run answered at once: torch alone takes a second to import, and none of it is needed to repeat a table.

The name of a record is made of everything its numbers depend on, and making it takes the dataset and the methods, so
torch. An answer keeps, beside the records, what a request led to, together with the state of all that was looked at on
the way: the package's files, torch's version, the GPUs, the weights given, and the dataset's lists, folders and
pictures. While all of these are as they were, the same request leads to the same record; when one is not, there is no
answer, and the run finds its record the long way. Files and folders count as unchanged by size, inode and both times
(the change time cannot be set back), pictures by size, as in stamps. An answer names no place on this machine.
"""

from __future__ import annotations

import glob
import importlib.util
import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcompat.common.errors import ClipcompatError, UnknownNameError
from clipcompat.common.files import digest, to_json, write_atomic

log = logging.getLogger(__name__)

_FORMAT = "clipcompat-answer-1"
_PLACES = ("root", "indices", "old_weights", "new_weights")
_READERS = ("json", "fgvc", "imagenet", "wnids", "numbers")  # which read what `looked_at` watches and nothing else
_GPUS = ("/dev/nvidia[0-9]*", "/proc/driver/nvidia/gpus/*", "/dev/kfd")  # they decide the type of the towers
_TICK = 2 * 10**9  # ns; what changed so short before the run began may change again within one tick of the clock


@dataclass(frozen=True)
class Answer:
    """The record of a finished run, its file, and the table that the command line prints for it."""

    record: dict[str, Any]
    path: Path
    table: str


def find_answer(out: str | Path, request: Mapping[str, Any]) -> Answer | None:
    """What this request led to under `out`, if nothing that it depends on has changed since; imports nothing heavy.

    request: the fields of a `clipcompat.runs.run.Run`.
    """
    from clipcompat.runs.records import read_record

    try:
        kept = json.loads(_file(out, request).read_text(encoding="utf-8"))
        if kept["format"] != _FORMAT or _state(request, kept["data"]) != kept["state"]:
            return None
        path = Path(out) / kept["record"]
        record = read_record(path)
        return Answer(record, path, kept["table"]) if record["id"] == kept["id"] else None
    except (ClipcompatError, OSError, ValueError, KeyError, TypeError):  # the long way says what is wrong, if it is
        return None


def keep_answer(
    out: str | Path, request: Mapping[str, Any], seen: Seen | None, record: Mapping[str, Any], path: Path, table: str
) -> None:
    """Keep what a run led to. seen: of `looked_at` before it trained; None (something was too new) keeps nothing."""
    if seen is None:
        return
    where = path.relative_to(out).as_posix()
    answer = {"format": _FORMAT, "record": where, "id": record["id"], "table": table, **seen.__dict__}
    try:
        write_atomic(_file(out, request), to_json(answer, indent=None))
    except ClipcompatError as error:  # it is only a convenience
        log.info("%s", error)


def already_done(path: Path) -> str:
    """What is said of a run that is not run again."""
    return f"already done: {path} holds this run; delete it to run again."


@dataclass(frozen=True)
class Seen:
    """The state of what a request depends on. data: what to look at in its dataset, by names relative to the root."""

    state: str
    data: dict[str, Any] | None


def looked_at(request: Mapping[str, Any], datasets: Iterable[Any], began: float) -> Seen | None:
    """What a run has looked at to name its record; None where it cannot be watched, or changed just before.

    datasets: as the run loaded them. began: seconds since the epoch when it began to load them.
    """
    if request["skip_broken"]:  # depends on what is in every picture
        return None
    data = None
    if not request["dataset"].startswith("mini/"):
        from clipcompat.data.public.folders import find_folder
        from clipcompat.data.public.layout import find_layout

        try:
            layout = find_layout(request["dataset"])
        except UnknownNameError:  # somebody's own pictures: their readers may look anywhere
            return None
        if layout.reader not in _READERS:
            return None
        root, folder = Path(request["root"]).expanduser(), find_folder(layout, request["root"])
        images = (folder / layout.image_root).relative_to(root).as_posix()
        named = {f"{images}/{path}" for d in datasets for s in (d.train, d.test) for path in s.images.paths}
        pools = {path for d in datasets for split in (d.val.images, d.unlabelled) for path in split.paths}
        parents = {name.rpartition("/")[0] for name in named | {f"{images}/{path}" for path in pools}}
        lists = {entry.name for entry in os.scandir(folder) if entry.is_file()}
        watched = {layout.folder, images, *parents, *(f"{layout.folder}/{name}" for name in lists)}
        data = {"watched": sorted(watched), "pictures": sorted(named)}
    newest = [0]
    try:
        state = _state(request, data, newest)
    except OSError:  # a picture that was there a moment ago
        return None
    return Seen(state, data) if newest[0] < began * 10**9 - _TICK else None


def _file(out: str | Path, request: Mapping[str, Any]) -> Path:
    """Of one request: the same however its places are written, another wherever they lie."""
    places = {name: _absolute(request[name]) for name in _PLACES}
    return Path(out) / "answers" / f"{digest({**request, **places})}.answer"


def _absolute(place: str | None) -> str | None:
    """Weights may be a tag instead of a path; a file of that name would be taken first."""
    path = Path(place).expanduser() if place else None
    return str(path.resolve()) if path and path.exists() else place


def _state(request: Mapping[str, Any], data: Mapping[str, Any] | None, newest: list[int] | None = None) -> str:
    """Names the state of everything; newest: gets the latest change time, ns."""
    newest, root = [0] if newest is None else newest, str(Path(request["root"] or "").expanduser())
    parts: list[Any] = [sys.version, [_signature(path, newest) for path in _package()]]
    torch = importlib.util.find_spec("torch").origin
    parts.append(_signature(os.path.join(os.path.dirname(torch), "version.py"), newest))
    parts.append([sorted(glob.glob(pattern)) for pattern in _GPUS])
    parts.append({k: v for k, v in os.environ.items() if k.startswith(("CUDA_", "HIP_", "ROCR_"))})
    for name in ("indices", "old_weights", "new_weights"):
        parts.append(_signature(str(Path(request[name]).expanduser()), newest) if request[name] else None)
    if data:
        parts.append([_signature(os.path.join(root, name), newest) for name in data["watched"]])
        sizes = []
        for name in data["pictures"]:
            found = os.stat(f"{root}/{name}")
            sizes.append(found.st_size)
            newest[0] = max(newest[0], found.st_ctime_ns)
        parts.append(sizes)
    return digest(parts)


def _package() -> list[str]:
    """The files this package consists of; what Python compiles beside them changes nothing."""
    root = os.path.dirname(os.path.dirname(__file__))
    found = [os.path.join(at, name) for at, _, names in os.walk(root) for name in names]
    return sorted(path for path in found if not path.endswith(".pyc"))


def _signature(path: str, newest: list[int]) -> list[int] | None:
    """Of a file or folder; None where there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    newest[0] = max(newest[0], found.st_ctime_ns)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]

"""Executed chapters of earlier builds, so that one chapter's failure does not cost the others their execution.

A chapter is kept under a key of everything its outputs depend on: the notebook, its parameters, the code and data of
both packages, the locked requirements, the Python version. If anything differs, it is executed again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from book.tools.execute import Run

_PACKAGES = ("clipcompat", "clipcompat_book")


def state_of(project: Path) -> str:
    """Hash of the code, the data and the requirements that every chapter shares."""
    files = [project / name for name in ("requirements.lock", "pyproject.toml")]
    files += [path for package in _PACKAGES for path in (project / package).rglob("*")]
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(p for p in files if p.is_file() and "__pycache__" not in p.parts):
        digest.update(path.relative_to(project).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


class KeptChapters:
    """A folder with one executed copy per notebook. state: as `state_of` gives it."""

    def __init__(self, folder: Path, state: str):
        self._folder, self._state = folder, state

    def take(self, source: Path, values: Mapping[str, str], output: Path) -> Run | None:
        """Copy the executed notebook to `output` if it would come out the same again; how it ran then."""
        copy, note = self._folder / source.name, self._folder / f"{source.stem}.json"
        try:
            told = json.loads(note.read_text(encoding="utf-8"))
            if told["key"] != self._key(source, values) or told["sha256"] != _sha256(copy):
                return None
            run = Run(source.name, float(told["seconds"]), int(told["attempts"]))
        except (OSError, ValueError, KeyError, TypeError):  # none, or damaged: it is executed
            return None
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(copy, output)
        return run

    def keep(self, source: Path, values: Mapping[str, str], output: Path, run: Run) -> None:
        """Remember an executed notebook; the note that makes it valid is written last."""
        self._folder.mkdir(parents=True, exist_ok=True)
        copy, note = self._folder / source.name, self._folder / f"{source.stem}.json"
        note.unlink(missing_ok=True)
        shutil.copyfile(output, copy)
        facts = {"key": self._key(source, values), "sha256": _sha256(copy)}
        note.write_text(json.dumps({**facts, "seconds": run.seconds, "attempts": run.attempts}), encoding="utf-8")

    def _key(self, source: Path, values: Mapping[str, str]) -> str:
        given = json.dumps([self._state, sorted(values.items())])
        return hashlib.sha256(given.encode() + source.read_bytes()).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()

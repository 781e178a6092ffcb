"""Files of weights for tests: real TorchScript, archives with one entry changed, pickles that would run a command."""

from __future__ import annotations

import os
import warnings
import zipfile
from pathlib import Path

import torch
from torch import nn


def save_script(model: nn.Module, path: Path, *example, half: bool = False) -> Path:
    """Trace (with an example) or script (without) a module and save it as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated; the published files are in its format all the same
        script = torch.jit.trace(model, example, check_trace=False) if example else torch.jit.script(model)
        torch.jit.save(script.half() if half else script, path)
    return path


def rezip(source: Path, target: Path, changes: dict[str, bytes | None], compression=zipfile.ZIP_STORED) -> Path:
    """Copy an archive with some entries (named without the root folder) replaced, added, or left out for None."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        root = old.namelist()[0].partition("/")[0]
        entries = {name.partition("/")[2]: old.read(name) for name in old.namelist()} | changes
        for name, data in entries.items():
            if data is not None:
                new.writestr(f"{root}/{name}", data)
    return target


def entry(archive: Path, name: str) -> bytes:
    with zipfile.ZipFile(archive) as file:
        return file.read(f"{file.namelist()[0].partition('/')[0]}/{name}")


class Bomb:
    """Unpickled in the ordinary way, it makes the file `marker`."""

    def __init__(self, marker: Path):
        self._command = f"echo ran > {marker}"

    def __reduce__(self):
        return os.system, (self._command,)

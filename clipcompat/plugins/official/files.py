"""Files of the official code: found in the folders it writes, and read without executing anything in them.

Dassl saves a dictionary by torch.save: `state_dict`, `epoch`, `optimizer`, `scheduler`, `val_result`. The scheduler is
a pickled CosineAnnealingLR that holds the optimiser, so torch.load(weights_only=True) refuses the file. Here these few
classes are read as inert objects without state. Everything else that is no tensor or plain value is refused, and
nothing stays allow-listed after the call.
"""

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipcompat.common.errors import CheckpointError
from clipcompat.common.text import brief

_OPTIMISERS = ("sgd.SGD", "adam.Adam", "adamw.AdamW", "rmsprop.RMSprop", "radam.RAdam")
_SCHEDULES = ("lr_scheduler.CosineAnnealingLR", "lr_scheduler.StepLR", "lr_scheduler.MultiStepLR")


class _Inert:
    """Stands for an optimiser or a schedule; it drops its state."""

    def __new__(cls, *arguments: Any) -> "_Inert":
        return object.__new__(cls)

    def __init__(self, *arguments: Any):
        pass

    def __setstate__(self, state: Any):
        pass


def _plain_dict(*arguments: Any) -> dict[Any, Any]:
    """For the optimiser's defaultdict; torch's unpickler sets no items of a real one."""
    return {}


_INERT = [f"torch.optim.{name}" for name in (*_OPTIMISERS, *_SCHEDULES)]
_STAND_INS = [*((_Inert, name) for name in _INERT), (_plain_dict, "collections.defaultdict"), (dict, "builtins.dict")]


@dataclass(frozen=True)
class OfficialFile:
    """The content of a file of torch.save. name: of the file, without its folder. sha256: of its bytes."""

    name: str
    sha256: str
    content: Any

    __repr__ = brief

    @staticmethod
    def read(path: Path) -> "OfficialFile":
        """Raises CheckpointError: the file is missing, damaged, or holds more than tensors and plain values."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CheckpointError(f"{path} cannot be read: {error.strerror or error}. Check the path.") from error
        try:
            with torch.serialization.safe_globals(_STAND_INS):
                content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except Exception as error:  # a damaged or malicious pickle can raise anything
            raise CheckpointError(_refusal(path, data, error)) from error
        return OfficialFile(path.name, hashlib.sha256(data).hexdigest(), content)

    @property
    def source(self) -> str:
        """For a plug-in's origin, without the path on this machine."""
        return f"{self.name}, sha256 {self.sha256}"

    def tensor(self, value: Any, what: str) -> Tensor:
        """A float32 copy of `value`, if it is a plain tensor of finite numbers. what: its name in errors."""
        if not isinstance(value, Tensor):
            raise CheckpointError(f"{self.name}: {what} is a {type(value).__name__}; a tensor was expected.")
        value = value.detach()
        if value.layout != torch.strided or value.is_quantized or value.is_complex() or value.is_meta:
            raise CheckpointError(f"{self.name}: {what} is a tensor of an odd kind; plain numbers were expected.")
        # with strides of 0 a file of a few bytes could claim terabytes
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise CheckpointError(f"{self.name}: {what} claims more numbers than the file holds; it is damaged.")
        value = value.float().clone(memory_format=torch.contiguous_format)
        if not torch.isfinite(value).all():
            raise CheckpointError(
                f"{self.name}: {what} has numbers that are not finite. Its training diverged, or the file is damaged; "
                "take a checkpoint of another epoch or seed."
            )
        return value


def find_checkpoint(path: Path, folder: str) -> Path:
    """The checkpoint at a path: the file itself, or in a learner's folder, or in the output folder above it.

    Args:
        folder: the name under which the learner is registered, such as "prompt_learner".

    Raises:
        CheckpointError: there is no checkpoint, or several and no note of the last.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise CheckpointError(f"there is no file or folder {path}. Check the path.")
    place = path / folder if (path / folder).is_dir() else path
    note = place / "checkpoint"  # a line with the name of the last file
    if note.is_file():
        named = note.read_text(encoding="utf-8-sig", errors="replace").strip()
        if named and Path(named).name == named and (place / named).is_file():
            return place / named
        raise CheckpointError(f"{note} names {named[:80]!r}, which is no file beside it. Give the file itself.")
    found = sorted(p for p in place.glob("model*.pth.tar*") if p.is_file())
    if len(found) == 1:
        return found[0]
    if found:
        named = ", ".join(p.name for p in found[:5]) + (" …" if len(found) > 5 else "")
        raise CheckpointError(
            f"{place} holds {len(found)} checkpoints ({named}) and no file `checkpoint` that names the last one. Give "
            "one of them."
        )
    held = ", ".join(sorted(p.name + "/" * p.is_dir() for p in place.iterdir())[:5]) or "nothing"
    raise CheckpointError(
        f"{path} holds no model.pth.tar-<epoch> and no folder {folder}/ with one; it holds {held}. "
        "Give the file, its folder, or the output folder of the run."
    )


def _refusal(path: Path, data: bytes, error: Exception) -> str:
    if not data:
        return f"{path} is empty; a copy may have been cut off. Copy it again."
    refused = re.search(r"GLOBAL ([\w.]{1,80})", str(error))
    if refused:
        return (
            f"{path} holds a Python object, {refused[1]}, and unpickling it could run anything; nothing of it was run. "
            "Only tensors and what Dassl saves beside them are read. If you trust it, save its `state_dict` alone."
        )
    return (
        f"{path} is damaged or no file of torch.save ({type(error).__name__}). Compare its size and checksum with the "
        "original, and copy it again."
    )

"""Read the tensors of a checkpoint without running anything in the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipcompat.backbones.weights.layouts import strip_prefixes
from clipcompat.backbones.weights.torchscript import TensorNote, TorchArchive
from clipcompat.common.errors import CheckpointError
from clipcompat.common.files import hash_file
from clipcompat.common.text import brief

_LONGEST_HEADER = 100_000_000  # bytes, a limit of the safetensors format
_WRAPPERS = ("state_dict", "model_state_dict", "model", "module")
_OPENAI_NUMBERS = ("input_resolution", "context_length", "vocab_size")  # stored among OpenAI's tensors


@dataclass(frozen=True)
class Checkpoint:
    """The content of a file of weights.

    tensors: name -> tensor, on the CPU, in the type they were stored in.
    format: "safetensors", "state dict" or "torchscript". sha256: of the file.
    numbers: whole numbers stored beside the tensors (OpenAI's input_resolution, context_length, vocab_size).
    quick_gelu: whether the model used QuickGELU; None if the file does not say (only TorchScript names its modules).
    """

    tensors: dict[str, Tensor]
    format: str
    sha256: str
    numbers: dict[str, int] = field(default_factory=dict)
    quick_gelu: bool | None = None

    __repr__ = brief


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read safetensors, a `torch.save`d state dict or OpenAI's TorchScript, told apart by content, not by suffix.

    A state dict may be wrapped as {"state_dict": …}, and all names of any file may begin with "module." or the like.

    Raises:
        CheckpointError: the file is missing, empty, cut off, of no known format, or holds more than tensors.
    """
    path = Path(path).expanduser()
    head = _head(path)
    if head[:4] == b"PK\x03\x04":
        tensors, numbers, format, quick_gelu = _read_zip(path)
    elif head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _LONGEST_HEADER:
        tensors, numbers, format, quick_gelu = _read_safetensors(path), {}, "safetensors", None
    elif head[:1] == b"\x80":
        tensors, numbers, format, quick_gelu = *_state_dict(path, _read_old_pickle(path)), "state dict", None
    else:
        raise CheckpointError(f"{path} is not a checkpoint: {_describe(head)}")
    tensors = strip_prefixes(tensors)
    for name in _OPENAI_NUMBERS:
        if name in tensors and tensors[name].numel() == 1 and not tensors[name].is_floating_point():
            numbers[name] = int(tensors.pop(name))
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors; a state dict with a model's weights was expected.")
    return Checkpoint(tensors, format, hash_file(path), numbers, quick_gelu)


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; give the file in it that holds the weights.")
    try:
        with open(path, "rb") as stream:
            head = stream.read(64)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no file {path}. Check the path, or download the checkpoint first.") from error
    except OSError as error:
        raise CheckpointError(f"{path} could not be read: {error.strerror or error}. Check its permissions.") from error
    if not head:
        raise CheckpointError(f"{path} is empty; a download may have been cut off. Download it again.")
    return head


def _describe(head: bytes) -> str:
    if head.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer: the address of the weights, not the weights. Run `git lfs pull` there."
    if head.lstrip().startswith((b"<!", b"<html", b"<HTML", b"<?xml")):
        return "it is a web page, probably an error message of the server it came from. Download it again."
    return "it is neither safetensors nor a file of torch.save nor TorchScript. Give the file that holds the weights."


def _read_zip(path: Path) -> tuple[dict[str, Tensor], dict[str, int], str, bool | None]:
    archive = TorchArchive(path)
    if not archive.scripted:
        notes, numbers = _state_dict(path, archive.content)
        return archive.read(notes), numbers, "state dict", None
    # without a named activation it is OpenAI's CLIP, which uses QuickGELU
    quick_gelu = "QuickGELU" in archive.classes or "GELU" not in archive.classes
    return archive.read(archive.tensors), dict(archive.numbers), "torchscript", quick_gelu


def _read_old_pickle(path: Path) -> Any:
    """A file of torch.save before PyTorch 1.6."""
    try:
        with open(path, "rb") as stream:  # given a path, torch would judge by its suffix
            return torch.load(stream, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or malicious pickle can raise anything
        raise CheckpointError(
            f"{path} could not be read as a state dict ({type(error).__name__}: {str(error).partition(chr(10))[0]}). "
            "It is damaged, or holds Python objects, which are refused because unpickling them could run anything. "
            "Download it again, or ask its maker for a .safetensors file."
        ) from error


def _state_dict(path: Path, content: Any) -> tuple[dict[str, Any], dict[str, int]]:
    """Tensors (or TensorNotes) and whole numbers of an unpickled state dict, without its wrappers."""
    for _ in _WRAPPERS:  # not while: a pickle may contain itself
        if isinstance(content, Mapping):
            content = next((content[w] for w in _WRAPPERS if isinstance(content.get(w), Mapping)), content)
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, not a state dict (names and tensors). "
            "Save `model.state_dict()`, best as .safetensors, and give that file."
        )
    tensors = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor | TensorNote)}
    numbers = {k: v for k, v in content.items() if k in _OPENAI_NUMBERS and isinstance(v, int)}
    return tensors, numbers


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path} looks like safetensors and cannot be read ({error}). "
            "Compare its size and checksum with the original, and download it again."
        ) from error

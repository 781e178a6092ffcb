"""The zip archives of PyTorch, read without running anything in them.

OpenAI published CLIP as TorchScript: a zip with code, a pickle of the module tree and one entry per tensor storage.
`torch.jit.load` would compile that code, and a usual unpickler would call any function that the pickle names. Treat
every archive as malicious: this unpickler knows the few names below and refuses all others. Classes of the archive
(`__torch__.…`) become inert objects that only take a state. A tensor is a note of where its bytes are until it is read,
and its storage must have the length that the pickle claims. `torch.save` writes the same zip around another pickle, so
state dicts are read here too.

The archive's code is read, as text, only for the slots that each class declares as parameters and buffers: plain tensor
attributes (a mask, for example) are in the same pickle and are not part of a state dict.
"""

import io
import math
import pickle
import pickletools
import re
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipcompat.common.errors import CheckpointError

_STORAGES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_TYPED_LISTS = {"build_intlist", "build_doublelist", "build_boollist", "build_tensorlist", "restore_type_tag"}
_LARGEST_PICKLE = 64 << 20  # bytes; ViT-L/14's is below 1 MiB
_MOST_MODULES = 100_000
_SLOTS = re.compile(r"^class (\w+)\(Module\):\n  __parameters__ = \[(.*)\]\n  __buffers__ = \[(.*)\]", re.MULTILINE)


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: torch.dtype
    length: int  # elements


@dataclass(frozen=True)
class TensorNote:
    """Where a tensor is: a storage, an offset into it, a shape and strides, all counted in elements."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class ScriptObject:
    """A module of the archive, reduced to its class name and the attributes it was saved with."""

    script_class = ""

    def __setstate__(self, state: dict[str, Any]):
        self.slots = state


class TorchArchive:
    """An opened archive.

    content: the unpickled object, with a TensorNote for each tensor. scripted: it is TorchScript; then `content` is the
        root ScriptObject, and three more attributes are filled.
    tensors: notes of all parameters and buffers. numbers: whole numbers of the root. classes: names of all modules'.
    """

    def __init__(self, path: Path):
        self.path, self._size = path, path.stat().st_size
        with _refusing_damage(path), zipfile.ZipFile(path) as self._zip:
            self._entries = {entry.filename: entry for entry in self._zip.infolist()}
            roots = [n.removesuffix("data.pkl") for n in self._entries if n.count("/") == 1 and n.endswith("/data.pkl")]
            if len(roots) != 1:
                raise CheckpointError(
                    f"{path} is a zip file without a PyTorch pickle in it (one `<name>/data.pkl` was expected, "
                    f"{len(roots)} found). If it holds a checkpoint, unzip it and give that file."
                )
            self._root = roots[0]
            self.scripted = f"{self._root}constants.pkl" in self._entries
            self._check_byte_order()
            self._used: dict[str, int] = {}
            self.content = self._unpickle(self._text(f"{self._root}data.pkl"))
            self._code: dict[str, set[str]] = {}
            self.tensors, self.numbers, self.classes = {}, {}, set()
            if self.scripted:
                self._walk(self.content)

    def read(self, notes: dict[str, TensorNote]) -> dict[str, Tensor]:
        """The tensors of these notes; tensors with a common storage share it."""
        with _refusing_damage(self.path), open(self.path, "rb") as stream:
            storages = {note.storage: self._bytes(stream, note.storage) for note in notes.values()}
        return {name: torch.as_strided(storages[n.storage], n.size, n.stride, n.offset) for name, n in notes.items()}

    def _unpickle(self, data: bytes) -> Any:
        for opcode, argument, _ in pickletools.genops(data):
            # the C unpickler allocates its memo for the largest index
            if "PUT" in opcode.name and argument > len(data):
                raise self._refusal(f"its pickle numbers an object {argument}, more than it can hold")
        return _Unpickler(data, self).load()

    def _walk(self, root: Any) -> None:
        """Fill `tensors`, `numbers` and `classes` from the module tree."""
        if not isinstance(root, ScriptObject):
            raise self._refusal("it is TorchScript, but does not hold a module")
        todo, seen = [("", root)], 0
        while todo:
            prefix, module = todo.pop()
            seen += 1
            if seen > _MOST_MODULES:
                raise self._refusal(f"its modules are nested more than {_MOST_MODULES:,} times")
            self.classes.add(module.script_class.rpartition(".")[2])
            declared = self._declared(module.script_class)
            for name, value in getattr(module, "slots", {}).items():
                if isinstance(value, ScriptObject):
                    todo.append((f"{prefix}{name}.", value))
                elif isinstance(value, TensorNote) and (declared is None or name in declared):
                    self.tensors[prefix + name] = value
                elif isinstance(value, int) and not isinstance(value, bool) and not prefix:
                    self.numbers[name] = value

    def _declared(self, script_class: str) -> set[str] | None:
        """The names that a class declares as parameters or buffers; None if its code does not say."""
        if script_class not in self._code:
            entry = f"{self._root}code/{script_class.rpartition('.')[0].replace('.', '/')}.py"
            code = self._text(entry).decode() if entry in self._entries else ""
            for name, parameters, buffers in _SLOTS.findall(code):
                slots = set(re.findall(r'"([^"]*)"', parameters + buffers))
                self._code[f"{script_class.rpartition('.')[0]}.{name}"] = slots
        return self._code.get(script_class)

    def claim(self, persistent_id: Any) -> _Storage:
        """The storage that the pickle refers to, after checking that the zip has it in the claimed length."""
        _, kind, key, _, length = persistent_id
        entry = self._entries.get(f"{self._root}data/{key}")
        if entry is None or entry.compress_type != zipfile.ZIP_STORED or entry.file_size != length * kind.itemsize:
            found = f"has {entry.file_size}" if entry else "is missing"
            raise self._refusal(f"a tensor storage of {length * kind.itemsize} uncompressed bytes {found}")
        self._used[key] = entry.file_size
        if sum(self._used.values()) > self._size:
            raise self._refusal("its tensor storages together claim to be longer than the file")
        return _Storage(key, kind, length)

    def _bytes(self, stream, storage: _Storage) -> Tensor:
        entry = self._entries[f"{self._root}data/{storage.key}"]
        stream.seek(entry.header_offset)
        # the local header repeats the name, and its extra field aligns the bytes after it
        signature, name, extra = struct.unpack("<4s22xHH", stream.read(30))
        stream.seek(name + extra, 1)
        buffer = bytearray(entry.file_size)
        if signature != b"PK\x03\x04" or stream.readinto(buffer) != len(buffer):
            raise self._refusal(f"its tensor storage {storage.key} is cut off")
        return torch.frombuffer(buffer, dtype=storage.dtype) if buffer else torch.empty(0, dtype=storage.dtype)

    def _text(self, name: str) -> bytes:
        with self._zip.open(name) as stream:
            data = stream.read(_LARGEST_PICKLE + 1)
        if len(data) > _LARGEST_PICKLE:
            raise self._refusal(f"its entry {name} is larger than {_LARGEST_PICKLE >> 20} MiB")
        return data

    def _check_byte_order(self) -> None:
        name = f"{self._root}byteorder"
        if name in self._entries and self._text(name).decode() != sys.byteorder:
            raise self._refusal("it was written on a machine of another byte order; save it again on one like this")

    def _refusal(self, why: str) -> CheckpointError:
        return CheckpointError(f"{self.path} cannot be trusted: {why}. Download or save it again.")


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, archive: TorchArchive):
        super().__init__(io.BytesIO(data))
        self._archive = archive

    def persistent_load(self, pid: Any) -> _Storage:
        return self._archive.claim(pid)

    def find_class(self, module: str, name: str) -> Any:
        if self._archive.scripted and module.startswith("__torch__"):
            return type("ScriptObject", (ScriptObject,), {"script_class": f"{module}.{name}"})
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        # new functions for each archive: a pickle may set attributes on the objects it gets
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *arguments: _note(*arguments[:4])
        if (module, name) == ("torch._utils", "_rebuild_parameter") or (
            module == "torch.jit._pickle" and name in _TYPED_LISTS
        ):
            return lambda value, *_: value
        raise CheckpointError(
            f"{self._archive.path} holds a Python object, {module}.{name}, and unpickling it could run anything; only "
            "tensors are taken. If you trust its maker, save `model.state_dict()` alone, best as .safetensors."
        )


def _note(storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> TensorNote:
    """As torch._utils._rebuild_tensor_v2, with bounds checks."""
    if not all(isinstance(n, int) and n >= 0 for n in (offset, *size, *stride)) or len(size) != len(stride):
        raise ValueError(f"a tensor with offset {offset}, size {size} and strides {stride}")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if all(size) else 0
    # with a stride of 0 a few bytes could become terabytes, so the elements are counted too
    if (all(size) and last >= storage.length) or math.prod(size) > storage.length:
        raise ValueError(f"a tensor of size {size} in a storage of {storage.length} elements")
    return TensorNote(storage, offset, tuple(size), tuple(stride))


@contextmanager
def _refusing_damage(path: Path) -> Iterator[None]:
    """Turn every error that zipfile, pickle or struct raise on a damaged archive into a CheckpointError."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(
            f"{path} is damaged or not a PyTorch checkpoint ({type(error).__name__}: {error}). "
            "Compare its size and checksum with the original, and download it again."
        ) from error

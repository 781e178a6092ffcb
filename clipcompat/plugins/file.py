"""A plug-in's file: tensors, and as the one entry of the safetensors metadata a header, which is JSON text.

The last value of the header is a checksum of the text before it and of every tensor's name, type, shape and bytes. It
finds accidents and edits by hand; it is no signature, because anyone can compute it again.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from clipcompat.common.errors import PluginError
from clipcompat.common.files import parse_json, to_json, write_atomic
from clipcompat.common.text import shown

AGAIN = "Take the file as Plugin.save wrote it, or tune the plug-in again."

_FORMAT = "clipcompat-plugin-2"
_WITHOUT_CHECKSUM = "clipcompat-plugin-1"  # an earlier version's
_KEY = "clipcompat"
_SEALED = re.compile(r'(\{.*), "checksum": "([0-9a-f]{64})"\}', re.DOTALL)


def write_plugin_file(path: str | Path, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Path:
    """Write header and tensors atomically. tensors: float32, on the CPU."""
    from safetensors.torch import save

    tensors = {name: t.contiguous() for name, t in tensors.items()}
    text = to_json({"format": _FORMAT, **header}, indent=None)
    sealed = f'{text[:-1]}, "checksum": "{_checksum(text, tensors)}"}}'
    return write_atomic(path, save(tensors, {_KEY: sealed}))


def read_plugin_file(path: Path) -> tuple[dict[str, Any], dict[str, Tensor], bool]:
    """The header, the tensors (float32), and whether they are verified: files of an earlier version have no checksum.

    Raises:
        PluginError: no such file, or it was changed or damaged, or holds something other than a plug-in.
    """
    if path.is_dir():
        raise PluginError(
            f"{path} is a folder; give the plug-ins in it (.safetensors files, as Plugin.save writes them)."
        )
    if not path.is_file():
        raise PluginError(
            f"there is no plug-in file {path}; expected what Plugin.save wrote (a .safetensors file). Check the path."
        )
    text, tensors = _content(path)
    sealed = _SEALED.fullmatch(text)
    if sealed and _checksum(f"{sealed[1]}}}", tensors) != sealed[2]:
        raise PluginError(f"{path} was changed after it was saved: its checksum is wrong. {AGAIN}")
    try:
        header = parse_json(text)
    except ValueError as error:
        raise PluginError(f"{path} has a header that is not JSON: {error}. {AGAIN}") from error
    if not isinstance(header, dict) or header.get("format") != (_FORMAT if sealed else _WITHOUT_CHECKSUM):
        raise PluginError(f"{path} has no plug-in header of format {_FORMAT} with its checksum. {AGAIN}")
    return header, tensors, bool(sealed)


def _content(path: Path) -> tuple[str, dict[str, Tensor]]:
    """The header's text, and the tensors."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata, names = file.metadata() or {}, list(file.keys())
            if metadata.keys() != {_KEY}:
                raise PluginError(f"{path} has no plug-in header of format {_FORMAT} as its only metadata. {AGAIN}")
            for name in names:
                if (kind := file.get_slice(name).get_dtype()) != "F32":
                    raise PluginError(f"{path} holds the tensor {shown(name)} as {kind}; expected F32. {AGAIN}")
            # copies, because safetensors' memory is not aligned, and some CPUs multiply unaligned tensors with other
            # last bits: a plug-in would not give the same logits before and after it was saved
            return metadata[_KEY], {name: file.get_tensor(name).clone() for name in names}
    except (SafetensorError, OSError) as error:
        raise PluginError(f"{path} is not a whole safetensors file ({error}). {AGAIN}") from error


def _checksum(text: str, tensors: Mapping[str, Tensor]) -> str:
    parts: list[Any] = [text]
    for name in sorted(tensors):
        array = tensors[name].numpy()
        parts.append([name, str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()])
    return hashlib.sha256(to_json(parts, indent=None).encode()).hexdigest()

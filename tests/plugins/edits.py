"""Plug-in files edited by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from clipcompat.plugins.file import write_plugin_file
from clipcompat.plugins.plugin import Plugin

EARLIER = "clipcompat-plugin-1"  # the format without a checksum


def content(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The header, with its format and checksum, and the tensors, as safetensors and json read them."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["clipcompat"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def save_unsealed(path: Path, header: Any, tensors: Mapping[str, Tensor]) -> None:
    save_file(dict(tensors), path, {"clipcompat": header if isinstance(header, str) else json.dumps(header)})


def as_earlier(path: Path, change: Callable[[dict, dict], Any] = lambda header, tensors: None) -> None:
    """Make it a file of an earlier version. change: edits header and tensors in place."""
    header, tensors = content(path)
    header = {**header, "format": EARLIER}
    header.pop("checksum")
    change(header, tensors)
    header["stamp"] = Plugin(None, tensors, {}).stamp
    save_unsealed(path, header, tensors)


def sealed_again(path: Path, change: Callable[[dict, dict], Any]) -> None:
    """Edit header and tensors in place, and compute stamp and checksum again."""
    header, tensors = content(path)
    for part in ("format", "checksum"):
        header.pop(part)
    change(header, tensors)
    header["stamp"] = Plugin(None, tensors, {}).stamp
    write_plugin_file(path, header, tensors)


def unsealed(path: Path, change: Callable[[dict, dict], Any]) -> None:
    """Edit header and tensors in place, and leave the checksum as it is."""
    header, tensors = content(path)
    change(header, tensors)
    save_unsealed(path, header, tensors)

"""What every test may use, and what none may do: reach the network."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

# Set before anything imports huggingface_hub, so that a forgotten download fails at once and with a sentence.
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none; torch is imported only if some test asks."""
    needing = [item for item in items if item.get_closest_marker("cuda")]
    if not needing:
        return
    import torch

    if not torch.cuda.is_available():
        for item in needing:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Refuse connections to anything but this machine."""
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> None:
        local = self.family == getattr(socket, "AF_UNIX", None) or address[0] in ("127.0.0.1", "::1", "localhost")
        if not local:
            raise RuntimeError(f"a test tried to reach {address}; tests are offline")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        yield


@pytest.fixture(scope="session")
def project() -> Path:
    """The root of the repository."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data(project: Path) -> Path:
    """Real images and split files beside the project; a checkout without them skips."""
    folder = project.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no shared/data beside the project")
    return folder


@pytest.fixture(scope="session")
def mini_old():
    """A small random backbone of open_clip's class CLIP, QuickGELU. Shared: methods must not change it."""
    from clipcompat.backbones.load import load_backbone

    return load_backbone("mini-old", "random:1", device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def mini_new():
    """A small random backbone of open_clip's class CustomTextCLIP, GELU."""
    from clipcompat.backbones.load import load_backbone

    return load_backbone("mini-new", "random:2", device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def full_size():
    """The real pair of the B/16 study with random weights: an Upgrade; 1.2 GB, so built once."""
    from clipcompat.backbones.upgrade import load_upgrade

    return load_upgrade("clip-to-eva-vit-b-16", old_weights="random:1", new_weights="random:2", device="cpu")


@pytest.fixture
def old(mini_old):
    """`mini_old` without remembered features, so that a test sees which pictures are opened."""
    mini_old.memory.clear()
    return mini_old


@pytest.fixture
def new(mini_new):
    """`mini_new` without remembered features."""
    mini_new.memory.clear()
    return mini_new


@pytest.fixture
def official_run(old, tmp_path):
    """Writes the output folder of an official run of a method."""
    from tests.official import write_official

    return partial(write_official, tmp_path / "output" / "seed1", old)


@pytest.fixture
def official_import(old):
    """Imports for the old mini backbone and the toy classes."""
    from tests.official import import_toys

    return partial(import_toys, backbone=old)

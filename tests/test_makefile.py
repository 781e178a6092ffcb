"""make: which Python it takes, what it says where it cannot install, and what it leaves out with CPU=1."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

NOBODY = 65534


@pytest.fixture
def clone(project: Path) -> Iterator[Path]:
    """What make reads, without .venv, in a folder that every user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        for name in ("Makefile", "requirements.lock", "pyproject.toml"):
            shutil.copy(project / name, root / name)
        yield root


def make(folder: Path, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
    """make, as outside of `make test`."""
    outside = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS")) and k not in ("CPU", "ARGS")}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, env=outside, capture_output=True, text=True, **options)


def commands(folder: Path, *arguments: str) -> str:
    """What `make install` would run."""
    done = make(folder, "--dry-run", "--always-make", "install", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fake_python(folder: Path, version: tuple[int, int]) -> Path:
    path = folder / "python"
    path.write_text(
        f'#!/bin/sh\n[ "$1" = -V ] && exec echo Python {version[0]}.{version[1]}.0\n'
        f'[ "$1" = -m ] && exec mkdir .venv\n'
        f'exec "{sys.executable}" -c "import sys; sys.version_info = ({version[0]}, {version[1]}, 0); $2"\n'
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("version", [(3, 10), (3, 15), (4, 0)])
def test_a_python_that_the_lock_was_not_made_for_is_refused(clone, version):
    done = make(clone, "book", f"PYTHON={fake_python(clone, version)}")
    assert done.returncode and not (clone / ".venv").exists()
    says = rf"is for Python 3\.11 to 3\.14, but \S+ is Python {version[0]}\.{version[1]}\.0\. Run: make book PYTHON="
    assert re.search(says, done.stderr), done.stderr


@pytest.mark.parametrize("version", [(3, 11), (3, 14)])
def test_the_oldest_and_newest_python_of_the_lock_are_taken(clone, version):
    done = make(clone, "install", f"PYTHON={fake_python(clone, version)}")
    assert "is for Python" not in done.stderr and (clone / ".venv").is_dir()


def test_a_folder_that_cannot_be_written_is_named_and_python_is_not_blamed(clone):
    clone.chmod(0o555)
    root = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}  # root may write anywhere
    done = make(clone, "test", **root)
    clone.chmod(0o755)
    assert done.returncode and f"this folder cannot be written: {clone}. Clone the project" in done.stderr
    assert "venv module" not in done.stderr and "Traceback" not in done.stderr


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has packages of CUDA")


def blocks(lock: str) -> dict[str, str]:
    """Package -> its lines: version, marker, hashes."""
    parts = re.split(r"^(?=[a-z0-9])", lock, flags=re.M)[1:]
    return {part.partition("==")[0]: part for part in parts}


@linux
def test_with_cpu_1_the_rest_of_the_lock_keeps_its_hashes_and_cuda_is_left_out(clone):
    written = commands(clone, "CPU=1")
    (clone / ".venv").mkdir()
    (filtering,) = (line for line in written.splitlines() if line.startswith("awk "))
    subprocess.run(["sh", "-c", filtering], cwd=clone, check=True)
    whole, kept = (blocks((clone / name).read_text()) for name in ("requirements.lock", ".venv/without-cuda.lock"))
    left_out = whole.keys() - kept.keys()
    assert all(kept[name] == whole[name] for name in kept)
    assert {"torch", "torchvision", "triton", "nvidia-cublas", "nvidia-cudnn-cu13", "cuda-toolkit"} <= left_out
    assert all(re.fullmatch(r"torch|torchvision|triton|(nvidia|cuda)-[a-z0-9-]+", name) for name in left_out)
    assert not [name for name in kept if "torch" in name.replace("open-clip-torch", "") or "nvidia" in name]
    assert "--require-hashes -r .venv/without-cuda.lock" in written and "-r requirements.lock" not in written


@linux
def test_with_cpu_1_torch_and_torchvision_come_together_from_the_index_for_processors(clone):
    whole = blocks((clone / "requirements.lock").read_text())
    pins = [re.match(r"[^ ]+", whole[name])[0] for name in ("torch", "torchvision")]
    (line,) = (line for line in commands(clone, "CPU=1").splitlines() if "--index-url" in line)
    assert line.endswith(" ".join(["--no-deps --index-url https://download.pytorch.org/whl/cpu", *pins]))


def test_without_cpu_everything_comes_from_the_lock(clone):
    written = commands(clone)
    assert "--require-hashes -r requirements.lock" in written and "--index-url" not in written and "awk" not in written


@linux
def test_an_environment_without_cuda_stays_one_until_it_is_asked_otherwise(clone):
    (clone / ".venv").mkdir()
    (clone / ".venv" / ".installed-cpu-1").touch()
    assert "whl/cpu" in commands(clone) and "whl/cpu" not in commands(clone, "CPU=")


@linux
@pytest.mark.parametrize(("had", "argument", "cleared"), [("cpu", "CPU=", True), ("all", "CPU=1", True),
                                                         ("cpu", "CPU=1", False), ("all", "CPU=", False)])  # fmt: skip
def test_the_environment_is_made_anew_where_torch_would_stay_the_other_one(clone, had, argument, cleared):
    """torch==2.15.0 is satisfied by 2.15.0+cpu, so that pip would not replace it."""
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").symlink_to(fake_python(clone, (3, 12)))
    (clone / ".venv" / f".installed-{had}-1").touch()
    maker = clone / "maker"
    maker.write_text('#!/bin/sh\n[ "$2" = venv ] && touch cleared\nexit 0\n')
    maker.chmod(0o755)
    make(clone, "install", argument, f"PYTHON={maker}")
    assert (clone / "cleared").exists() == cleared


@pytest.mark.parametrize("target", ["test-lowest", "test-newest", "lock"])
def test_a_target_that_needs_uv_says_so(clone, target):
    done = make(clone, target, "PATH=/nowhere", "SHELL=/bin/bash")
    assert done.returncode and f"make {target} needs uv: pip install uv" in done.stderr


@pytest.mark.parametrize(("target", "how"), [("test-lowest", "--resolution lowest-direct"), ("test-newest", "")])
def test_both_ends_of_the_versions_are_tested_in_an_environment_that_is_removed(clone, target, how):
    written = make(clone, "--dry-run", target).stdout
    assert f"-r pyproject.toml --all-extras --group build {how}".rstrip() in written
    assert "mktemp -d" in written and "trap 'rm -rf \"$new\"' EXIT" in written and ".venv" not in written

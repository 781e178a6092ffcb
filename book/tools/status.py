"""The book's last page: which notebook ran when, for how long, on what."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from book.tools.execute import ExecutionError, Run
from book.tools.notebook import read_notebook, title_of
from clipcompat.common.version import code_hash

SMOKE = 90
"""Seconds that a chapter should take at most in the smoke profile on two cores. No test is on time; the page tells."""


def status_page(
    executed: Sequence[tuple[Path, Run]],
    stage: Path,
    profile: str,
    failures: Sequence[tuple[Path, ExecutionError]] = (),
    to_stage: str = "../",
    commit: str = "unknown",
) -> str:
    """MyST text of the page; `executed` holds each notebook's path relative to `stage` and how it ran.

    failures: of notebooks that did not run to their end; a book has none.
    to_stage: what a link to a notebook begins with. The book's own page lies in a folder of `stage`.
    commit: of the project, as `commit_of` tells it.
    """
    rows = []
    for path, run in executed:
        notebook = read_notebook(stage / path)
        record = notebook.metadata.get("papermill", {})
        given = ", ".join(f"{k} = {v}" for k, v in record.get("parameters", {}).items() if k != "PROFILE")
        again = "" if run.attempts == 1 else f" (attempt {run.attempts})"
        title = (title_of(notebook) or path.name).replace("|", "\\|")
        link, moment = f"[{title}]({to_stage}{path.as_posix()})", _minute(record.get("start_time"))
        link += f" ({given})" * bool(given)
        share = f"{100 * run.seconds / SMOKE:.0f} %" + " (more)" * (run.seconds > SMOKE)
        rows.append(f"| {link} | {moment} | {run.seconds:.0f}{again} | {share} |")
    failed = "".join(f"- **{path.name} failed.** {error}\n" for path, error in failures)
    facts = "\n".join(f"| {name} | {value} |" for name, value in _environment(commit))
    table = "\n".join(rows)
    return f"""# What ran

Every chapter is executed from a fresh kernel, top to bottom, before its page is made. A chapter that fails
leaves no book. In the profile *smoke* it should take {SMOKE} seconds at most on two cores that do nothing else; the
share is of those, whichever profile was run. Here PROFILE = {profile}.

{failed}
| chapter | executed (UTC) | seconds | of {SMOKE} s |
|---|---|---:|---:|
{table}

| environment | |
|---|---|
{facts}
"""


def commit_of(project: Path) -> str:
    """The commit of a checkout, and whether its files differ from it; "unknown" where there is no git."""
    try:
        told = [
            subprocess.run(["git", "-C", str(project), *command], capture_output=True, text=True, check=True).stdout
            for command in (("rev-parse", "--short=12", "HEAD"), ("status", "--porcelain"))
        ]
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return told[0].strip() + ", with changes" * bool(told[1].strip())


def device_name() -> str:
    """What torch would compute on here, in words: a GPU's name, or the CPU with its number of cores."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    if torch.backends.mps.is_available():
        return "Apple GPU (MPS)"
    return f"CPU ({platform.machine()}, {os.cpu_count()} cores)"


def _environment(commit: str) -> list[tuple[str, str]]:
    packages = ("clipcompat", "torch", "torchvision", "open_clip_torch", "timm", "numpy", "plotly", "jupyter-book")
    versions = [(name, _version(name)) for name in packages]
    return [
        ("commit", commit),
        ("code that decides numbers", code_hash()),
        ("device", device_name()),
        ("Python", platform.python_version()),
        ("system", f"{platform.system()} {platform.machine()}"),
        *versions,
    ]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _minute(stamp: str | None) -> str:
    """papermill's ISO time, to the minute, in UTC."""
    if not stamp:
        return "unknown"
    moment = datetime.datetime.fromisoformat(stamp)
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M")

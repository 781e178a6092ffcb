"""The book's last page: which notebook ran when, for how long, on what."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from book.tools.execute import ExecutionError, Run
from book.tools.notebook import read_notebook, title_of


def status_page(
    executed: Sequence[tuple[Path, Run]],
    stage: Path,
    profile: str,
    failures: Sequence[tuple[Path, ExecutionError]] = (),
    to_stage: str = "../",
) -> str:
    """MyST text of the page; `executed` holds each notebook's path relative to `stage` and how it ran.

    failures: of notebooks that did not run to their end; a book has none.
    to_stage: what a link to a notebook begins with. The book's own page lies in a folder of `stage`.
    """
    rows = []
    for path, run in executed:
        notebook = read_notebook(stage / path)
        record = notebook.metadata.get("papermill", {})
        given = ", ".join(f"{name} = {value}" for name, value in record.get("parameters", {}).items()) or "defaults"
        again = "" if run.attempts == 1 else f" (attempt {run.attempts})"
        title = (title_of(notebook) or path.name).replace("|", "\\|")
        link, moment = f"[{title}]({to_stage}{path.as_posix()})", _minute(record.get("start_time"))
        rows.append(f"| {link} | {moment} | {run.seconds:.0f}{again} | {given} |")
    failed = "".join(f"- **{path.name} failed.** {error}\n" for path, error in failures)
    facts = "\n".join(f"| {name} | {value} |" for name, value in _environment(profile))
    table = "\n".join(rows)
    return f"""# What ran

Every chapter is executed from a fresh kernel, top to bottom, before its page is made. A chapter that fails
leaves no book.

{failed}
| chapter | executed (UTC) | seconds | parameters |
|---|---|---:|---|
{table}

| environment | |
|---|---|
{facts}
"""


def device_name() -> str:
    """What torch would compute on here, in words: a GPU's name, or the CPU with its number of cores."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name(0)
    if torch.backends.mps.is_available():
        return "Apple GPU (MPS)"
    return f"CPU ({platform.machine()}, {os.cpu_count()} cores)"


def _environment(profile: str) -> list[tuple[str, str]]:
    packages = ("clipcompat", "torch", "open_clip_torch", "plotly", "jupyter-book")
    versions = [(name, _version(name)) for name in packages]
    return [
        ("PROFILE", profile),
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

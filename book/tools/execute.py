"""Execute one notebook with papermill, in a process of its own that can be killed.

A kernel that hangs cannot be stopped from inside: nbclient's timeouts miss some hangs, and a kernel has its
own session, so killing papermill's process group leaves it running. Hence the limits here, and a kill that
walks the process tree. The limits follow progress: processor time is counted, which other jobs on the machine
hardly change, and an attempt that uses none for a while hangs. A hang or a crash of the machinery is tried
again; an error raised by a cell is not, since it would come back.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil

from book.tools.notebook import ERROR_TAG, INJECTED_TAG, WIDGET_MIMES, parameters, read_notebook, tags

_POLL = 0.5  # seconds between two looks at the processes
_IDLE = 0.05  # of one core: less is the waiting of papermill and its kernel
_PLOTLY_MIME = "application/vnd.plotly.v1+json"


class ExecutionError(RuntimeError):
    """A notebook that did not run to its end, and where the failed copy lies."""


@dataclass(frozen=True)
class Run:
    """How one notebook ran: wall-clock seconds of the attempt that counted, and how many attempts it took."""

    notebook: str
    seconds: float
    attempts: int


def execute(
    source: Path,
    output: Path,
    *,
    values: Mapping[str, str] | None = None,
    limit: float = 900.0,
    clock: float | None = None,
    stall: float = 120.0,
    retries: int = 1,
    failed: Path | None = None,
    environment: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> Run:
    """Run `source` in the folder of `output` and leave the executed copy there, ready for a static page.

    Args:
        source: a notebook without outputs; it is not changed.
        output: where the executed copy goes.
        values: parameters to inject, as strings. Each must be assigned in the cell tagged `parameters`.
        limit: seconds of processor time for one attempt, of all its processes and threads together.
        clock: seconds on the clock that one attempt may take; None sets no such limit.
        stall: seconds on the clock in which an attempt must use some processor time, or it counts as hanging.
        retries: how often to try again after a hang or a crash.
        failed: folder that keeps the copy and the log of a notebook that failed.
        environment: variables to set for papermill and its kernel.
        python: the interpreter of both, in an environment that has papermill and ipykernel.

    Raises:
        ExecutionError: an unknown parameter, an error in a cell, or a hang or crash in every attempt.
    """
    values = dict(values or {})
    known = parameters(read_notebook(source))
    if unknown := sorted(set(values) - set(known)):
        raise ExecutionError(
            f"{source.name} has no parameter {', '.join(unknown)}; its parameters cell assigns "
            f"{', '.join(known) or 'none'}. Correct the name, or add it to that cell."
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    problem = ""
    for attempt in range(1, retries + 2):
        output.unlink(missing_ok=True)
        start = time.monotonic()
        log, problem = _attempt(source, output, values, (limit, stall, clock), environment or {}, python)
        seconds = time.monotonic() - start
        error = _cell_error(output)
        if not problem and not error:
            nbformat.write(for_static_page(read_notebook(output)), output)
            return Run(source.name, round(seconds, 1), attempt)
        if error:
            problem = error
            break
    kept = _keep(output, source.name, log, failed)
    often = f" in each of {attempt} attempts" if attempt > 1 else ""
    raise ExecutionError(f"{source.name} failed{often}: {problem}.{kept}")


def for_static_page(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The executed `notebook` without widgets, machine paths and papermill's own cell; changed in place."""
    notebook.metadata.pop("widgets", None)
    for key in ("input_path", "output_path", "environment_variables"):
        notebook.metadata.get("papermill", {}).pop(key, None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if INJECTED_TAG in tags(cell):
            cell.metadata["tags"] = [*tags(cell), "remove-cell"]
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if not set(out.get("data", {})) & set(WIDGET_MIMES)]
    return notebook


def _attempt(
    source: Path,
    output: Path,
    values: Mapping[str, str],
    limits: tuple[float, float, float | None],
    environment: Mapping[str, str],
    python: str,
) -> tuple[str, str]:
    """One papermill process: its log, and what went wrong with it (empty if nothing)."""
    command = [python, "-m", "papermill", str(source.resolve()), str(output.resolve())]
    command += ["-k", "python3", "--language", "python", "--cwd", str(output.parent)]
    command += ["--no-progress-bar", "--log-level", "WARNING", "--start-timeout", "60"]
    for name, value in values.items():
        command += ["-r", name, value]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
        try:
            problem = _watch(process, *limits)
        finally:
            _kill_tree(process)
        log.seek(0)
        text = log.read()
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
    return text, f"{problem} ({last})" if problem and last else problem


def _watch(process: subprocess.Popen, limit: float, stall: float, clock: float | None) -> str:
    """Wait for a process; what went wrong with it, or nothing. The caller ends what still runs."""
    start = time.monotonic()
    used, since = 0.0, start  # of the window that is looked at
    while True:
        try:
            status = process.wait(_POLL)
            return "" if status == 0 else f"papermill ended with status {status}"
        except subprocess.TimeoutExpired:
            now = _processor_time(process)
        if now > limit:
            return f"it was still running after {limit:g} seconds of processor time and was stopped"
        if clock is not None and time.monotonic() - start > clock:
            return f"it was still running after {clock:g} seconds on the clock and was stopped"
        elapsed = time.monotonic() - since
        if elapsed >= stall:
            if abs(now - used) < _IDLE * elapsed:
                return f"it used no processor time for {stall:g} seconds and was stopped"
            used, since = now, time.monotonic()


def _processor_time(process: subprocess.Popen) -> float:
    """Seconds that a process and everything it started have computed; children that ended count with their parent."""
    total = 0.0
    try:
        root = psutil.Process(process.pid)
        for member in [root, *root.children(recursive=True)]:
            try:
                total += sum(member.cpu_times()[:4])  # user and system, its own and its ended children's
            except psutil.NoSuchProcess:
                continue
    except psutil.NoSuchProcess:
        pass
    return total


def _kill_tree(process: subprocess.Popen) -> None:
    """End a process and everything it started, in whichever session; nothing happens if all have ended."""
    try:
        root = psutil.Process(process.pid)
        family = [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
    psutil.wait_procs(family, timeout=10)


def _cell_error(path: Path) -> str:
    """What a cell did that no page can show: raise an error, end in a bare plotly figure; or nothing."""
    if not path.is_file():
        return ""
    try:
        notebook = read_notebook(path)
    except Exception:  # papermill was stopped while writing; the attempt has already counted as failed
        return ""
    marked = any(ERROR_TAG in tags(cell) for cell in notebook.cells)
    for cell in notebook.cells:
        for out in cell.get("outputs", []):
            line = next((line for line in cell.source.splitlines() if line.strip()), "")
            if out.output_type == "error":
                return f"the cell that starts with `{line}` raised {out.ename}: {out.evalue}"
            if _PLOTLY_MIME in out.get("data", {}):
                return (
                    f"the cell that starts with `{line}` ends in a plotly figure, which a page cannot show. "
                    "End it with clipcompat_book.show.show(fig, alt=...), or with a semicolon to show nothing"
                )
    return "papermill marked a cell as failed" if marked else ""


def _keep(output: Path, name: str, log: str, failed: Path | None) -> str:
    """Move a failed copy out of the way of the book; the sentence that says where it is."""
    if failed is None:
        output.unlink(missing_ok=True)
        return ""
    failed.mkdir(parents=True, exist_ok=True)
    (failed / f"{name}.log").write_text(log, encoding="utf-8")
    if output.is_file():
        shutil.move(output, failed / name)
    return f" What it left is in {failed.parent.name}/{failed.name}/{name}, with papermill's log beside it"

"""Execute every notebook of the book: `make notebooks PROFILE=smoke|book|paper`. `make book` uses the same machine.

Executed copies lie in `_build/notebooks` with `status.md`, a page of what ran. A notebook that failed lies in
`_build/failed` with its log, is named on that page, and is never among the copies that a book is made from.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from book.tools.execute import ExecutionError, Run, execute
from book.tools.kept import KeptChapters, state_of
from book.tools.notebook import parameters, read_notebook, toc_notebooks
from book.tools.status import commit_of, status_page

PROFILES = {"smoke": 1800.0, "book": 3600.0, "paper": 12 * 3600.0}
"""Profile -> seconds on the clock that one attempt of a notebook may take."""
_PROCESSOR_TIME = {"paper": 96 * 3600.0}


@dataclass(frozen=True)
class Limits:
    """Of one attempt of one notebook. processor: seconds computed, of all its threads. clock: seconds, or None."""

    processor: float = 900.0
    clock: float | None = None


def kept_chapters(project: Path, profile: str) -> KeptChapters:
    """The copies that were executed before with this profile and the library and records as they are now."""
    return KeptChapters(project / "_build" / "executed" / profile, state_of(project))


def execute_all(
    project: Path,
    stage: Path,
    notebooks: Sequence[Path],
    profile: str,
    *,
    values: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    workers: int = 0,
) -> list[tuple[Path, Run | ExecutionError]]:
    """Execute notebooks, each in its own process, into `stage`; all are tried, and failures come back with the rest.

    Args:
        project: the folder with `_toc.yml`.
        stage: where the executed copies go, at their paths in the project.
        notebooks: their paths, relative to the project. One that did not change since it was executed is copied.
        profile: value of the parameter PROFILE, given to every notebook that has it.
        values: more parameters; every notebook must have each of them.
        limits: of one attempt; the default has no limit on the clock.
        workers: notebooks executed at once; 0 chooses (one on a GPU, else two).
    """
    on_gpu = Path("/dev/nvidia0").exists()
    workers = workers or (1 if on_gpu else min(2, os.cpu_count() or 1))
    threads = max(1, (os.cpu_count() or 1) // workers)
    kept, limits = kept_chapters(project, profile), limits or Limits()
    with tempfile.TemporaryDirectory() as profile_folder:  # so that no IPython start-up file of the user takes part
        environment = {
            "CLIPCOMPAT_BOOK": "1",
            "HF_HUB_OFFLINE": "1",
            "IPYTHONDIR": profile_folder,
            "JUPYTER_PREFER_ENV_PATH": "1",
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "TQDM_DISABLE": "1",  # a progress bar would be a widget in the page
        }

        def one(path: Path) -> Run | ExecutionError:
            has_profile = "PROFILE" in parameters(read_notebook(project / path))
            given = {**({"PROFILE": profile} if has_profile else {}), **(values or {})}
            if run := kept.take(project / path, given, stage / path):
                say(f"{path.as_posix()}: as executed before, in {run.seconds:.1f} s")
                return run
            how = {"values": given, "limit": limits.processor, "clock": limits.clock, "environment": environment}
            try:
                run = execute(project / path, stage / path, failed=project / "_build" / "failed", **how)
            except ExecutionError as error:
                say(f"{path.as_posix()}: FAILED")
                return error
            kept.keep(project / path, given, stage / path, run)
            say(f"{path.as_posix()}: {run.seconds:.1f} s")
            return run

        with ThreadPoolExecutor(workers) as pool:
            return list(zip(notebooks, pool.map(one, notebooks), strict=True))


def say(line: str) -> None:
    """A line of progress, at once."""
    print(line, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """The command line: `python -m book.tools.runs.notebooks`, from the project's root."""
    parser = argparse.ArgumentParser(description="Execute every notebook of the book.")
    parser.add_argument("--project", type=Path, default=Path("."))
    parser.add_argument("--profile", default="book", choices=PROFILES, help="PROFILE of every notebook")
    parser.add_argument("--clock", type=float, help="seconds that one attempt of a notebook may take")
    parser.add_argument("--workers", type=int, default=0, help="notebooks executed at once")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this notebook, such as 02_drift")
    options = parser.parse_args(arguments)
    project = options.project.resolve()
    notebooks = toc_notebooks(project)
    if unknown := set(options.only) - {path.stem for path in notebooks}:
        names = ", ".join(path.stem for path in notebooks)
        parser.error(f"_toc.yml names no notebook {', '.join(sorted(unknown))}; it names {names}")
    notebooks = [path for path in notebooks if not options.only or path.stem in options.only]
    out = project / "_build" / "notebooks"
    for folder in (out, project / "_build" / "failed"):
        shutil.rmtree(folder, ignore_errors=True)
    out.mkdir(parents=True)
    limits = Limits(_PROCESSOR_TIME.get(options.profile, 900.0), options.clock or PROFILES[options.profile])
    results = execute_all(project, out, notebooks, options.profile, limits=limits, workers=options.workers)
    failures = [(path, result) for path, result in results if isinstance(result, ExecutionError)]
    runs = [(path, result) for path, result in results if isinstance(result, Run)]
    status = status_page(runs, out, options.profile, failures, to_stage="", commit=commit_of(project))
    (out / "status.md").write_text(status, encoding="utf-8")
    for _, error in failures:
        print(error, file=sys.stderr)
    say(f"{len(runs)} of {len(notebooks)} notebooks ran: {os.path.relpath(out / 'status.md')}")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())

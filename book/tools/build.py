"""Build the book: stage a copy, execute its notebooks, make the pages, check them, and only then show them.

Everything happens under `_build/` of the project. `_build/html` changes only when the new book passed every
check, so what lies there was whole when it was built; `_build/failed` holds what a failed notebook left,
and `_build/executed` the chapters that need not be executed again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import yaml
from filelock import FileLock, Timeout

from book.tools.api import api_page
from book.tools.check import check_book
from book.tools.execute import ExecutionError, Run
from book.tools.live import write_live
from book.tools.notebook import fold_setup, long_cells, minus_signs, read_notebook, toc_files, toc_notebooks, typeset
from book.tools.reproduction import known_records, reproduction_page
from book.tools.runs.notebooks import Limits, execute_all, say
from book.tools.social import add_social_tags
from book.tools.status import commit_of, status_page
from book.tools.twin import live_html
from book.tools.vendor import vendor

_PARTS = ("_config.yml", "_toc.yml", "CHANGELOG.md", "book", "notebooks")


class BookError(RuntimeError):
    """The book was not built; the message says what to look at."""


def build(
    project: Path,
    *,
    profile: str = "book",
    values: Mapping[str, str] | None = None,
    limit: float = 900.0,
    workers: int = 0,
    again: bool = False,
) -> Path:
    """Build the book of `project`; the path of its first page.

    Args:
        project: the folder with `_config.yml` and `_toc.yml`.
        profile: value of the parameter PROFILE, given to every notebook that has it.
        values: more parameters; every notebook must have each of them.
        limit: seconds of processor time that one notebook may take.
        workers: notebooks executed at once; 0 chooses (one on a GPU, else two).
        again: execute every notebook, also those that an earlier build executed from the same state.

    Raises:
        BookError: a notebook failed, Jupyter Book warned, or a page failed a check. `_build/html` stays as
            it was.
        FileNotFoundError: a package the book needs is not installed.
    """
    project = project.resolve()
    with _alone(project / "_build"):
        return _build(project, project / "_build", profile, values or {}, limit, workers, again)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Two builds in one clone would empty each other's folders: the second one is refused."""
    out.mkdir(exist_ok=True)
    lock = FileLock(out / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BookError("another `make book` is running in this clone; wait for it to end.") from error
    try:
        yield
    finally:
        lock.release()


def _build(
    project: Path, out: Path, profile: str, values: Mapping[str, str], limit: float, workers: int, again: bool
) -> Path:
    stage, fresh, failed = out / "stage", out / "next", out / "failed"
    for folder in (stage, fresh, failed):
        shutil.rmtree(folder, ignore_errors=True)
    notebooks = toc_notebooks(project)
    if again:
        shutil.rmtree(out / "executed", ignore_errors=True)
    _stage(project, stage)
    vendor(stage / "book" / "assets" / "vendor")
    write_live(stage / "book" / "assets" / "live")
    (stage / "book" / "live.html").write_text(live_html(), encoding="utf-8")
    results = execute_all(project, stage, notebooks, profile, values=values, limits=Limits(limit), workers=workers)
    if errors := [str(result) for _, result in results if isinstance(result, ExecutionError)]:
        raise BookError("\n".join(errors))
    runs = [(path, run) for path, run in results if isinstance(run, Run)]
    timings = {path.as_posix(): {"seconds": run.seconds, "attempts": run.attempts} for path, run in runs}
    (out / "timings.json").write_text(json.dumps(timings, indent=1))
    for path in notebooks:
        nbformat.write(typeset(fold_setup(read_notebook(stage / path))), stage / path)
    (stage / "book" / "status.md").write_text(
        status_page(runs, stage, profile, commit=commit_of(project)), encoding="utf-8"
    )
    (stage / "book" / "api.md").write_text(api_page(), encoding="utf-8")
    page = long_cells(minus_signs(reproduction_page(known_records(project))))
    (stage / "book" / "reproduction.md").write_text(page, encoding="utf-8")
    _render(stage, fresh, out / "sphinx.log")
    html = fresh / "_build" / "html"
    shutil.copyfile(Path(__file__).parents[1] / "assets" / "404.html", html / "404.html")
    add_social_tags(html, toc_files(project / "_toc.yml"), _config(project)["html"]["baseurl"])
    problems = check_book(html, [p.with_suffix("").as_posix() for p in notebooks], _colab(project), _private(project))
    if problems:
        raise BookError(f"the pages failed {len(problems)} checks:\n  " + "\n  ".join(problems))
    _swap(html, out / "html")
    shutil.rmtree(fresh)
    return out / "html" / "index.html"


def _stage(project: Path, stage: Path) -> None:
    """A copy of what the book is made from, so that executing changes nothing in the working tree."""
    stage.mkdir(parents=True)
    for part in _PARTS:
        source = project / part
        if source.is_dir():
            unwanted = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "tools", "vendor")
            shutil.copytree(source, stage / part, ignore=unwanted)
        elif source.is_file():
            shutil.copyfile(source, stage / part)


def _render(stage: Path, fresh: Path, log: Path) -> None:
    """Run Jupyter Book over the stage; every warning of it is an error."""
    program = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", program, "build", str(stage), "--path-output", str(fresh)]
    command += ["-W", "-n", "--keep-going", "--all"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode != 0 or not (fresh / "_build" / "html" / "index.html").is_file():
        lines = [line for line in log.read_text(encoding="utf-8").splitlines() if "WARNING" in line or "ERROR" in line]
        said = "\n  ".join(lines or done.stderr.splitlines()[-15:])
        raise BookError(f"Jupyter Book did not pass (all of it is in _build/{log.name}):\n  {said}")


def _config(project: Path) -> dict[str, Any]:
    return yaml.safe_load((project / "_config.yml").read_text(encoding="utf-8"))


def _colab(project: Path) -> str:
    """What the Colab link of a notebook's page starts with, from `_config.yml`."""
    config = _config(project)
    repository, base = config["repository"], config["launch_buttons"]["colab_url"].rstrip("/")
    owner_and_name = repository["url"].removeprefix("https://github.com/").rstrip("/")
    return f"{base}/github/{owner_and_name}/blob/{repository['branch']}/"


def _private(project: Path) -> list[str]:
    """Paths of this machine that a page must not show; the shortest ones are too common to be looked for."""
    return [path for path in (str(project), str(Path.home()), sys.prefix) if len(path) > 5]


def _swap(html: Path, shown: Path) -> None:
    """Put the checked book where readers look, in two renames."""
    old = shown.with_name("html.old")
    shutil.rmtree(old, ignore_errors=True)
    if shown.exists():
        shown.rename(old)
    html.rename(shown)
    shutil.rmtree(old, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """The command line: `python -m book.tools.build`, from the project's root."""
    parser = argparse.ArgumentParser(description=build.__doc__.splitlines()[0] if build.__doc__ else None)
    parser.add_argument("--project", type=Path, default=Path("."))
    parser.add_argument("--profile", default="book", help="PROFILE of every notebook that has this parameter")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another parameter")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds of processor time one notebook may take")
    parser.add_argument("--again", action="store_true", help="execute chapters again that did not change")
    parser.add_argument("--workers", type=int, default=0, help="notebooks executed at once")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    try:
        values = dict(pair.split("=", 1) for pair in options.set)
        how = {name: getattr(options, name) for name in ("profile", "limit", "workers", "again")}
        index = build(options.project, values=values, **how)
    except (BookError, FileNotFoundError) as error:
        print(f"The book was not built: {error}", file=sys.stderr)
        if (options.project / "_build" / "html" / "index.html").is_file():
            print("_build/html still holds the book of an earlier, successful build.", file=sys.stderr)
        return 1
    pages = len(list(index.parent.rglob("*.html")))
    say(f"{pages} pages in {time.monotonic() - start:.0f} s: {os.path.relpath(index)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

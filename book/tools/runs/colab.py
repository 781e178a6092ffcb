"""Run notebooks as a reader on Colab does: `make colab-check`.

The package is installed from its wheel, there is no checkout, and the notebook lies in a folder of its own. Where the
PATH has Colab's Python, the environment is made with it, and pip fetches the packages: it takes 6 GB under $TMPDIR, and
less with PIP_EXTRA_INDEX_URL set to an index of CPU builds. Elsewhere, or where pip cannot reach an index, it is a
virtual one of this Python, which sees the packages of .venv, but not the editable install in it, and a line says so. A
file of the checkout that a notebook opens all the same, as by a path put into `sys.path`, is an error.

It imitates neither Colab's versions of packages, nor its GPU, its front end or its network: the installing cell finds
the package installed and does nothing.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from book.tools.execute import ExecutionError, execute
from book.tools.notebook import parameters, read_notebook, toc_notebooks
from book.tools.runs.notebooks import say

COLAB = (3, 12)
"""The version of Python that Colab has."""
_PACKAGED = ("clipcompat", "clipcompat_book", "pyproject.toml", "README.md", "LICENSE")
_GUARD = '''"""Opening a file of the checkout is an error; what a kernel needs in .venv lies there and is none."""
import sys

_CHECKOUT, _ALLOWED = {checkout!r}, {allowed!r}


def _refuse(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith(_CHECKOUT):
        if not arguments[0].startswith(_ALLOWED):
            raise PermissionError(f"this notebook reads {{arguments[0]}}, a file of the checkout, which Colab has not")


sys.addaudithook(_refuse)
'''


def colab_python() -> tuple[str | None, str]:
    """The path of a Python of Colab's version and a sentence on it; no path where there is none that starts."""
    name = f"python{COLAB[0]}.{COLAB[1]}"
    found = sys.executable if sys.version_info[:2] == COLAB else shutil.which(name)
    this = f"This is Python {sys.version_info.major}.{sys.version_info.minor}, not Colab's"
    if found is None:
        return None, f"{this}: there is no {name} on the PATH."
    done = subprocess.run(
        [found, "-c", "import sys, venv; print(sys.version_info[:2])"], capture_output=True, text=True
    )
    if done.stdout.strip() != str(COLAB):
        return None, f"{this}: {found} does not start."
    return found, f"Python as on Colab: {found}"


def build_environment(project: Path, folder: Path, colab: str | None = None) -> str:
    """Make the environment in `folder`; the path of its interpreter.

    colab: a Python of Colab's version, whose packages pip fetches; None: this Python, with the packages of .venv.
    """
    copy = folder / "source"
    copy.mkdir()
    for name in _PACKAGED:
        if (project / name).is_dir():
            shutil.copytree(project / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(project / name, copy / name)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-index"]
    _call([*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", str(folder), str(copy)])
    shutil.rmtree(copy)
    home = folder / "environment"
    (wheel,) = folder.glob("clipcompat-*.whl")
    lent = next(path for path in map(Path, sys.path) if path.name == "site-packages")
    if colab:
        _call([colab, "-m", "venv", str(home)])
        packages = home / "lib" / f"python{COLAB[0]}.{COLAB[1]}" / "site-packages"
        _call([str(home / "bin" / "python"), *pip[1:], "install", f"{wheel}[book]"])
        (packages / "guard.pth").write_text("import checkout_guard\n", encoding="utf-8")
    else:
        _call([sys.executable, "-m", "venv", "--without-pip", str(home)])
        packages = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        _call([*pip, "install", *offline, "--target", str(packages), str(wheel)])
        # a path from such a file is not searched for further .pth files, so the editable install stays out of sight
        (packages / "lent.pth").write_text(f"{lent}\nimport checkout_guard\n", encoding="utf-8")
    allowed = tuple(f"{path}/" for path in {lent, lent.resolve(), Path(sys.prefix), folder, folder.resolve()})
    guard = _GUARD.format(checkout=f"{project}/", allowed=allowed)
    (packages / "checkout_guard.py").write_text(guard, encoding="utf-8")
    return str(home / "bin" / "python")


def environment_like_colabs(project: Path, folder: Path) -> str:
    """With Colab's Python if it is here and pip gets the packages, else with this one; it says which, and why."""
    colab, sentence = colab_python()
    say(sentence)
    if colab:
        try:
            return build_environment(project, _new(folder, "colab"), colab)
        except RuntimeError as error:
            say(f"This is Python {sys.version_info.major}.{sys.version_info.minor}, not Colab's: {error}")
    return build_environment(project, _new(folder, "own"))


def _new(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def check(project: Path, notebooks: Sequence[Path], python: str, folder: Path) -> list[str]:
    """Run notebooks one after another in the smoke profile, each alone in a folder; what went wrong, in sentences."""
    problems = []
    for path in notebooks:
        content, given = folder / "content" / path.stem, folder / "notebooks" / path.name
        given.parent.mkdir(exist_ok=True)
        shutil.copyfile(project / path, given)
        environment = {
            "PYTHONPATH": "",
            "PLOTLY_RENDERER": "colab",
            "CLIPCOMPAT_BOOK": "0",
            "HF_HUB_OFFLINE": "1",
            "IPYTHONDIR": str(folder / "ipython"),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
            "TQDM_DISABLE": "1",
        }
        values = {"PROFILE": "smoke"} if "PROFILE" in parameters(read_notebook(given)) else {}
        how = {"values": values, "environment": environment, "python": python, "failed": project / "_build" / "failed"}
        try:
            # nbclient hangs now and then in a cell with a live widget; two more attempts make that rare
            run = execute(given, content / path.name, retries=2, **how)
        except ExecutionError as error:
            problems.append(str(error))
            say(f"{path.name}: FAILED")
        else:
            say(f"{path.name}: {run.seconds:.1f} s, {run.attempts} attempts")
    return problems


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` failed:\n{done.stderr}")


def main(arguments: list[str] | None = None) -> int:
    """The command line: `python -m book.tools.runs.colab`, from the project's root."""
    parser = argparse.ArgumentParser(description="Run notebooks with the wheel installed and no checkout.")
    parser.add_argument("--project", type=Path, default=Path("."))
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this notebook, such as 02_drift")
    options = parser.parse_args(arguments)
    project = options.project.resolve()
    notebooks = [path for path in toc_notebooks(project) if not options.only or path.stem in options.only]
    if not notebooks:
        parser.error(f"_toc.yml names no notebook {', '.join(options.only)}")
    with tempfile.TemporaryDirectory() as folder:
        problems = check(project, notebooks, environment_like_colabs(project, Path(folder)), Path(folder))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())

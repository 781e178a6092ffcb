"""Run notebooks as a reader on Colab does: `make colab-check`.

The package is installed from its wheel, there is no checkout, and the notebook lies in a folder of its own. The
environment is a virtual one that sees the packages of .venv, but not the editable install in it. A file of the checkout
that a notebook opens all the same, as by a path put into `sys.path`, is an error.

It imitates neither Colab's versions of Python and of packages, nor its GPU, its front end or its network: the
installing cell finds the package installed and does nothing.
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


def build_environment(project: Path, folder: Path) -> str:
    """Make the environment in `folder`; the path of its interpreter."""
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
    _call([sys.executable, "-m", "venv", "--without-pip", str(home)])
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = home / "lib" / version / "site-packages"
    (wheel,) = folder.glob("clipcompat-*.whl")
    _call([*pip, "install", *offline, "--target", str(packages), str(wheel)])
    lent = next(path for path in map(Path, sys.path) if path.name == "site-packages")
    # a path from such a file is not searched for further .pth files, so the editable install stays out of sight
    (packages / "lent.pth").write_text(f"{lent}\nimport checkout_guard\n", encoding="utf-8")
    allowed = tuple(f"{path}/" for path in {lent, lent.resolve(), Path(sys.prefix), folder, folder.resolve()})
    guard = _GUARD.format(checkout=f"{project}/", allowed=allowed)
    (packages / "checkout_guard.py").write_text(guard, encoding="utf-8")
    return str(home / "bin" / "python")


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
            print(f"{path.name}: FAILED", flush=True)
        else:
            print(f"{path.name}: {run.seconds:.1f} s, {run.attempts} attempts", flush=True)
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
        problems = check(project, notebooks, build_environment(project, Path(folder)), Path(folder))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())

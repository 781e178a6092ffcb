"""Put the scripts that pages need beside the pages, from installed wheels, so that no page asks a CDN.

plotly.js comes from the plotly wheel (so its version always matches the figures), MathJax 3 with its fonts
from sphinx-mathjax-offline, which is used as a box of files and not as a Sphinx extension.
"""

from __future__ import annotations

import importlib.metadata
import shutil
from pathlib import Path

# wheel -> (folder inside it, what to take from it, where it goes). tex-chtml.js loads the other folders when
# a page needs them; the rest of its 24 MB is for other inputs and outputs.
_SOURCES = {
    "plotly": ("plotly/package_data/", ("plotly.min.js",), ""),
    "sphinx-mathjax-offline": (
        "sphinx-mathjax-offline/static/mathjax/",
        (
            "tex-chtml.js",
            "output/chtml/fonts/woff-v2/",
            "input/tex/extensions/",
            "a11y/",
            "ui/",
            "sre/mathmaps/en.json",
        ),
        "mathjax/",
    ),
}
_NOTICE = """plotly.min.js: plotly.js, MIT licence, copyright Plotly, Inc. (its first lines say so).
mathjax/: MathJax 3, Apache License 2.0, copyright The MathJax Consortium.
"""


def vendor(target: Path) -> list[Path]:
    """Fill `target` with plotly.min.js, mathjax/ and a note of their licences; the files, relative to it.

    Raises:
        FileNotFoundError: a wheel is not installed, or holds other files than expected.
    """
    target.mkdir(parents=True, exist_ok=True)
    (target / "LICENSES.txt").write_text(_NOTICE, encoding="utf-8")
    written = [Path("LICENSES.txt")]
    for wheel, (folder, wanted, place) in _SOURCES.items():
        written += _copy(wheel, folder, wanted, target, place)
    return sorted(written)


def _copy(wheel: str, folder: str, wanted: tuple[str, ...], target: Path, place: str) -> list[Path]:
    """Copy the files of an installed wheel in `folder` whose rest starts with one of `wanted`."""
    try:
        distribution = importlib.metadata.distribution(wheel)
    except importlib.metadata.PackageNotFoundError as error:
        raise FileNotFoundError(f"the book needs the package {wheel}, which is missing. Run: make install") from error
    written, missing = [], set(wanted)
    for file in distribution.files or []:
        rest = file.as_posix().removeprefix(folder)
        match = next((name for name in wanted if rest.startswith(name)), None)
        if not file.as_posix().startswith(folder) or match is None:
            continue
        destination = target / place / rest
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.locate(), destination)
        written.append(destination.relative_to(target))
        missing.discard(match)
    if missing:
        raise FileNotFoundError(
            f"{wheel} {distribution.version} holds no {', '.join(sorted(missing))} in {folder}. "
            "Install the locked versions with make install, or correct book/tools/vendor.py."
        )
    return written

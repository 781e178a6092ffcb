"""`make book` in small: a project of two pages and one notebook, built whole or not at all."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image

from book.tools.build import _alone, main
from book.tools.notebook import toc_files, toc_notebooks
from tests.book.test_execute import PARAMETERS, write_notebook

FIGURE = """import plotly.graph_objects as go
from clipcompat_book.show import show
show(go.Figure(go.Bar(x=["old", "new"], y=[1, 2])), alt="Two bars; the second is higher.", caption="New is higher.")"""


@pytest.fixture
def toy(tmp_path: Path, project: Path) -> Path:
    """The real configuration and style around one notebook."""
    (tmp_path / "book").mkdir()
    for name in (
        "_config.yml",
        "book/references.bib",
        "book/references.md",
        "book/changelog.md",
        "book/assets",
        "CHANGELOG.md",
    ):
        copy = shutil.copytree if (project / name).is_dir() else shutil.copyfile
        copy(project / name, tmp_path / name)
    (tmp_path / "book" / "intro.md").write_text("# A question\n\n$x^2$ of {cite}`dpc`.\n")
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nchapters:\n"
        "  - file: notebooks/00_a\n  - file: book/references\n  - file: book/changelog\n  - file: book/status\n"
    )
    write_notebook(tmp_path / "notebooks" / "00_a.ipynb", PARAMETERS, "print('with', PROFILE)", FIGURE)
    _title(tmp_path / "notebooks" / "00_a.ipynb")
    return tmp_path


def test_a_book_is_built_whole_and_a_later_failure_leaves_it(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--project", str(toy), "--profile", "smoke", "--workers", "1"]) == 0, capsys.readouterr().err
    html = toy / "_build" / "html"
    page = (html / "notebooks" / "00_a.html").read_text()
    assert "with smoke" in page and "Injected" not in page
    assert 'aria-label="Two bars; the second is higher."' in page and "New is higher." in page
    repository = yaml.safe_load((toy / "_config.yml").read_text())["repository"]["url"].removeprefix(
        "https://github.com"
    )
    assert f"https://colab.research.google.com/github{repository}/blob/main/notebooks/00_a.ipynb" in page
    assert (html / "_static" / "vendor" / "plotly.min.js").stat().st_size > 1e6
    assert "vendor/mathjax/tex-chtml.js" in (html / "book" / "intro.html").read_text()
    card = re.search(r'<meta [^>]*property="og:image"[^>]*>', page)[0]
    base = yaml.safe_load((toy / "_config.yml").read_text())["html"]["baseurl"]
    assert f'content="{base}_static/card.png"' in card
    assert f'<meta property="og:url" content="{base}notebooks/00_a.html" />' in page
    assert "Added" in (html / "book" / "changelog.html").read_text()
    with Image.open(html / "_static" / "card.png") as picture:
        assert picture.size == (1200, 630)
    status = (html / "book" / "status.html").read_text()
    assert "PROFILE = smoke" in status and "torch" in status and "of 90 s" in status
    timings = json.loads((toy / "_build" / "timings.json").read_text())
    assert timings["notebooks/00_a.ipynb"]["seconds"] > 0

    before = sorted((path, path.stat().st_mtime_ns) for path in html.rglob("*"))
    write_notebook(toy / "notebooks" / "00_a.ipynb", PARAMETERS, "1 / 0")
    capsys.readouterr()
    assert main(["--project", str(toy)]) == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said and "_build/failed/00_a.ipynb" in said and "earlier, successful build" in said
    assert sorted((path, path.stat().st_mtime_ns) for path in html.rglob("*")) == before
    assert (toy / "_build" / "failed" / "00_a.ipynb").is_file()


def test_a_page_that_asks_the_network_or_a_broken_link_stops_the_book(
    toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (toy / "_toc.yml").write_text("format: jb-book\nroot: book/intro\nchapters:\n  - file: book/status\n")
    intro = toy / "book" / "intro.md"
    good = intro.read_text().replace("{cite}`dpc`", "it")
    intro.write_text(good + '\n<iframe src="https://www.example.com/video"></iframe>\n')
    assert main(["--project", str(toy)]) == 1
    assert "book/intro.html: <iframe> loads https://www.example.com/video" in capsys.readouterr().err
    intro.write_text(good + "\n[there](nowhere.md)\n")
    assert main(["--project", str(toy)]) == 1
    assert "nowhere.md" in capsys.readouterr().err
    assert not (toy / "_build" / "html").exists()


def test_a_parameter_that_a_notebook_lacks_stops_the_book(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--project", str(toy), "--set", "SHOT=1"]) == 1
    assert "no parameter SHOT" in capsys.readouterr().err


def test_a_second_build_beside_the_first_is_refused(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with _alone(toy / "_build"):
        assert main(["--project", str(toy)]) == 1
    assert "another `make book` is running" in capsys.readouterr().err
    with _alone(toy / "_build"):  # the first one's end frees it
        pass


def test_the_contents_are_read_in_order(tmp_path: Path) -> None:
    toc = tmp_path / "_toc.yml"
    toc.write_text(
        "format: jb-book\nroot: book/intro\nparts:\n  - caption: One\n    chapters:\n      - file: notebooks/b\n"
        "        sections:\n          - file: notebooks/a\n  - chapters:\n      - file: book/end\n"
    )
    assert toc_files(toc) == ["book/intro", "notebooks/b", "notebooks/a", "book/end"]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "a.ipynb").touch()
    assert toc_notebooks(tmp_path) == [Path("notebooks/a.ipynb")]


def _title(path: Path) -> None:
    """Give a notebook of code cells a heading, which a page must have."""
    content = json.loads(path.read_text())
    content["cells"].insert(0, {"cell_type": "markdown", "id": "title", "metadata": {}, "source": "# A title"})
    path.write_text(json.dumps(content))

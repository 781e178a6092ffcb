"""The check of built pages finds each kind of trouble, and nothing in a whole book."""

from __future__ import annotations

from pathlib import Path

import pytest

from book.tools.check import check_book

COLAB = "https://colab.example/github/o/r/blob/main/"
GOOD = """<html><head><link rel="stylesheet" href="../_static/a.css?v=1"><link rel="canonical" href="https://x.org/a"/>
<script src="../_static/plotly.min.js"></script><style>p { color: red }</style></head>
<body><a href="https://x.org/page">x</a><a href="#top">top</a><a href="a.html#id">self</a>
<a href="https://colab.example/github/o/r/blob/main/notebooks/a.ipynb">Colab</a>
<img src="data:image/png;base64,AAAA" alt="Two lines that cross."><script>Plotly.newPlot("a", [])</script>
<p>See https://x.org/lib.js and src="https://x.org",
<code><b>-1</b><br>-1</code> and ViT-B-16.</p>{more}</body></html>"""


@pytest.fixture
def html(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("<html></html>")
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "plotly.min.js").write_text("")
    (tmp_path / "_static" / "a.css").write_text("/* url(https://x.org/y.png) */ p { background: url('b.png') }")
    (tmp_path / "_static" / "b.png").write_text("")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "a.html").write_text(GOOD.replace("{more}", ""))
    return tmp_path


def problems(html: Path) -> list[str]:
    return check_book(html, ["notebooks/a"], COLAB, private=["/srv/builder"])


def test_a_self_contained_book_has_no_problems(html: Path) -> None:
    assert problems(html) == []


@pytest.mark.parametrize(
    "more, expected",
    [
        ('<script src="https://cdn.example/x.js"></script>', "<script> loads https://cdn.example/x.js"),
        ('<script src="//cdn.example/x.js"></script>', "<script> loads //cdn.example/x.js"),
        ('<link rel="stylesheet" href="https://cdn.example/x.css">', "<link> loads https://cdn.example/x.css"),
        ('<link rel="preload" as="font" href="https://cdn.example/f.woff2">', "<link> loads"),
        ('<link rel="shortcut icon" href="https://cdn.example/i.ico">', "<link> loads"),
        ('<img src="https://cdn.example/i.png" alt="A picture.">', "<img> loads https://cdn.example/i.png"),
        ('<img srcset="https://cdn.example/i.png 2x" alt="A picture.">', "<img> loads"),
        ('<iframe src="https://www.example.com/embed"></iframe>', "<iframe> loads"),
        ('<object data="https://cdn.example/o.svg"></object>', "<object> loads"),
        ('<video poster="https://cdn.example/p.png"></video>', "<video> loads"),
        ('<style>@import "https://cdn.example/x";</style>', "a style loads https://cdn.example/x"),
        ('<p style="background: url(https://cdn.example/p)">x</p>', "a style loads https://cdn.example/p"),
        ('<script>const U = "https://unpkg.example/t@1/index.js"</script>', "names https://unpkg.example/t@1/index.js"),
        ('<script src="../_static/gone.js"></script>', "<script> points to a missing file: ../_static/gone.js"),
        ("<script>document.write('<script src=\"../no.js\"><\\/script>')</script>", "missing file: ../no.js"),
        ("<pre>```{dropdown} Two `names`?</pre>", "a directive was not read: ```{dropdown} Two `names`?"),
        ("<p>It loses (-3.2 points).</p>", "a hyphen stands for a minus sign: It loses (-3.2"),
        ("<td><code>x</code>-1</td>", "a hyphen stands for a minus sign: -1"),
        ('<a href="gone.html">x</a>', "<a> points to a missing file: gone.html"),
        ('<a href="../../../x.html">x</a>', "points outside the book"),
        ('<img src="data:image/png;base64,A">', "no alt text"),
        ('<img src="data:image/png;base64,A" alt="../_images/4f.png">', "no alt text"),
        ('<script type="application/vnd.jupyter.widget-state+json">{}</script>', "widget state"),
        ("<pre>Traceback (most recent call last):</pre>", "an error of its notebook"),
        ("<pre>reading /home/ann/data</pre>", "a path of the machine that built it: /home/ann"),
        ("<pre>/srv/builder/x.py</pre>", "a path of the machine that built it: /srv/builder"),
    ],
)
def test_each_kind_of_trouble_is_found(html: Path, more: str, expected: str) -> None:
    page = html / "notebooks" / "a.html"
    page.write_text(GOOD.replace("{more}", more))
    assert any(expected in problem and "notebooks/a.html" in problem for problem in problems(html)), problems(html)


def test_a_page_may_weigh_500_kilobytes_and_not_more(html: Path) -> None:
    page = html / "notebooks" / "a.html"
    page.write_text(GOOD.replace("{more}", "x" * (500_001 - len(GOOD) + len("{more}"))))
    assert problems(html) == ["notebooks/a.html: the page weighs 500,001 bytes, and 500,000 are allowed"]
    page.write_text(page.read_text().replace("xx", "x", 1))
    assert problems(html) == []


def test_a_figure_without_plotly_is_found(html: Path) -> None:
    (html / "index.html").write_text('<script>Plotly.newPlot("a", [])</script>')
    assert any("nothing loads plotly.min.js" in problem for problem in problems(html))


def test_a_style_sheet_that_asks_a_cdn_is_found(html: Path) -> None:
    (html / "_static" / "a.css").write_text("@font-face { src: url(https://cdn.example/f.woff2) }")
    assert any("a.css: a style loads https://cdn.example/f.woff2" in problem for problem in problems(html))


def test_a_notebook_page_without_its_colab_link_is_found(html: Path) -> None:
    page = html / "notebooks" / "a.html"
    page.write_text(page.read_text().replace("blob/main/notebooks/a", "blob/main/a"))
    assert any("no link to" in problem for problem in problems(html))


def test_a_chapter_without_a_page_is_found(html: Path) -> None:
    assert any("b.html is missing" in problem for problem in check_book(html, ["notebooks/b"], COLAB))


def test_machine_paths_in_downloads_are_found(html: Path) -> None:
    (html / "_sources").mkdir()
    (html / "_sources" / "a.ipynb").write_text('"input_path": "/home/ann/a.ipynb"')
    assert any("a.ipynb: a path of the machine" in problem for problem in problems(html))

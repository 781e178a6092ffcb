"""A shared link shows the page's own title and first paragraph, and leads to the published page."""

import re
from html import unescape

import pytest

from book.tools.social import add_social_tags, social_tags

BASE = "https://me.example/fork/"
PAGE = """<html><head><title>A &amp; B &#8212; the book</title><link rel="canonical" href="x"></head><body><p>Menu</p>
<article class="bd-article"><h1>A</h1><p><strong>Is “old” &lt; new</strong>
{cited} <a href="x">here</a>?</p><p>Second.</p></article></body></html>"""
CITED = "[<a>Radford <em>et al.</em>, 2021</a>]"


def values(tags: str) -> dict[str, str]:
    return {key: unescape(value) for key, value in re.findall(r'<meta \w+="([^"]+)" content="([^"]*)" />', tags)}


def test_a_page_says_what_it_is_about_and_where_it_is():
    tags = values(social_tags(PAGE.replace("{cited}", ""), BASE, "notebooks/a"))
    assert tags["og:title"] == "A & B"
    assert tags["og:description"] == tags["description"] == "Is “old” < new here?"
    assert tags["og:url"] == "https://me.example/fork/notebooks/a.html"
    assert tags["og:image"] == "https://me.example/fork/_static/card.png"
    assert tags["twitter:card"] == "summary_large_image" and len(tags["og:image:alt"]) > 30


@pytest.mark.parametrize("cited", [CITED, "[Li et al., 2025, Wang et al., 2024]", "[Chen and Xu, 2016a]"])
def test_citations_are_left_out(cited):
    assert values(social_tags(PAGE.replace("{cited}", cited), BASE, "a"))["description"] == "Is “old” < new here?"


def test_a_long_paragraph_is_cut_between_words():
    described = values(social_tags(PAGE.replace("{cited}", "word " * 100), BASE, "a"))["description"]
    assert 180 < len(described) <= 200 and described.endswith("word …")


def test_a_page_without_a_paragraph_has_no_description():
    tags = values(social_tags("<head><title>Search &#8212; the book</title></head>", BASE, "search"))
    assert tags["og:title"] == "Search" and "og:description" not in tags


def test_the_tags_stand_in_the_head_of_each_named_page(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.html").write_text(PAGE)
    add_social_tags(tmp_path, ["a"], "https://me.example/fork")
    head = (tmp_path / "a.html").read_text().partition("</head>")[0]
    assert 'property="og:url" content="https://me.example/fork/a.html"' in head
    assert (tmp_path / "b.html").read_text() == PAGE

"""The figures say by fill and shape what the intervals and the corrected p say."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.ablations.charts import plane, rows
from clipcompat_book.chapters.ablations.effects import effects
from tests.book_package.chapters.ablations.made import made, study


@pytest.fixture(scope="module")
def found():
    return effects(study())


def test_a_row_is_full_where_the_interval_leaves_0_out_and_a_diamond_where_chance_is_ruled_out(found):
    fig = rows(found)
    old, new, _ = fig.data
    assert list(fig.layout.yaxis.ticktext) == ["4 heads", "no condition", "biases", "tau = 0.01"]
    assert list(old.marker.symbol) == ["circle", "circle", "circle", "diamond"]
    clear = [colour.startswith("rgba") for colour in old.marker.color]
    assert clear == [True, True, True, False]
    assert new.marker.symbol[1] == "diamond" and list(new.x)[3] == pytest.approx(-5, abs=0.1)


def test_kinds_of_switches_are_apart(found):
    lines = [shape for shape in rows(found).layout.shapes if shape.y0 == shape.y1]
    assert len({line.y0 for line in lines}) == 3


def test_the_plane_fills_what_is_told_from_chance_and_names_the_largest(found):
    fig = plane(found)
    full = next(t for t in fig.data if t.name == "moves old or new on these sets")
    assert list(full.y) == pytest.approx([-3, -5], abs=0.1)
    assert [note.text for note in fig.layout.annotations][:2] == ["tau = 0.01", "no condition"]
    other = next(t for t in fig.data if t.name == "not told from chance")
    assert len(other.x) == 2 and "biases" in " ".join(other.customdata)


def test_the_plane_names_those_told_from_chance_and_then_those_that_move_most():
    many = [*study(), *made("attention.heads=2", old=-9), *made("attention.heads=8", new=4), *made("n_ctx=4", new=2)]
    many += [r for m in ("n_ctx=8", "attention.init=xavier", "attention.causal=True") for r in made(m, old=1, new=1)]
    found = effects(many)
    names = {note.text for note in plane(found).layout.annotations}
    assert len(names) == 7 < len(found) and {"2 heads", "8 heads", "tau = 0.01"} <= names
    assert not {"4 heads", "biases"} & names


def test_a_plane_without_any_mover_is_drawn():
    still = [e for e in effects(study()) if not (e.sure("old") or e.sure("new"))]
    assert plane(still).data

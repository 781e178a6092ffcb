from __future__ import annotations

from clipcompat.studies.statistic import Statistic
from clipcompat_book import show as figures
from clipcompat_book.chapters.shots.charts import shot_panels


def curve(*means: float) -> dict[int, Statistic]:
    return {k: Statistic(m, None if k == 0 else 2.0, None, 5) for k, m in zip((0, 1, 4, 16), means, strict=False)}


PANELS = {
    "one": {"plain": ("old", curve(50, 60, 70, 80)), "again": ("retrained", {4: Statistic(75, 1.0, None, 5)})},
    "two": {"plain": ("new", curve(40, 45))},
}


def test_every_line_is_drawn_in_its_side_s_colour_at_its_shots():
    drawn = [t for t in shot_panels(PANELS).data if t.x[0] is not None]
    assert [(t.name, t.line.color, list(t.x), list(t.y)) for t in drawn] == [
        ("plain", figures.OLD, [0, 1, 2, 3], [50, 60, 70, 80]),
        ("again", figures.NEW, [2], [75]),
        ("plain", figures.NEW, [0, 1], [40, 45]),
    ]
    assert list(drawn[0].error_y.array) == [0, 2, 2, 2]


def test_a_name_looks_the_same_in_every_panel_and_in_the_legend():
    fig = shot_panels(PANELS)
    looks = {name: {(t.line.dash, t.marker.symbol) for t in fig.data if t.name == name} for name in ("plain", "again")}
    assert looks == {"plain": {("solid", "circle")}, "again": {("dot", "diamond-open")}}
    assert [t.name for t in fig.data if t.showlegend is not False] == ["plain", "again"]


def test_panels_have_titles_and_all_shots_on_their_axes():
    fig = shot_panels(PANELS)
    assert [a.text for a in fig.layout.annotations] == ["one", "two"]
    assert list(fig.layout.xaxis2.ticktext) == ["0", "1", "4", "16"]
    assert fig.layout.yaxis.range == (36, 102)

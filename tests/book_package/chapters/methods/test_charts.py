"""All methods in one figure: what is drawn is the average, where it belongs, and nothing that was not measured."""

from __future__ import annotations

from clipcompat_book.chapters.methods.charts import method_rows
from clipcompat_book.show import NEW, OLD
from tests.book_package.test_means import report


def marks(fig) -> dict[tuple[str, str], tuple[float, float, str]]:
    """(method, what) -> (x, y, colour)."""
    dots = [trace for trace in fig.data if trace.customdata is not None]
    return {
        (title, t.name): (x, y, t.marker.color)
        for t in dots
        for x, y, title in zip(t.x, t.y, t.customdata, strict=True)
    }


def test_a_row_has_old_above_new_with_zero_shot_beside_each():
    found = marks(method_rows({"": [report("coop", 80, 60), report("coop", 70, 50, dataset="b"), report("zero_shot")]}))
    (old_x, old_y, old_colour), (new_x, new_y, new_colour) = found["CoOp", "old"], found["CoOp", "new"]
    assert (old_x, old_colour, new_x, new_colour) == (75, OLD, 55, NEW) and old_y > new_y
    assert found["CoOp", "zero-shot on old"] == (40, old_y, OLD) and found["CoOp", "zero-shot on new"] == (
        50,
        new_y,
        NEW,
    )
    assert found["CoOp", "retrained"] == (90, new_y, NEW)
    assert {title for title, _ in found} == {"CoOp"}, "zero-shot is a tick, not a row"


def test_methods_stand_under_their_places_from_shallow_to_deep():
    fig = method_rows(
        {"": [report(name) for name in ("linear_probe", "gda", "coop", "zero_shot", "contcoop", "unknown")]}
    )
    assert list(fig.layout.yaxis.ticktext) == ["CoOp", "ContCoOp", "GDA", "linear probe"]
    assert list(fig.layout.yaxis.tickvals) == sorted(fig.layout.yaxis.tickvals, reverse=True)
    heads = {note.text: note.y for note in fig.layout.annotations}
    places = ("tokens", "classifier, added to text", "classifier, without text")
    assert list(heads) == [f"<b>{place}</b>" for place in places]
    rows = dict(zip(fig.layout.yaxis.ticktext, fig.layout.yaxis.tickvals, strict=True))
    assert rows["ContCoOp"] > heads["<b>classifier, added to text</b>"] > rows["GDA"]


def test_what_was_not_retrained_has_no_diamond():
    assert ("CoOp", "retrained") not in marks(method_rows({"": [report("coop", retrained=None)]}))


def test_a_method_on_fewer_datasets_says_so():
    fig = method_rows({"": [report("coop"), report("coop", dataset="b"), report("cocoop")]})
    assert list(fig.layout.yaxis.ticktext) == ["CoOp", "CoCoOp (1 of 2 sets)"]


def test_two_groups_are_two_panels_under_their_names_and_one_legend():
    fig = method_rows({"first": [report("coop", new=10)], "second": [report("coop", new=90)]})
    assert [note.text for note in fig.layout.annotations if "tokens" not in note.text] == [
        "<b>first</b>",
        "<b>second</b>",
    ]
    new = [trace for trace in fig.data if trace.name == "new"]
    assert [(list(t.x), t.yaxis) for t in new] == [([10], "y"), ([90], "y2")]
    shown = [trace.name for trace in fig.data if trace.showlegend is not False]
    assert sorted(shown) == ["new", "old", "retrained", "zero-shot"]
    low, high = fig.layout.xaxis.range
    assert low <= 10 and high >= 90


def test_no_reports_are_an_empty_figure():
    assert not marks(method_rows({"": []})) and not marks(method_rows({}))

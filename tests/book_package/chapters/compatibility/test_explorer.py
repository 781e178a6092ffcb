"""Whatever the upgrade explorer shows after any choice is what the records say of that choice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat_book.chapters.compatibility.explorer import cells, upgrade_explorer, what_changed
from clipcompat_book.committed import committed_records
from clipcompat_book.explore import chosen, controls


@pytest.fixture(scope="module")
def lists():
    return [committed_records(name) for name in ("compatibility", "ablations", "attention")]


@pytest.fixture(scope="module")
def fig(lists):
    return upgrade_explorer(lists, "CoOp", "mini/textures")


def seen(fig) -> dict[str, list]:
    """Mark -> x of the points that lie inside both axes; the words under "None"."""
    (left, right), (low, high) = fig.layout.xaxis.range, fig.layout.yaxis.range
    found: dict[str, list] = {}
    for trace in fig.data:
        if trace.visible:
            inside = [
                i
                for i, (x, y) in enumerate(zip(trace.x, trace.y, strict=True))
                if left <= x <= right and low < y < high
            ]
            found[str(trace.name)] = [trace.text[i] if trace.text else round(trace.x[i] - left, 2) for i in inside]
    return found


@pytest.mark.parametrize(
    ("method", "dataset", "shots"),
    [
        ("CoOp", "textures", 16),
        ("CoOp", "blueprints", 4),
        ("ContCoOp (λ = 2.0)", "textures", 16),
        ("KgCoOp", "tints", 16),
    ],
)
def test_a_choice_shows_the_records_numbers(fig, lists, method, dataset, shots):
    reports = cells(lists)[method, f"mini/{dataset}", shots]
    marks = seen(chosen(fig, {"Method": method, "Dataset": dataset, "Shots": str(shots)}))
    assert marks["old"] == pytest.approx([r.old for r in reports], abs=0.01)
    assert marks["new"] == pytest.approx([r.new for r in reports], abs=0.01)
    assert marks["zero-shot new"] == pytest.approx([reports[0].zs_new], abs=0.01)
    assert marks["None"] == ["<br>".join(what_changed(reports))]


def test_it_begins_with_the_cell_that_it_is_told(fig):
    assert seen(fig) == seen(chosen(fig, {"Method": "CoOp", "Dataset": "textures", "Shots": "16"}))


def test_a_place_without_a_record_says_so(fig):
    marks = seen(chosen(fig, {"Method": "KgCoOp", "Dataset": "tints", "Shots": "1"}))
    assert marks["None"] == ["not run"] and not marks["old"]


def test_every_method_of_the_records_and_every_weight_of_contcoop_can_be_chosen(fig, lists):
    methods = controls(fig)["Method"]
    assert {title for title, *_ in cells(lists)} == set(methods)
    assert {"CoOp", "ContCoOp", "ContCoOp (λ = 0.0)", "ContCoOp (λ = 8.0)"} <= set(methods)


def test_words_name_the_seven_numbers(lists):
    reports = cells(lists)["CoOp", "mini/textures", 16]
    words = " ".join(what_changed(reports))
    for part in ("old ", "new ", "H ", "retrained ", "kept gain ", "zero-shot ", "flip to wrong", "5 seeds"):
        assert part in words
    none = [replace(report, retrained=None) for report in reports]
    assert "not retrained" in what_changed(none) and "kept gain" not in " ".join(what_changed(none))

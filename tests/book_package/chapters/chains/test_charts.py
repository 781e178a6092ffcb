"""The chapter's figures hold the numbers of the records, where a reader expects them."""

from __future__ import annotations

from clipcompat_book.chapters.chains import charts
from clipcompat_book.chapters.chains.steps import chains_of
from clipcompat_book.chapters.chains.warm import warm_runs
from clipcompat_book.chapters.chains.warm_chart import warm_panels
from tests.book_package.chapters.chains.made import made_chain, made_warm

BOTH = [*made_chain("linear_probe", lost=(40.0, 30.0, 45.0)), *made_chain("coop", lost=(10.0, 6.0, 20.0))]


def test_the_second_step_stands_behind_the_first_and_at_once_below_them():
    first, second, at_once = charts.steps(chains_of(BOTH)).data
    assert [round(x, 6) for x in first.x] == [40, 10] and [round(x, 6) for x in second.base] == [40, 10]
    assert [round(x, 6) for x in second.x] == [30, 6] and [round(x, 6) for x in at_once.x] == [45, 20]
    assert all(y < x for x, y in zip(first.y, at_once.y, strict=True)) and all(first.error_x.array)


def test_each_method_has_a_panel_with_a_line_per_generation_and_zero_shot():
    fig = charts.generations(chains_of(BOTH))
    assert [a.text for a in fig.layout.annotations] == ["linear probe", "CoOp"]
    assert len(fig.data) == 2 * 4 and sum(trace.showlegend for trace in fig.data) == 4
    oldest = next(t for t in fig.data if t.name == "tuned on old")
    assert list(oldest.x) == ["old", "new", "newer"] and [round(y, 6) for y in oldest.y] == [80, 40, 35]
    assert oldest.marker.symbol == ("circle", "circle-open", "circle-open")


def test_small_steps_begin_at_nothing_lost_and_add_up_beside():
    pairs = [(i, j) for i in range(4) for j in range(i + 1, 4)]
    lost = [3.0 if j == i + 1 else 5.0 for i, j in pairs]
    carried, added = charts.small_steps(chains_of(made_chain(below=pairs, lost=lost, count=4)), list("abcd")).data
    assert [round(y, 6) for y in carried.y] == [0, 3, 5, 5] and [round(y, 6) for y in added.y] == [0, 3, 6, 9]


def test_warm_panels_have_a_line_per_method_and_start_and_scratch_begins_at_one_shot():
    fig = warm_panels(warm_runs([*made_warm("coop"), *made_warm("contcoop")]))
    lines = [trace for trace in fig.data if trace.x[0] is not None]
    assert len(lines) == 2 * 2 * 2 * 2 and {trace.x[0] for trace in lines} == {0, 1}
    assert [trace.name for trace in fig.data if trace.showlegend] == ["CoOp", "ContCoOp"]
    assert fig.layout.xaxis3.ticktext == ("0", "1", "4", "16")

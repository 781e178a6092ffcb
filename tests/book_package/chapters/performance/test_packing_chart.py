"""The picture of rows has exactly the rows that the packing has."""

from __future__ import annotations

from clipcompat.backbones.text.packing import Packing
from clipcompat_book.chapters.performance.packing_chart import prompt_rows


def test_every_row_is_a_square_of_its_kind_and_headings_count_them():
    lengths, shared, context = [20, 21, 24], 17, 40
    fig = prompt_rows(["one", "two", "three"], lengths, shared, context)
    same, own, padding = (list(zip(t.x, t.y, strict=True)) for t in fig.data)
    packed = Packing.of(lengths, shared)
    assert len(same) == 3 * shared + shared and len(own) == 2 * (sum(lengths) - 3 * shared)
    assert len(padding) == sum(context - n for n in lengths)
    counts = (f"<b>padded: {3 * context} rows</b>", f"<b>packed: {packed.rows} rows</b>")
    assert tuple(a.text for a in fig.layout.annotations) == counts
    assert min(x for x, _ in own) == shared and max(x for x, _ in padding) == context - 1
    assert len({*same, *own, *padding}) == 3 * context + packed.rows


def test_lines_have_the_names_twice_and_the_shared_rows_once():
    fig = prompt_rows(["one", "two"], [5, 6], 3, 8)
    assert list(fig.layout.yaxis.ticktext) == ["one", "two", "all of them", "one", "two"]
    assert [t.name for t in fig.data] == ["the same in all prompts", "a prompt's own", "padding, never looked at"]

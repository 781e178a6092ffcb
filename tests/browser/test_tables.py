"""A table that is wider than a phone says so, scrolls by key, and keeps its first column in sight."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser

FRAMES = ":is(.cell_output table, .printed table, .pst-scrollable-table-container)"


def test_a_table_that_scrolls_says_so_and_takes_the_keyboard_and_no_other_does(phone):
    phone.evaluate("document.querySelectorAll('details').forEach((box) => (box.open = true))")
    phone.wait_for_timeout(300)
    told = phone.evaluate(f"""() => [...document.querySelectorAll('{FRAMES}')].filter((x) => x.clientWidth).map((x) => [
        x.scrollWidth > x.clientWidth + 1, x.tabIndex === 0,
        x.nextElementSibling?.textContent.startsWith('Wider than this screen') ?? false])""")
    assert all(wide == key == words for wide, key, words in told), told


def test_the_first_column_of_a_table_stays_where_it_is_while_the_rest_scrolls(phone):
    moved = phone.evaluate(f"""() => [...document.querySelectorAll('{FRAMES}')].flatMap((frame) => {{
        if (frame.scrollWidth < frame.clientWidth + 20) return [];
        const row = [...frame.querySelectorAll('tr')].at(-1), [first, second] = [row.cells[0], row.cells[1]];
        const left = (cell) => cell.getBoundingClientRect().left;
        const before = [left(first), left(second)];
        frame.scrollLeft = 15;
        const after = [left(first), left(second)];
        frame.scrollLeft = 0;
        return [[before[0] - after[0], before[1] - after[1]]];
    }})""")
    assert all(abs(first) < 1 and 14 < second < 16 for first, second in moved), moved


def test_no_table_scrolls_on_a_laptop(laptop):
    laptop.evaluate("document.querySelectorAll('details').forEach((box) => (box.open = true))")
    laptop.wait_for_timeout(300)
    wide = laptop.evaluate(f"""() => [...document.querySelectorAll('{FRAMES}')]
        .filter((x) => x.scrollWidth > x.clientWidth + 1).map((x) => x.querySelector('tr').textContent)""")
    assert wide == []

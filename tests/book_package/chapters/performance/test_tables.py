"""Tables of time and memory say what was measured, and what was not."""

from __future__ import annotations

from dataclasses import replace

from clipcompat_book.chapters.performance import tables
from clipcompat_book.chapters.performance.measurements import committed_performance
from tests.measurements import performance

FOUND = performance()


def test_the_first_table_has_steps_pictures_and_trainings_with_what_they_are_compared_with():
    table = tables.speed_table(FOUND)
    assert ("step, CoOp, 47 classes, fp32", "2 s", "125 ms", "16.0 ×") in table.rows
    assert [row[-1] for row in table.rows if row[0].endswith("bf16") and row[0].startswith("step")] == ["0.5 ×"]
    pictures = table.rows.index(("pictures forward, CLIP, 32 pictures, fp32", "4 s", "2 s", "2.0 ×"))
    assert table.hover[pictures] == "compared with open_clip, one by one"
    trainings = [row[1:] for row in table.rows if row[0].startswith("whole training")]
    assert trainings == [("20.0 h *", "60 min", "20.0 ×"), ("30 s", "3 s", "10.0 ×")]


def test_time_grows_with_classes_and_with_the_context_beside_the_limit():
    table = tables.growth_table(FOUND)
    assert table.columns == ("classes", "CoOp", "of the limit", "ContCoOp", "of the limit")
    assert [row[0] for row in table.rows] == ["10", "100", "1,000"]
    assert table.rows[-1] == ("1,000", "10.1 s", "2.0 ×", "40.1 s", "2.0 ×")
    assert table.rows[0][1:3] == ("200 ms", "4.0 ×")
    by_context = tables.growth_table(FOUND, "context")
    assert by_context.columns[0] == "context tokens" and "A step, 100 classes" in by_context.caption
    assert [row[0] for row in by_context.rows] == ["4", "56"] and by_context.rows[-1][3] == "5.7 s"


def test_a_size_that_one_method_was_not_run_with_is_a_dash():
    points = tuple(p for p in FOUND.points if (p.method, p.classes) != ("contcoop", 1000))
    assert tables.growth_table(replace(FOUND, points=points)).rows[-1][1:] == ("10.1 s", "2.0 ×", "–", "–")


def test_memory_is_told_where_it_was_measured():
    table = tables.memory_table(FOUND)
    assert table.columns == ("classes", "CoOp, plain", "CoOp", "parts", "ContCoOp", "parts")
    assert table.rows[1][:4] == ("100", "4.0 GB", "100 MB", "1")
    assert table.rows[2] == ("1,000", "–", "1.0 GB", "3 (2 again)", "1.0 GB", "3 (2 again)")
    assert table.rows[0][2] == "–", "it is not known"


def test_chunks_tell_budget_peak_and_price_and_whether_it_was_kept():
    told = dict(tables.chunks_table(FOUND).rows)
    assert told["budget"] == "6.0 GB" and told["the process took"] == "5.5 GB"
    assert told["time of a class, to everything kept"] == "1.25 ×" and told["parts run again"] == "3 of 4"
    assert (told["features differ by"], told["gradients differ by"]) == ("2e-06", "1e-06")
    rows = tuple(replace(row, peak=7e9 if row.peak else None) for row in FOUND.rows)
    assert dict(tables.chunks_table(replace(FOUND, rows=rows)).rows)["the process took"] == "7.0 GB (more)"


def test_differences_are_the_largest_of_their_number_type():
    assert tables.exact_table(FOUND).rows == (("fp32", "4e-06", "3.0", "1e-06"), ("bf16", "2e-02", "3.0", "1e-06"))


def test_shots_are_told_with_the_pictures_share_the_limit_and_the_memory():
    table = tables.shots_table(FOUND)
    assert table.columns[1:] == ("CoOp, 1 shot", "CoOp, 16 shots", "ContCoOp, 1 shot", "ContCoOp, 16 shots")
    told = {row[0]: row[1:3] for row in table.rows}
    assert told["from pictures to a plug-in"] == ("17 s", "5 min") and told["of it for pictures"] == ("16 s", "4 min")
    assert told["of the arithmetic limit"][1] == "2.0 ×" and told["steps"] == ("50", "800")
    memory = {row[0]: row[3:] for row in tables.shots_memory_table(FOUND).rows}
    assert memory["encoding"] == ("700 MB", "700 MB") and memory["training"] == ("1.6 GB", "1.6 GB")
    assert memory["kept of pictures"] == ("0.2 MB", "3.3 MB")


def test_the_table_divides_a_training_into_pictures_and_text():
    official, here = tables.training_table(FOUND).rows
    assert official == ("official loop", "147,200", "17.4 h", "2.6 h", "20.0 h", "87%")
    assert here == ("here", "7,520", "50 min", "10 min", "60 min", "84%")


def test_every_table_can_be_made_of_what_is_shipped_and_has_no_more_than_six_columns():
    made = (
        *(tables.speed_table, tables.training_table, tables.growth_table, tables.memory_table),
        *(tables.chunks_table, tables.exact_table, tables.shots_table, tables.shots_memory_table),
    )
    for found in committed_performance():
        for table in (make(found) for make in made):
            assert len(table.columns) <= 6 and len(table.rows) > 1 and "nan" not in str(table)

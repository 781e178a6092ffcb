"""Every reading is a run of a shipped study, and every open question is measured or says why not."""

from __future__ import annotations

from clipcompat.common.config import from_config, to_config
from clipcompat.runs.run import Run
from clipcompat.runs.sweep.spec import load_spec
from clipcompat.runs.titles import make_titles
from clipcompat_book.chapters.ablations.questions import QUESTIONS, measured, questions_table
from clipcompat_book.chapters.ablations.readings import READINGS, SETS

STUDIES = ("parts", "heads", "condition", "length", "readings", "table2")
DTYPES = {None: "float32", "bf16": "bfloat16"}


def planned() -> set[tuple[str, str, str]]:
    """(title, number type, dataset) of every run of the studies."""
    found = set()
    for study in STUDIES:
        for request in load_spec(study).requests("mini"):
            run = from_config(Run, {**request, "device": "cpu"})
            inputs = {"method": {"name": run.method, "config": to_config(run.configured_method())}}
            inputs |= {"dataset": run.dataset, "upgrade": run.upgrade, "old_weights": None, "new_weights": None}
            found.add((make_titles(inputs).method, DTYPES[run.dtype], run.dataset))
    return found


def test_every_reading_is_planned_on_its_four_sets_and_so_is_what_it_is_compared_with():
    runs = planned()
    for reading in READINGS:
        for one in (reading, reading.rival):
            missing = [d for d in SETS if (one.variant, one.dtype, d) not in runs]
            assert not missing, (one.variant, missing)


def test_the_42_questions_are_numbered_and_each_is_measured_or_says_why_not():
    assert [q.number for q in QUESTIONS] == list(range(1, 43))
    for q in QUESTIONS:
        assert bool(measured(q.number)) + (q.number == 25) + bool(q.why) == 1, q


def test_the_table_names_what_was_measured_and_what_was_not_made_yet():
    rows = {row[0]: row[3] for row in questions_table(["biases", "tau = 0.01"], [1, 4, 16]).rows}
    assert rows["7"] == "biases" and rows["4"] == "not made yet" and rows["25"] == "1, 4 shots"
    assert questions_table([], [16]).rows[24][3] == "not made yet"
    assert rows["10"].startswith("no field") and rows["12"].startswith("nothing to choose")
    assert {number for number, words in rows.items() if words == "not made yet"} == {
        str(q.number) for q in QUESTIONS if not q.why and q.number not in (7, 23, 25)
    }

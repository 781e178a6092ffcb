"""The page of what is reproduced has every cell of every table that the papers print, and a command for each table."""

import csv
import re
from importlib.resources import files

import pytest

from book.tools.reproduction import reproduction_page
from clipcompat.runs.sweep.spec import load_spec
from clipcompat_book.committed import committed_records


@pytest.fixture(scope="module")
def page() -> str:
    return reproduction_page()


@pytest.mark.parametrize(
    "name", sorted(f.name for f in files("clipcompat.runs.papers").iterdir() if f.name.endswith("csv"))
)
def test_every_number_of_the_papers_tables_is_on_the_page(page, name):
    with (files("clipcompat.runs.papers") / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = [
        value for row in rows for key, value in row.items() if re.fullmatch(r"\d+\.\d+", value) and key != "lambda"
    ]
    assert len(numbers) > 5
    missing = [n for n in numbers if n not in page and f"{float(n):.2f}" not in page]
    assert not missing


def test_every_command_on_the_page_names_a_shipped_study_with_a_papers_scale(page):
    studies = re.findall(r"^clipcompat sweep (\S+) --scale paper", page, re.M)
    assert len(studies) == len(set(studies)) == 8
    assert all(load_spec(study).requests("paper") for study in studies)


def test_miniature_records_fill_no_cell(page):
    assert re.search(r"\*\*0 of \d+ cells", page)
    assert page.count("not run here") > 290


def test_tables_that_the_page_does_not_compare_have_no_committed_record_at_the_papers_scale():
    """The page writes "not run here" beside them: a record would make that false."""
    for study in ("ood", "dual_prompts", "dual_prompts_towers"):
        assert all(record.titles.upgrade.startswith("mini") for record in committed_records(study))

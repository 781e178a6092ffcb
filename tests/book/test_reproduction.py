"""The page of what is reproduced has every cell of every table that the papers print, and a command for each table."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from book.tools.notebook import read_notebook
from book.tools.reproduction import RESULTS, known_records, reproduction_page
from clipcompat.common.config import to_config
from clipcompat.data.public.layout import LAYOUTS
from clipcompat.methods import KNOWN
from clipcompat.runs.records import Record, find_records, write_record
from clipcompat.runs.sweep.spec import load_spec
from clipcompat_book import committed
from clipcompat_book.committed import all_committed
from tests.runs.test_records import record
from tests.trees import PROJECT


@pytest.fixture(scope="module")
def page() -> str:
    return reproduction_page(all_committed())


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


def made(study: str, method: str, dataset: str, rows: list[dict], label: str | None = None, **inputs) -> Record:
    """A record at the paper's scale, of some machine, with the method's default settings."""
    made = record(method, dataset, config=to_config(KNOWN[method]()), upgrade="clip-to-eva-vit-b-16", **inputs)
    what = {"method": method, "dataset": dataset, "views": 10}
    seeds = [what | row | {"seed": seed} for seed, row in enumerate(rows, 1)]
    titles = replace(made.titles, label=label or method)
    machine = {"device": "cuda (a machine of somebody's)", "torch": "2.9.0"}
    return replace(made, study=study, per_seed=seeds, titles=titles, environment=machine)


def accuracies(old: float) -> dict[str, float]:
    return {"old": old, "new": 1.0, "zs_old": 2.0, "zs_new": 3.0, "retrained": 4.0, "negative_flips": 5.0}


SHIFTED = ("imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r")
SHIFTS = [
    {"dataset": name, "classes": 1000, "there": accuracies(60.0 + n), "source": accuracies(71.0)}
    for n, name in enumerate(SHIFTED)
]
OOD = made("ood", "coop", "imagenet", [accuracies(old) | {"shifts": SHIFTS} for old in (71.0, 72.0)], templates="coop")
MIXED = {"omegas": [0.0, 0.2], "old_base": [80.0, 83.0], "old_new": [70.0, 40.0]}


def filled(tmp_path: Path, *records: Record) -> str:
    """The page of a folder into which the records were dropped."""
    for one in records:
        write_record(tmp_path, one)
    return reproduction_page(find_records(tmp_path))


def line(page: str, *cells: str) -> str:
    """The row of a printed table that begins with these cells, with what it says on hover."""
    return next(row for row in re.findall(r"<tr.*?</tr>", page) if "".join(f"<td>{c}</td>" for c in cells) in row)


def test_a_record_that_is_dropped_into_the_results_folder_fills_its_row_of_table_3(page, tmp_path):
    shown = filled(tmp_path, OOD)
    row = line(shown, "CoOp", "71.92")
    assert "<td>71.50 ± 6.35 / 60.00 ± 0.00 / 61.00 ± 0.00 / 62.00 ± 0.00 / 63.00 ± 0.00 / 61.50 ± 0.00</td>" in row
    assert (
        "ours minus the paper" in row and "-0.42 / -4.18 / " in row and "seeds 1 2, 10 views, cuda (a machine of" in row
    )
    assert re.search(r"\*\*1 of \d+ cells", shown) and "not run here" in line(shown, "CoCoOp", "71.02")
    assert shown.count("not run here") == page.count("not run here") - 2, "the cell, and what it said on hover"


def test_one_record_of_a_mixture_fills_the_learner_alone_and_with_dpc(tmp_path):
    shown = filled(tmp_path, made("mixture", "dpc", "dtd", [MIXED]))
    assert "<td>83.00 / 70.00 / 75.95</td>" in line(shown, "DTD", "CoOp+DPC")
    assert "<td>80.00 / 70.00 / 74.67</td>" in line(shown, "DTD", "CoOp")
    assert "not run here" in line(shown, "DTD", "MaPLe+DPC") and "not run here" in line(shown, "Average", "CoOp")
    assert re.search(r"\*\*2 of \d+ cells", shown)


def test_a_learner_of_the_study_base_to_new_fills_its_row_and_no_other(tmp_path):
    rows = [{"old_base": 79.0, "old_new": 71.0}]
    student = made("base_to_new", "promptkd", "eurosat", rows, "promptkd (teacher_classes=base)")
    shown = filled(tmp_path, student, made("base_to_new", "coop", "mini/tints", rows))
    assert "<td>79.00 / 71.00 / 74.79</td>" in line(shown, "EuroSAT", "PromptKD")
    assert re.search(r"\*\*1 of \d+ cells", shown)


def test_an_average_of_dpc_is_filled_when_all_eleven_datasets_are(tmp_path):
    eleven = [layout.name for layout in LAYOUTS if layout.train_size]
    some = [made("mixture", "dpc", name, [MIXED]) for name in eleven]
    assert "not run here" in line(reproduction_page(some[1:]), "Average", "CoOp+DPC")
    row = line(reproduction_page(some), "Average", "CoOp+DPC")
    assert "<td>83.00 / 70.00 / 75.95</td>" in row and "11 records of" in row


@pytest.mark.parametrize("other", [{"shots": 4}, {"old_weights": "random:1"}, {"templates": "tip7"}])
def test_a_record_of_another_run_fills_no_printed_row(other):
    inputs = {name: value for name, value in OOD.inputs.items() if name not in ("method", "dataset", "upgrade")}
    unlike = made("ood", "coop", "imagenet", OOD.per_seed, **(inputs | other))
    assert re.search(r"\*\*0 of \d+ cells", reproduction_page([unlike]))


def test_records_of_every_committed_list_and_of_the_results_folder_are_looked_at(monkeypatch, tmp_path):
    monkeypatch.setattr(committed, "list_names", lambda: ["compatibility", "lately"])
    monkeypatch.setattr(committed, "committed_records", lambda name: [OOD] if name == "lately" else [])
    assert known_records(tmp_path) == [OOD]
    write_record(tmp_path / RESULTS, made("mixture", "dpc", "dtd", [MIXED]))
    assert re.search(r"\*\*3 of \d+ cells", reproduction_page(known_records(tmp_path)))


def test_the_page_says_what_is_not_there_and_links_only_to_shipped_studies(page):
    assert "Every number that both papers print" not in page
    start = page.partition("\n**")[0]
    for study in ("drift", "depth", "length", "cross_dataset", "domain"):
        assert f"`{study}`" in start and load_spec(study).requests("paper")


def test_the_paper_beside_ours_is_in_the_chapters_that_the_page_names(page):
    calls = {
        "01_methods": ["paper_beside_ours(shipped_pair(everything))"],
        "03_contcoop": ["paper.paper_against_ours(records)"],
        "90_mini_world": ['tables.paper_beside_ours(records[1], "clip-to-eva-vit-l-14")'],
    }
    for name, wanted in calls.items():
        assert f"../notebooks/{name}.ipynb" in page
        code = "\n".join(cell.source for cell in read_notebook(PROJECT / "notebooks" / f"{name}.ipynb").cells)
        assert all(call in code for call in wanted), name

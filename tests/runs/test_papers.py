"""The papers' numbers: copied without a slip, and shown only where they belong."""

from __future__ import annotations

import csv
import fnmatch
import tomllib

import pytest

from clipcompat.data.public.layout import LAYOUTS
from clipcompat.methods import METHODS
from clipcompat.runs.papers import PaperCell, paper_accuracy, paper_average, paper_cell, paper_shifted
from clipcompat.runs.papers.ablations import ABLATIONS, paper_ablation
from clipcompat.studies.report import harmonic_mean

B, L = "clip-to-eva-vit-b-16", "clip-to-eva-vit-l-14"


def tables(project):
    """Those of accuracies on both backbones."""
    found = sorted((project / "clipcompat" / "runs" / "papers").glob("*vit*.csv"))
    assert len(found) == 2
    return found


@pytest.mark.parametrize(
    ("upgrade", "dataset", "method", "expected"),
    [
        (B, "dtd", "contcoop", (71.95, 72.08)),
        (B, "dtd", "coop", (69.78, 65.41)),
        (B, "imagenet", "contcoop", (73.12, 76.50)),
        (B, "oxford_flowers", "contcoop", (97.88, 96.43)),
        (B, "oxford_pets", "zero_shot", (89.04, 92.23)),
        (B, "dtd", "kgcoop", (69.86, 67.81)),
        (B, "eurosat", "tip_adapter_f", (86.87, 56.71)),
        (B, "fgvc_aircraft", "coop", (44.42, 27.36)),
        (L, "eurosat", "contcoop", (89.43, 78.94)),
        (L, "stanford_cars", "coop", (88.77, 89.00)),
    ],
)
def test_cells_of_the_tables(upgrade, dataset, method, expected):
    assert paper_accuracy(upgrade, dataset, method) == expected


@pytest.mark.parametrize(
    ("upgrade", "dataset", "method"),
    [
        ("mini", "dtd", "coop"),
        (B, "mini/textures", "coop"),
        (B, "imagenetv2", "coop"),
        (B, "dtd", "dpc"),
        (B, "x", "coop"),
        ("own", "dtd", "coop"),
        (B, "Average", "coop"),
        (B, "dtd", "tip_adapter"),
    ],
)
def test_what_the_paper_did_not_measure_has_no_number(upgrade, dataset, method):
    assert paper_accuracy(upgrade, dataset, method) is None


@pytest.mark.parametrize("upgrade", [B, L])
def test_every_dataset_of_the_paper_is_found_for_every_method_we_have(upgrade):
    found = {
        layout.name
        for layout in LAYOUTS
        if all(paper_accuracy(upgrade, layout.name, m) for m in METHODS if m != "tip_adapter")
    }
    assert len(found) == 11


def test_h_and_averages_recompute_from_the_cells(project):
    """A slip of a digit would show in the average of its column; H is loose: some are means over seeds."""
    for file in tables(project):
        rows = list(csv.DictReader(file.read_text().splitlines()))
        assert len(rows) == 12 * 8
        for row in rows:
            wrong = abs(harmonic_mean(float(row["base"]), float(row["new"])) - float(row["h"]))
            assert wrong < 0.3, row
        for method in {row["method"] for row in rows}:
            for side in ("base", "new"):
                cells = [float(r[side]) for r in rows if r["method"] == method and r["dataset"] != "Average"]
                (average,) = [float(r[side]) for r in rows if r["method"] == method and r["dataset"] == "Average"]
                assert len(cells) == 11 and sum(cells) / 11 == pytest.approx(average, abs=0.011), (method, side)


def test_most_printed_h_are_those_of_the_printed_accuracies_and_22_lie_below(project):
    """What `summary` says of the papers' H. Each printed number stands for all that round to it."""
    rows = [row for file in tables(project) for row in csv.DictReader(file.read_text().splitlines())]

    def place(row) -> str:
        base, new, h = (float(row[part]) for part in ("base", "new", "h"))
        low, high = (harmonic_mean(base + half, new + half) + half for half in (-0.005, 0.005))
        return "fits" if low <= h <= high else "below" if h < low else "above"

    cells = [place(row) for row in rows if row["dataset"] != "Average"]
    assert {kind: cells.count(kind) for kind in cells} == {"fits": 153, "below": 22, "above": 1}
    assert {place(row) for row in rows if row["dataset"] == "Average"} == {"fits"}


def test_only_one_printed_row_tells_which_weight_of_distillation_the_main_table_had(project):
    """ContCoOp's Table 5 has five weights on UCF101; that of 0.5, and no other, is the row of Table 2."""
    printed = {0.0: (83.66, 79.26), 0.3: (84.8, 79.77), 0.5: (84.62, 80.32), 0.7: (84.88, 79.9), 1.0: (85.19, 80.18)}
    assert [weight for weight, row in printed.items() if row == paper_accuracy(B, "ucf101", "contcoop")] == [0.5]


def test_the_tables_are_installed_with_the_package(project):
    """Without a line in pyproject.toml they would be in a checkout and missing from a wheel."""
    patterns = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    installed = [f"{package.replace('.', '/')}/{p}" for package, globs in patterns.items() for p in globs]
    for file in (project / "clipcompat" / "runs" / "papers").glob("*.csv"):
        name = file.relative_to(project).as_posix()
        assert any(fnmatch.fnmatch(name, pattern) for pattern in installed), name


def test_the_rows_of_table_3_are_the_source_and_four_shifted_sets_and_average_as_printed(project):
    file = project / "clipcompat" / "runs" / "papers" / "contcoop_table3_ood.csv"
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert [row["method"] for row in rows] == ["ZeroShot", "CoOp", "CoCoOp", "KgCoOp", "ContCoOp"]
    for row, method in zip(rows, ("zero_shot", "coop", "cocoop", "kgcoop", "contcoop"), strict=True):
        found = paper_shifted(B, "imagenet", method)
        assert list(found) == ["imagenet", "imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r"]
        assert sum(list(found.values())[1:]) / 4 == pytest.approx(float(row["average"]), abs=0.011), method
    assert paper_shifted(B, "imagenet", "contcoop")["imagenet"] == paper_accuracy(B, "imagenet", "contcoop")[0]
    assert paper_shifted(B, "imagenet", "coop")["imagenet_a"] == 48.41


@pytest.mark.parametrize(
    ("upgrade", "source", "method"),
    [(L, "imagenet", "coop"), (B, "dtd", "coop"), (B, "imagenet", "tip_adapter_f"), ("mini", "mini/objects", "coop")],
)
def test_what_table_3_lacks_has_no_number(upgrade, source, method):
    assert paper_shifted(upgrade, source, method) is None


def test_a_cell_has_the_printed_h_and_an_average_is_that_of_the_paper():
    assert paper_cell(B, "dtd", "contcoop") == PaperCell(71.95, 72.08, 72.01)
    assert paper_average(B, "contcoop") == PaperCell(81.27, 79.32, 80.28)
    assert paper_average(L, "zero_shot") == PaperCell(72.76, 77.07, 74.85)
    assert paper_average("mini", "coop") is paper_average(B, "tip_adapter") is paper_cell(B, "average", "coop") is None


@pytest.mark.parametrize(
    ("study", "label", "expected"),
    [
        ("parts", "contcoop (attention=None, distillation.weight=0.0)", (69.78, 65.41)),
        ("parts", "contcoop (attention=None)", (70.63, 65.88)),
        ("parts", "contcoop", (71.95, 72.08)),
        ("lambda", "contcoop (distillation.weight=0.5)", (84.62, 80.32)),
        ("lambda", "contcoop", (85.19, 80.18)),
        ("heads", "contcoop (attention.heads=16)", (72.06, 71.22)),
        ("condition", "contcoop (condition.template=a photo of a {})", (72.01, 70.74)),
    ],
)
def test_cells_of_the_ablations(study, label, expected):
    cell = paper_ablation(study)[label]
    assert (cell.old, cell.new) == expected


def test_three_of_the_ablations_rows_print_another_h_than_that_of_their_accuracies_and_one_of_them_is_a_slip():
    off = {
        (study, label): round(cell.h - harmonic_mean(cell.old, cell.new), 2)
        for study in ABLATIONS
        for label, cell in paper_ablation(study).items()
        if abs(harmonic_mean(cell.old, cell.new) - cell.h) > 0.015
    }
    assert off == {
        ("parts", "contcoop (attention=None)"): -0.02,
        ("lambda", "contcoop (distillation.weight=0.3)"): -10.0,
        ("heads", "contcoop (attention.heads=2)"): -0.05,
    }

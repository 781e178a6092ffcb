"""A table shows what was run, its spread, and the paper's number only where it belongs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat.common.config import to_config
from clipcompat.methods import METHODS
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table, cell, compatibility_table
from clipcompat.studies.statistic import Statistic
from tests.runs.test_records import record

REAL = "clip-to-eva-vit-b-16"


def run(method="coop", news=(72.0,), settings=None, **inputs) -> Record:
    config = {**to_config(METHODS[method]()), **(settings or {})} if method in METHODS else {}
    made = record(method, config=config, **inputs)
    (row,) = made.per_seed
    return replace(made, per_seed=[row | {"seed": i, "new": new} for i, new in enumerate(news, 1)])


def row(made: Record) -> dict[str, str]:
    table = compatibility_table([made])
    return dict(zip(table.columns, table.rows[0], strict=True))


def test_a_row_is_mean_and_sd_over_seeds():
    cells = row(run(news=(70.0, 72.0, 77.0)))
    assert cells == {
        "upgrade": "mini",
        "dataset": "eurosat",
        "method": "coop",
        "shots": "16",
        "old": "80.0 ± 0.0",
        "new": "73.0 ± 3.6",
        "H": "76.3",
        "zero-shot old → new": "40.0 → 50.0",
        "retrained": "90.0 ± 0.0",
        "kept": "57 %",
        "flips": "5.0 ± 0.0",
        "seeds": "3",
        "views": "10",
        "paper old / new": "–",
    }


def test_one_seed_has_no_sd_and_what_was_not_measured_is_a_dash():
    made = run()
    made.per_seed[0] |= {"retrained": None, "views": None}
    cells = row(made)
    assert cells["new"] == "72.0" and cells["retrained"] == cells["kept"] == cells["views"] == "–"


@pytest.mark.parametrize(
    ("inputs", "paper"),
    [
        ({"upgrade": REAL}, "85.56 / 69.05"),
        ({"upgrade": REAL, "shots": 4}, "–"),
        ({"upgrade": REAL, "shots": None}, "–"),
        ({"upgrade": REAL, "classes": "base"}, "–"),
        ({"upgrade": REAL, "dataset": "imagenetv2"}, "–"),
        ({"upgrade": REAL, "split": "own"}, "–"),
        ({}, "–"),
    ],
)
def test_the_paper_s_number_stands_only_beside_what_it_measured(inputs, paper):
    assert row(run(**inputs))["paper old / new"] == paper


def test_a_class_split_is_said():
    assert row(run(classes="base"))["dataset"] == "eurosat [base]"
    assert row(run(classes="new", split="own"))["dataset"] == "eurosat [new] (own split)"


@pytest.mark.parametrize("side", ["old_weights", "new_weights"])
def test_weights_that_are_not_the_upgrade_s_own_are_marked_and_explained(side):
    table = compatibility_table([run(), run(**{side: "random:1"})], "Caption.")
    assert [r[0] for r in table.rows] == ["mini", "mini*"]
    for shown in (str(table), table.to_markdown().replace("\\*", "*"), table._repr_html_()):
        said = shown.replace("&#x27;", "'")
        assert "Caption. mini is an embedded miniature: compare patterns with the paper, not numbers." in said
        assert "* not the upgrade's own weights" in said
    assert "own weights" not in str(compatibility_table([run()], "Caption."))


def test_a_method_is_named_with_the_settings_that_differ():
    assert run("contcoop").titles.label == "contcoop"
    config = to_config(METHODS["contcoop"]())
    changed = run("contcoop", settings={"n_ctx": 4, "distillation": {**config["distillation"], "weight": 0.5}})
    assert changed.titles.label == "contcoop (n_ctx=4, distillation.weight=0.5)"
    assert run("contcoop", settings={"attention": None}).titles.label == "contcoop (attention=None)"


def test_a_method_this_version_does_not_have_is_still_shown():
    assert record("later", config={"k": 1}).titles.label == "later (k=1)"


def test_reports_come_back_with_their_derived_numbers():
    (first,) = run().reports
    assert first.kept_gain == pytest.approx(0.55) and first.seed == 1


def test_cells():
    assert cell(None) == "–" and cell(Statistic(71.25, None, None, 1)) == "71.2"
    assert cell(Statistic(71.25, 0.04, 0.1, 3)) == "71.2 ± 0.0"


TABLE = Table(("a", "b|c"), (("1", "x<y"), ("two", "*")), "Say.")


def test_text_is_aligned():
    assert str(TABLE) == "Say.\na    b|c\n1    x<y\ntwo  *"


def test_markdown_escapes_its_own_signs():
    assert TABLE.to_markdown() == "| a | b\\|c |\n|---|---|\n| 1 | x&lt;y |\n| two | \\* |\n\nSay."


def test_html_escapes_its_own_signs():
    shown = TABLE._repr_html_()
    assert "<td>x&lt;y</td>" in shown and "<th>b|c</th>" in shown and "<caption>Say.</caption>" in shown


def test_html_shows_on_hover_what_belongs_to_a_row_and_escapes_it():
    table = Table(("a",), (("1",), ("2",)), hover=('x "y" <z>', ""))
    assert '<tr title="x &quot;y&quot; &lt;z&gt;"><td>1</td></tr><tr><td>2</td></tr>' in table.to_html()
    assert "title" not in TABLE.to_html() and str(table) == "a\n1\n2"


def test_latex_escapes_its_own_signs_and_no_row_is_taken_for_a_length():
    assert (
        TABLE.to_latex()
        == r"""\begin{table}
\centering
\caption{Say.}
\begin{tabular}{ll}
\toprule
a & b\textbar{}c \\
\midrule
1 & x\textless{}y \\
two & * \\
\bottomrule
\end{tabular}
\end{table}"""
    )
    hostile = Table(("[2cm]", "%"), (("[a]", "& \\\\"), ("*", "{"), ("", "#1_\n$")))
    assert hostile.to_latex().splitlines()[2:7] == [
        r"{}[2cm] & \% \\",
        r"\midrule",
        r"{}[a] & \& \textbackslash{}\textbackslash{} \\",
        r"{}* & \{ \\",
        r" & \#1\_\textbackslash{}n\$ \\",
    ]
    assert "" not in Table(("a",), ()).to_latex().splitlines(), "an empty line would end a paragraph"


def test_no_records_are_an_empty_table():
    assert compatibility_table([]).rows == ()

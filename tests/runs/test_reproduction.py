"""A cell of the paper's table is filled by a record of exactly that run, from any machine, or says what fills it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from clipcompat.cli import main
from clipcompat.common.config import from_config, to_config
from clipcompat.common.errors import ConfigError, DataError, UnknownNameError
from clipcompat.data.public.layout import LAYOUTS
from clipcompat.runs.papers import paper_average
from clipcompat.runs.papers.reproduction import AVERAGE, Reproduction, reproduction
from clipcompat.runs.records import Record, find_records, write_record
from clipcompat.runs.run import Run
from clipcompat.runs.sweep.spec import load_spec
from clipcompat.runs.titles import make_titles
from clipcompat.studies.report import harmonic_mean
from clipcompat.studies.statistic import Statistic
from tests.runs.test_tables import run
from tests.trees import python

B, L = "clip-to-eva-vit-b-16", "clip-to-eva-vit-l-14"
MACHINE = {"device": "cuda (NVIDIA A100-SXM4-40GB)", "torch": "2.9.0", "clipcompat": "0.1.0"}
ELEVEN = [layout.name for layout in LAYOUTS if layout.train_size]
COMMAND = "clipcompat sweep table2 --scale paper --root DATA --out results"


def made(method="coop", news=(64.0, 65.0, 66.0), dataset="dtd", upgrade=B, olds=None, environment=MACHINE, **inputs):
    record = run(method, news=news, dataset=dataset, upgrade=upgrade, **inputs)
    rows = [row | {"old": old} for row, old in zip(record.per_seed, olds or [80.0] * len(news), strict=True)]
    return replace(record, per_seed=rows, environment=dict(environment))


def cell(found: Reproduction, dataset="dtd", method="coop"):
    return next(c for c in found.cells if (c.dataset, c.method) == (dataset, method))


def row(found: Reproduction, dataset="dtd", method="coop") -> dict:
    return next(r for r in found.rows() if (r["dataset"], r["method"]) == (dataset, method))


def line(found: Reproduction, dataset="dtd", method="coop") -> tuple[dict, str]:
    table = found.table()
    place = next(n for n, cells in enumerate(table.rows) if cells[:2] == (dataset, method))
    return dict(zip(table.columns, table.rows[place], strict=True)), table.hover[place]


@pytest.mark.parametrize(("study", "upgrade"), [("table2", B), ("table8", L)])
def test_every_cell_of_the_paper_is_there_with_its_averages(study, upgrade):
    found = reproduction(study, [])
    assert len(found.cells) == 8 * 12 and {c.dataset for c in found.cells} == {AVERAGE, *ELEVEN}
    assert [c.paper for c in found.cells[:8]] == [paper_average(upgrade, c.method) for c in found.cells[:8]]
    assert not any(c.records or c.ours or c.gap for c in found.cells)


def test_a_cell_that_was_not_run_says_so_with_its_command_and_an_estimate():
    found = reproduction("table2", [])
    cells, hover = line(found)
    assert cells["paper: old / new / H"] == "69.78 / 65.41 / 67.52" and cells["ours: old / new / H"] == "not run here"
    assert cells["gap"] == cells["seeds"] == "–" and cells["device, or estimate"] == "under 0.1 GPU hours"
    assert hover.startswith(f"not run here: {COMMAND}; under 0.1 GPU hours, estimated from FLOPs and not measured")
    numbers = row(found, "imagenet")
    assert numbers["old"] is numbers["gap_new"] is numbers["device"] is None and numbers["command"] == COMMAND
    assert 0.5 < numbers["gpu_hours_from_flops"] < 5
    caption = found.table().caption
    assert "88 of 88 cells" in caption and COMMAND in caption and "estimated from FLOPs and not measured" in caption


def test_a_record_in_the_store_fills_its_cell_and_no_other(tmp_path):
    before = reproduction("table2", [])
    write_record(tmp_path, made(olds=(69.0, 70.0, 71.0)))
    found = reproduction("table2", find_records(tmp_path))
    cells, hover = line(found)
    assert cells["ours: old / new / H"] == "70.00 ± 2.48 / 65.00 ± 2.48 / 67.41"
    assert cells["gap"] == "+0.22 / -0.41 / -0.11" and cells["seeds"] == "3"
    assert cells["device, or estimate"] == MACHINE["device"]
    assert hover.startswith(
        "95 % interval over seeds: old ± 2.48, new ± 2.48; seeds 1 2 3, 10 views, cuda (NVIDIA A100"
    )
    assert "clipcompat 0.1.0, torch 2.9.0, record " in hover
    numbers = row(found)
    assert (numbers["old"], numbers["new"], numbers["seeds"]) == (70.0, 65.0, "1 2 3")
    assert numbers["h_upgrade"] == harmonic_mean(70.0, 65.0)
    assert numbers["gap_old"] == pytest.approx(0.22) and numbers["gap_h_upgrade"] == pytest.approx(
        67.41 - 67.52, abs=0.005
    )
    assert (numbers["device"], numbers["command"], numbers["gpu_hours_from_flops"]) == (MACHINE["device"], None, None)
    assert [c for c in found.cells if c != cell(found) and c.dataset != AVERAGE] == [
        c for c in before.cells if c != cell(before) and c.dataset != AVERAGE
    ]
    assert "87 of 88 cells" in found.table().caption


@pytest.mark.parametrize(
    "other",
    [
        {"upgrade": "mini"},
        {"upgrade": L},
        {"shots": 4},
        {"classes": "base"},
        {"split": "own"},
        {"templates": "coop"},
        {"repeat": True},
        {"old_weights": "random:1"},
        {"new_weights": "sha256:1"},
        {"settings": {"n_ctx": 4}},
        {"dataset": "mini/textures"},
        {"dataset": "imagenetv2"},
        {"plugins": {"1": "abc"}},
    ],
)
def test_a_record_of_another_run_fills_nothing(other):
    assert not any(c.records for c in reproduction("table2", [made(**other)]).cells)


def test_a_record_of_another_study_fills_nothing():
    assert not any(c.records for c in reproduction("table2", [replace(made(), study="later")]).cells)


@pytest.mark.parametrize("same", [{"dtype": "bfloat16"}, {"views": 0}, {"seeds": [7]}, {"templates": "tip7"}])
def test_machine_number_type_views_and_seeds_may_be_others(same):
    assert cell(reproduction("table2", [made(**same)])).records


def test_of_several_records_the_one_with_most_seeds_counts_and_then_the_latest():
    first, more = made(news=(60.0,), dtype="a"), made(news=(64.0, 65.0), dtype="b")
    later = replace(made(news=(66.0, 67.0), dtype="c"), started="2026-02-01T00:00:00+00:00")
    assert cell(reproduction("table2", [more, first])).new.mean == 64.5
    assert cell(reproduction("table2", [later, more, first])).new.mean == 66.5


def test_one_seed_has_no_interval():
    cells, hover = line(reproduction("table2", [made(news=(65.0,))]))
    assert cells["ours: old / new / H"] == "80.00 / 65.00 / 71.72" and "none, one seed" in hover


def all_of(method="coop", seeds=3) -> list[Record]:
    return [made(method, [50.0 + n + s for s in range(seeds)], dataset) for n, dataset in enumerate(ELEVEN)]


def test_an_average_is_filled_when_all_eleven_are_with_the_interval_over_seeds():
    *most, last = all_of()
    assert cell(reproduction("table2", most), AVERAGE).ours is None
    found = cell(reproduction("table2", [*most, last]), AVERAGE)
    assert found.new == Statistic.of([55.0, 56.0, 57.0]) and found.old.mean == 80.0
    assert found.gap[1] == pytest.approx(56.0 - 75.4)
    shown = line(reproduction("table2", [*most, last]), AVERAGE)
    assert shown[0]["device, or estimate"] == MACHINE["device"] and "11 records of 2026-01-01" in shown[1]


def test_an_average_over_other_seeds_has_no_interval():
    records = [*all_of()[:-1], made(news=(60.0,), dataset=ELEVEN[-1])]
    found = cell(reproduction("table2", records), AVERAGE)
    assert found.new.interval is None and found.new.mean == pytest.approx((sum(range(51, 61)) + 60) / 11)


def test_hostile_words_of_a_record_stay_words_in_every_format():
    bad = '"><script>x()</script> & 50 % \\input{x} _a_ 河'
    found = reproduction("table2", [made(environment={"device": bad})])
    assert "<script>" not in found.to_text("html") and "&quot;&gt;&lt;script&gt;" in found.to_text("html")
    assert r"\& 50 \% \textbackslash{}input\{x\} \_a\_" in found.to_text("latex")
    assert json.loads(found.to_text("json"))[8 + 8 * 8 + 4]["device"] == bad and bad in found.to_text("text")
    assert found.to_text("csv").count("\n") == 96 and "\\_a\\_" in found.to_text("md")


@pytest.mark.parametrize(
    ("study", "dataset", "labels"),
    [("parts", "dtd", 4), ("lambda", "ucf101", 5), ("heads", "dtd", 5), ("condition", "dtd", 2)],
)
def test_every_ablation_of_the_paper_has_cells_that_its_sweep_fills(study, dataset, labels):
    found = reproduction(study, [])
    assert {c.dataset for c in found.cells} == {dataset} and len({c.method for c in found.cells}) == labels
    planned = set()
    for request in load_spec(study).requests("paper"):
        run = from_config(Run, {**request, "device": "cpu"})
        inputs = {"method": {"name": "contcoop", "config": to_config(run.configured_method())}}
        inputs |= {"dataset": run.dataset, "upgrade": run.upgrade, "old_weights": None, "new_weights": None}
        planned.add(make_titles(inputs).label)
    assert {c.method for c in found.cells} <= planned


def test_a_changed_setting_fills_its_own_cell_of_an_ablation_and_the_plain_method_the_papers_default():
    label = "contcoop (attention.heads=4)"
    four = made("contcoop", news=(71.0, 72.0, 73.0))
    four = replace(four, titles=replace(four.titles, label=label))
    found = reproduction("heads", [four, made("contcoop", news=(70.0, 71.0, 72.0))])
    assert row(found, method=label)["new"] == 72 and row(found, method=label)["gap_new"] == pytest.approx(0.27)
    assert row(found, method="contcoop")["new"] == 71 and row(found, method="contcoop")["paper_new"] == 72.08
    assert row(found, method="contcoop (attention.heads=8)")["new"] is None
    assert "3 of 5 cells" in found.table().caption and "sweep heads --scale paper" in found.table().caption


def test_what_has_no_table_in_the_paper_is_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="table2"):
        reproduction("table22", [])
    mine = tmp_path / "mine.yaml"
    mine.write_text("scales: {mini: {upgrades: [mini], datasets: [mini]}}\nruns: [{methods: [coop]}]\n")
    with pytest.raises(UnknownNameError, match="scale 'paper'"):
        reproduction(str(mine), [])
    with pytest.raises(ConfigError, match="the paper's table of 'chain' is not in this version"):
        reproduction("chain", [])
    with pytest.raises(ConfigError, match="those of table2, table8, parts, lambda, heads, condition are"):
        reproduction("shots", [])  # its plain runs have another number of shots than the paper's tables


def test_the_verb_shows_it_with_and_without_records_and_needs_no_torch(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["table", "--study", "table2"]) == 0 and "88 of 88 cells" in capsys.readouterr().out
    write_record(tmp_path / "results", made())
    assert main(["table", "--study", "table2", "--format", "json"]) == 0
    assert [r["new"] for r in json.loads(capsys.readouterr().out) if r["new"]] == [65.0]
    assert main(["table", "results", "--study", "table8"]) == 0 and "88 of 88 cells" in capsys.readouterr().out
    assert main(["table", "none", "--study", "table2"]) == 1 and "no results folder" in capsys.readouterr().err
    assert main(["table", "--study", "table2", "--jsonl", "x"]) == 1 and "leave --study out" in capsys.readouterr().err
    code = (
        "import sys\nfrom clipcompat.cli import main\nassert main(sys.argv[1:]) == 0\nassert 'torch' not in sys.modules"
    )
    assert python(code, "table", str(tmp_path / "results"), "--study", "table2").returncode == 0
    with pytest.raises(DataError, match="no results folder"):
        find_records("none")

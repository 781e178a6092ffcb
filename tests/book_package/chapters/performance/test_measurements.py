"""Shipped measurements are those of the benchmarks, whole, and are read as what they are."""

from __future__ import annotations

import pytest

from clipcompat.common.errors import DataError, UnknownNameError
from clipcompat_book.chapters.performance.measurements import committed_performance, parse_performance
from tests.measurements import bench, growth, performance

STEPS = {"coop-47", "contcoop-47", "cocoop-10x8", "coop-1000", "contcoop-1000"}
IMAGES = {"images-32", "images-32-eva", "images-32-bf16"}
OTHERS = {"maple-47", "coop-47-bf16", "contcoop-47-bf16", "coop-training", "coop-training-mini"}
CHUNKS = {"classes-10000", "classes-10000-contcoop"}


@pytest.mark.parametrize(("copy", "source"), [("performance.json", "cpu.json"), ("growth.json", "growth-cpu.json")])
def test_what_is_shipped_is_what_the_benchmarks_wrote(project, copy, source):
    written = project / "benchmarks" / "results" / source
    if not written.is_file():
        pytest.skip(f"no {written.name}: this checkout has no benchmark results")
    assert (project / "clipcompat_book" / "records" / copy).read_bytes() == written.read_bytes()


def test_the_first_is_a_cpu_s_and_has_every_row_and_sweep():
    cpu = committed_performance()[0]
    assert "CPU" in cpu.device
    assert {row.name for row in cpu.rows} == STEPS | IMAGES | OTHERS | CHUNKS
    assert {row.name for row in cpu.rows if row.kind == "chunks"} == CHUNKS
    assert {row.name for row in cpu.rows if row.kind == "images"} == IMAGES
    assert {row.name for row in cpu.rows if row.extrapolated} == {"coop-training"}
    assert {row.title for row in cpu.rows}.isdisjoint({row.name for row in cpu.rows})
    for method, most in (("coop", 10_000), ("contcoop", 3000)):
        classes = [p.classes for p in cpu.sweep("classes", method)]
        assert (classes[0], classes[-1]) == (10, most) and len(classes) > 3
        assert len(cpu.sweep("context", method)) > 3
        assert [t.shots for t in cpu.shots(method)] == [1, 2, 4, 8, 16]


def test_shipped_steps_computed_one_function_and_none_beat_arithmetic():
    cpu = committed_performance()[0]
    for row in (r for r in cpu.rows if r.kind in ("step", "chunks") and r.dtype == "fp32"):
        assert row.features < 1e-5 * max(1, row.largest or 1) and row.gradients < 1e-5, row.name
    for row in (r for r in cpu.rows if r.kind == "images" and r.dtype == "fp32"):
        assert row.features < 3e-6 * row.largest, row.name
    assert all(p.seconds > p.limit_s for p in (*cpu.points, *cpu.trainings))
    assert all(row.fast_s > row.limit_s for row in cpu.rows if row.limit_s)


def test_a_row_knows_its_kind_its_title_and_the_bounds_of_its_ratio():
    found = performance()
    row = found.row("coop-47")
    assert (row.kind, row.method, row.classes, row.title) == ("step", "coop", 47, "CoOp, 47 classes")
    assert row.ratio == 16 and row.bounds == (1.5 / 0.25, 2.5 / 0.1)
    assert found.row("coop-47-bf16").title == row.title
    assert found.row("coop-training").bounds is None and found.row("coop-training").extrapolated
    kinds = {"coop-training-mini": "training", "classes-10000": "chunks", "images-32": "images"}
    assert {name: found.row(name).kind for name in kinds} == kinds


def test_rows_that_compare_nothing_are_left_out():
    with pytest.raises(UnknownNameError, match="utilisation-1000-b16"):
        performance().row("utilisation-1000-b16")


def test_a_step_has_the_limit_of_its_size_pictures_have_theirs_and_others_have_none():
    found = performance()
    assert found.limit(found.row("contcoop-1000")) == 0.005 * 1000 * 4
    assert found.limit(found.row("images-32")) == 1.6
    for name in ("coop-47", "coop-47-bf16", "coop-training", "classes-10000"):
        assert found.limit(found.row(name)) is None


def test_a_sweep_goes_from_small_to_large_and_an_unknown_one_is_told():
    found = performance()
    assert [p.classes for p in found.sweep("classes", "coop", "plain")] == [10, 100]
    with pytest.raises(UnknownNameError, match="shots, coop, fast"):
        found.sweep("shots", "coop")


def test_trainings_go_from_few_shots_to_many_and_an_unknown_method_is_told():
    found = performance()
    assert [(t.shots, t.seconds) for t in found.shots("coop")] == [(1, 17.0), (16, 272.0)]
    with pytest.raises(UnknownNameError, match="coop"):
        found.shots("cop")


@pytest.mark.parametrize("broken", ["rows", "device", "fields", "kind"])
def test_other_files_are_refused_in_a_sentence(broken):
    one, two = bench(), growth()
    if broken == "fields":
        two["rows"][0].pop("limit_s")
    elif broken == "kind":
        one["rows"] = ["coop-47 reference_s"]
    else:
        one.pop(broken)
    with pytest.raises(DataError, match="make bench"):
        parse_performance(one, two)

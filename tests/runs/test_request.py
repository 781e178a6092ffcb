"""A request: every field declared once, for the command line, for its check, and for the record."""

from __future__ import annotations

import argparse
from dataclasses import fields

import pytest

from clipcompat.common.errors import ConfigError, UnknownNameError
from clipcompat.data.mini.sets import study_names
from clipcompat.runs.request import (
    AS_GIVEN,
    BESIDE,
    IN_STAMPS,
    NO_NUMBER,
    RESOLVED,
    Request,
    add_request_options,
    requested,
)
from clipcompat.runs.run import Run
from tests.trees import python


def parsed(*arguments: str) -> list[dict]:
    parser = argparse.ArgumentParser()
    add_request_options(parser)
    return list(requested(parser.parse_args(arguments)))


def test_what_is_not_said_on_the_command_line_is_what_python_has_as_default():
    (given,) = parsed("--method", "coop", "--dataset", "mini/tints")
    assert Request(**given) == Request("coop", "mini/tints", "mini")


def test_every_field_is_a_flag_and_says_how_a_record_keeps_it():
    (given,) = parsed("--method", "coop", "--dataset", "mini/tints")
    assert {f.name for f in fields(Request)} == given.keys()
    ways = {AS_GIVEN, RESOLVED, IN_STAMPS, NO_NUMBER, BESIDE}
    assert all(f.metadata["recorded"] in ways and f.metadata["argument"]["help"] for f in fields(Request))


def test_fields_that_a_record_keeps_are_among_the_inputs_of_a_run():
    run = Run("coop", "mini/tints", "mini", seeds=(1,), shots=1, device="cpu")
    inputs = run._inputs(run.configured_method(), {1: run._data(1)})
    assert run.recorded().items() <= inputs.items() and inputs["seeds"] == [1]
    resolved = {f.name for f in fields(Request) if f.metadata["recorded"] == RESOLVED}
    # settings are in the method's config; a mini dataset's name tells its words
    assert resolved - inputs.keys() == {"settings", "templates", "template", "names", "repeat"}


def test_every_dataset_is_run_with_every_method():
    found = parsed("--method", "coop", "zero_shot", "--dataset", "mini", "eurosat", "--seeds", "4", "--no-retrain")
    assert [r["dataset"] for r in found] == [name for name in (*study_names(), "eurosat") for _ in range(2)]
    assert {r["method"] for r in found} == {"coop", "zero_shot"}
    assert all(r["seeds"] == (4,) and r["retrain"] is False for r in found)


def test_all_images_may_be_asked_for_by_a_word():
    assert parsed("--method", "coop", "--dataset", "eurosat", "--shots", "all")[0]["shots"] is None


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"upgrade": "minni"}, UnknownNameError, "mini"),
        ({"classes": "old"}, UnknownNameError, "base"),
        ({"dataset": "mini/tint"}, UnknownNameError, "mini/tints"),
        ({"dataset": "eurosad"}, UnknownNameError, "eurosat"),
        ({"seeds": ()}, ConfigError, "one or more"),
        ({"old_weights": ""}, ConfigError, "weights are empty"),
        ({"new_weights": ""}, ConfigError, "weights are empty"),
        ({"views": -1}, ConfigError, "views"),
        ({"memory": float("nan")}, ConfigError, "gigabytes"),
        ({"memory": float("inf")}, ConfigError, "gigabytes"),
        ({"memory": 1e300}, ConfigError, "gigabytes"),
        ({"template": "a {}."}, ConfigError, "folder:PATH"),
        ({"upright": True}, ConfigError, "upright"),
        ({"dataset": "folder:x", "repeat": True}, ConfigError, "repeat"),
        ({"templates": "zzz"}, UnknownNameError, "tip7"),
        ({"templates": "openai80"}, ConfigError, "templates has no effect on mini/tints: it is for public"),
        ({"repeat": True}, ConfigError, "repeat has no effect on mini/tints"),
        ({"root": "data"}, ConfigError, "root has no effect on mini/tints: it is for public data sets and csv:PATH"),
        ({"allow_fewer": True}, ConfigError, "allow_fewer has no effect"),
        ({"skip_broken": True}, ConfigError, "skip_broken has no effect"),
        ({"dataset": "folder:x", "root": "data"}, ConfigError, "root has no effect on folder:x"),
        ({"dataset": "eurosat", "upright": True}, ConfigError, "upright has no effect on eurosat"),
        ({"indices": "x.json", "dataset": "eurosat", "repeat": True}, ConfigError, "indices are drawn already"),
        ({"dataset": "folder:x", "template": ""}, ConfigError, "empty"),
    ],
)
def test_fields_out_of_range_or_in_contradiction_are_refused(changes, error, says):
    with pytest.raises(error, match=says):
        Request(**{"method": "coop", "dataset": "mini/tints", **changes})


def test_a_flag_that_acts_on_some_of_the_datasets_is_given_to_these_only():
    found = parsed("--method", "coop", "--dataset", "mini/tints", "eurosat", "csv:x.csv", "--root", "data", "--upright")
    assert [(r["dataset"], r["root"], r["upright"]) for r in found] == [
        ("mini/tints", None, False),
        ("eurosat", "data", False),
        ("csv:x.csv", "data", True),
    ]


def test_views_are_given_to_methods_that_train_on_them():
    found = parsed("--method", "zero_shot", "coop", "linear_probe", "--dataset", "mini/tints", "--views", "3")
    assert [r["views"] for r in found] == [None, 3, None]
    for request in parsed("--method", "zero_shot", "linear_probe", "--dataset", "mini/tints", "--views", "3"):
        with pytest.raises(ConfigError, match="trains on no augmented views"):
            Run(**request)


def test_a_flag_that_acts_on_none_of_the_datasets_is_refused():
    for request in parsed("--method", "coop", "--dataset", "mini/tints", "mini/shapes", "--root", "data"):
        with pytest.raises(ConfigError, match="root has no effect"):
            Request(**request)


def test_the_help_of_the_command_line_needs_no_torch():
    run = python(
        "import sys; from clipcompat.cli import main\n"
        "try: main(['run', '--help'])\n"
        "finally: assert 'torch' not in sys.modules"
    )
    assert run.returncode == 0 and "--old-weights" in run.stdout, run.stderr

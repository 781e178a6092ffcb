"""Records: whole, named by what went in, refused when they were touched."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from clipcompat.common.config import to_config
from clipcompat.common.errors import DataError
from clipcompat.methods import METHODS
from clipcompat.runs.migrate import migrate
from clipcompat.runs.records import (
    Record,
    Titles,
    checksum,
    environment,
    find_records,
    now,
    read_record,
    record_id,
    record_path,
    write_lines,
    write_record,
)
from clipcompat.runs.run import tolerance
from clipcompat.runs.titles import make_titles
from clipcompat.training.recipe import Recipe
from tests.trees import python

ROW = ("method", "dataset", "seed", "old", "new", "zs_old", "zs_new", "retrained", "negative_flips", "views")


def record(method="coop", dataset="eurosat", new=72.0, config=None, **inputs) -> Record:
    """A record as a run makes it; config: the method's settings."""
    plain = {"upgrade": "mini", "classes": "all", "shots": 16, "old_weights": None, "new_weights": None}
    inputs = {"method": {"name": method, "config": config or {}}, "dataset": dataset, **plain, **inputs}
    row = {"method": method, "dataset": dataset, "seed": 1, "old": 80.0, "new": new, "zs_old": 40.0, "zs_new": 50.0}
    row |= {"retrained": 90.0, "negative_flips": 5.0, "views": 10}
    return Record(
        study="compatibility",
        inputs=inputs,
        titles=make_titles(inputs),
        per_seed=[row],
        backbones={},
        environment={"tolerance": tolerance(method)},
        started="2026-01-01T00:00:00+00:00",
        seconds=1.5,
        training_seconds=[],
    )


def test_a_record_is_read_as_it_was_written(tmp_path):
    path = write_record(tmp_path, record())
    assert read_record(path) == record()
    assert path == record_path(tmp_path, "compatibility", record().inputs)
    assert path.name == f"coop-eurosat-{record().id}.json" and os.listdir(path.parent) == [path.name]
    written = json.loads(path.read_text())
    assert written == record().to_dict() and list(written) == sorted(written)  # one order of keys, for git


def test_equal_inputs_have_one_name_and_others_another():
    assert record().id == record(new=1.0).id
    others = [record("contcoop"), record(dataset="dtd"), record(shots=4), record(classes="base"), record(upgrade="x")]
    assert len({r.id for r in [record(), *others]}) == 6


def test_a_dataset_name_with_a_slash_makes_no_folder(tmp_path):
    path = write_record(tmp_path, record(dataset="mini/textures"))
    assert path.parent == tmp_path / "compatibility" and path.name.startswith("coop-mini-textures-")


@pytest.mark.parametrize("part", ["id", "study", "inputs", "titles", "per_seed", "backbones", "environment", "started"])
def test_a_record_without_one_of_its_parts_is_refused(tmp_path, part):
    content = {k: v for k, v in record().to_dict().items() if k != part}
    (tmp_path / "x.json").write_text(json.dumps(content | {"checksum": checksum(content)}))
    with pytest.raises(DataError, match="not a record of format"):
        read_record(tmp_path / "x.json")


def test_a_record_says_what_was_run():
    made = record("contcoop", config={"distillation": {"weight": 0.5}}, upgrade="mini-identity")
    assert made.titles == Titles("contcoop (distillation.weight=0.5)", "ContCoOp (λ = 0.5)", "mini-identity")
    assert (made.method, made.dataset, made.is_plain, record().is_plain) == ("contcoop", "eurosat", False, True)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"format": "clipcompat-record-2"}', b"\xff\xfe\0"])
def test_files_that_are_no_records_are_refused_by_name(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    for use in (lambda: read_record(path), lambda: find_records(tmp_path)):
        with pytest.raises(DataError, match="not a (readable )?record") as caught:
            use()
        assert str(path) in str(caught.value)


def test_half_a_record_is_refused(tmp_path):
    path = write_record(tmp_path, record())
    path.write_text(path.read_text()[:-40])
    with pytest.raises(DataError, match="not a readable record.*delete it and run again"):
        read_record(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"new": 72.0', '"new": 92.0'),
        ('"shots": 16', '"shots": 1'),
        ('"seconds": 1.5', '"seconds": 1.4'),
        ('"dataset": "eurosat"', '"dataset": "dtd"'),
        ('"checksum"', '"checksun"'),
    ],
)
def test_a_record_changed_by_hand_is_refused(tmp_path, old, new):
    path = write_record(tmp_path, record())
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(DataError, match="was changed after it was written.*Delete it and run again"):
        read_record(path)


def edited(tmp_path, change) -> Path:
    """A record that someone changed, with the checksum and the id set right."""
    content = record().to_dict()
    change(content)
    content["id"] = record_id(content["inputs"])
    content["checksum"] = checksum(content)
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        *((lambda c, key=key: c["per_seed"][0].pop(key), f"row 1 of per_seed: '{key}' is missing") for key in ROW),
        (lambda c: c["per_seed"][0].update(new="72"), "row 1 of per_seed: 'new' is not what it should be"),
        (lambda c: c["per_seed"][0].update(new=1e308), "row 1 of per_seed: 'new' is not what it should be"),
        (lambda c: c["per_seed"][0].update(new=True), "row 1 of per_seed: 'new' is not what it should be"),
        (lambda c: c["per_seed"].append(5), "row 2 of per_seed: it is no object"),
        (lambda c: c.update(per_seed=[]), "'per_seed' is not what it should be"),
        (lambda c: c.update(titles=None), "'titles' is not what it should be"),
        (lambda c: c["titles"].update(note=""), "titles: 'note' is not known"),
        (lambda c: c.update(inputs=[]), "'inputs' is not what it should be"),
        (lambda c: c["inputs"].update(stamps={"1": 5}), "inputs: 'stamps' is not what it should be"),
        (lambda c: c["inputs"].update(shipped=[None]), "inputs: 'shipped' is not what it should be"),
        (lambda c: c["inputs"].update(plugins=["x"]), "inputs: 'plugins' is not what it should be"),
        (lambda c: c["inputs"].pop("upgrade"), "inputs: 'upgrade' is missing"),
        (lambda c: c["inputs"].update(method="coop"), "inputs: 'method' is not what it should be"),
    ],
)
def test_a_record_written_by_hand_names_the_part_that_is_wrong(tmp_path, change, says):
    path = edited(tmp_path, change)
    with pytest.raises(DataError, match=f"edited.json is not a whole record .{says}.. Delete it and run again."):
        read_record(path)
    if "titles" not in says:  # they are made from the inputs
        with pytest.raises(DataError, match=says):
            migrate(path)


def test_a_record_nested_too_deeply_is_a_sentence(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    for read in (read_record, migrate):
        with pytest.raises(DataError, match="deep.json.* is not .*readable.*nested more than 100 levels deep"):
            read(path)


def test_formatting_is_not_a_change(tmp_path):
    path = write_record(tmp_path, record())
    read = read_record(path)
    path.write_text(json.dumps(dict(reversed(read.to_dict().items()))))
    assert read_record(path) == read


def test_all_records_under_a_folder_come_sorted(tmp_path):
    for r in (record("zero_shot"), record("coop", "dtd"), record("coop"), record("contcoop"), record("coop", shots=1)):
        write_record(tmp_path, r)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "x.head").write_text("{}")
    found = find_records(tmp_path)
    order = [(r.inputs["dataset"], r.inputs["method"]["name"], r.id) for r in found]
    assert order == sorted(order) and len(order) == 5
    assert find_records(record_path(tmp_path, "compatibility", record().inputs)) == [
        r for r in found if r.id == record().id
    ]


def test_what_desktops_leave_among_records_counts_nowhere(tmp_path):
    path = write_record(tmp_path, record())
    for name in ("._x.json", "@eaDir/x.json", "__MACOSX/x.json", ".cache/x.json"):
        (path.parent / name).parent.mkdir(exist_ok=True)
        (path.parent / name).write_bytes(b"\0\5\x16\7")
    assert find_records(tmp_path) == [record()] and migrate(tmp_path) == 1


def test_results_in_a_hidden_folder_are_found(tmp_path):
    write_record(tmp_path / ".results", record())
    assert find_records(tmp_path / ".results") == [record()]


def test_a_copied_record_comes_once(tmp_path, caplog):
    path = write_record(tmp_path, record())
    for name in ("coop (1).json", "backup/coop.json"):
        (path.parent / name).parent.mkdir(exist_ok=True)
        (path.parent / name).write_bytes(path.read_bytes())
    write_record(tmp_path, record("zero_shot"))
    assert [r.method for r in find_records(tmp_path)] == ["coop", "zero_shot"]
    (tmp_path / "twice.jsonl").write_text(2 * f"{json.dumps(record().to_dict())}\n")
    assert find_records(tmp_path / "twice.jsonl") == [record()] and not caplog.text


def test_two_records_of_one_run_with_different_numbers_are_both_there_and_that_is_said(tmp_path, caplog):
    write_record(tmp_path / "here", record())
    write_record(tmp_path / "there", record(new=71.0))
    assert [r.per_seed[0]["new"] for r in find_records(tmp_path)] == [72.0, 71.0]
    assert f"1 runs have several records with different numbers, as coop on eurosat ({record().id})" in caplog.text


def test_a_missing_folder_is_a_sentence_and_an_empty_one_has_no_records(tmp_path):
    with pytest.raises(DataError, match="no results folder.*clipcompat run … --out"):
        find_records(tmp_path / "none")
    assert find_records(tmp_path) == []


def test_a_study_kept_as_jsonl_is_the_same_whatever_the_order(tmp_path):
    for r in (record("zero_shot"), record("coop"), record("contcoop")):
        write_record(tmp_path / "results", r)
    found = find_records(tmp_path / "results")
    one = write_lines(tmp_path / "a.jsonl", found).read_bytes()
    two = write_lines(tmp_path / "b.jsonl", copy.deepcopy(found[::-1])).read_bytes()
    assert one == two and one.endswith(b"}\n")
    assert [json.loads(line) for line in one.splitlines()] == [r.to_dict() for r in found]


@pytest.mark.parametrize("name", ["a\u2028b", "a\x85b", "a\x0bb"])
def test_a_jsonl_is_divided_at_new_lines_only(tmp_path, name):
    made = record(classnames=[name, "c"])
    lines = write_lines(tmp_path / "a.jsonl", [made, record("contcoop")])
    assert made in find_records(lines) and migrate(lines) == 2 and len(find_records(lines)) == 2


def test_a_byte_order_mark_before_a_record_is_none_of_it(tmp_path):
    path = write_record(tmp_path, record())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert find_records(tmp_path) == [record()] and migrate(tmp_path) == 1


def test_a_record_stores_its_tolerance_and_an_earlier_one_gets_it(tmp_path):
    made = record("linear_probe")
    earlier = write_record(tmp_path, replace(made, environment={"threads": 2}))
    assert read_record(earlier).tolerance is None and migrate(tmp_path) == 1
    (found,) = find_records(tmp_path)
    assert found.environment == {"threads": 2, "tolerance": 5.0} and found.tolerance == 5.0
    assert (tolerance("zero_shot"), tolerance("coop"), tolerance("of another version")) == (0.2, 2.0, 2.0)


@pytest.mark.parametrize("value", [-1, "2", None, True, 101])
def test_a_tolerance_that_is_no_number_of_points_is_refused(tmp_path, value):
    path = write_record(tmp_path, replace(record(), environment={"tolerance": value}))
    with pytest.raises(DataError, match="'environment' is not what it should be"):
        read_record(path)


def test_the_environment_says_on_what_it_ran_and_not_where():
    found = environment(torch.device("cpu"))
    assert found["torch"] == torch.__version__.partition("+")[0] or found["torch"] == torch.__version__
    assert found["device"].startswith("cpu (") and found["threads"] == torch.get_num_threads()
    assert not any(os.path.expanduser("~") in str(v) or os.uname().nodename == v for v in found.values())
    assert now().endswith("+00:00") and len(now()) == 25


def test_a_full_disk_leaves_no_record(tmp_path):
    run = python(
        "import resource, sys\n"
        "from tests.runs.test_records import record, write_record\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))\n"
        "try: write_record(sys.argv[1], record())\n"
        "except Exception as error: print(type(error).__name__)",
        str(tmp_path),
    )
    assert run.stdout == "StorageError\n", run.stderr
    assert find_records(tmp_path) == [] and os.listdir(tmp_path / "compatibility") == []


def test_a_committed_list_is_read_like_a_folder(tmp_path):
    made = read_record(write_record(tmp_path, record()))
    path = write_lines(tmp_path / "all.jsonl", [made])
    (found,) = find_records(path)
    assert found == made == record()
    path.write_text("not JSON")
    with pytest.raises(DataError, match="restore it from git"):
        find_records(path)


def current(method="coop", **settings) -> Record:
    """A record as this version makes it, with all settings; the miniature crops at least 60 %."""
    made = record(method, "mini/tints", config=to_config(METHODS[method](**settings)))
    crop = [0.6, 1.0] if "recipe" in made.inputs["method"]["config"] else None
    return replace(made, per_seed=[row | {"crop": crop} for row in made.per_seed])


def former(made: Record, **parts) -> dict:
    """The content of a record of the first format, which had no titles and named no crops."""
    content = {k: v for k, v in made.to_dict().items() if k not in ("titles", "checksum")} | parts
    content |= {"format": "clipcompat-record-1", "id": record_id(content["inputs"])}
    content["per_seed"] = [{k: v for k, v in row.items() if k != "crop"} for row in made.per_seed]
    return content | {"checksum": checksum(content)}


def test_records_of_the_former_format_are_brought_up_to_date_by_one_command(tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(former(current())))
    lines = [json.dumps(former(r)) + "\n" for r in (current("contcoop"), current("zero_shot"))]
    (tmp_path / "more.jsonl").write_text("".join(lines))
    with pytest.raises(DataError, match="python -m clipcompat.runs.migrate"):
        find_records(tmp_path)
    assert migrate(tmp_path) == 1 and migrate(tmp_path / "more.jsonl") == 2
    assert find_records(tmp_path) == [current()]
    assert find_records(tmp_path / "more.jsonl") == [current("contcoop"), current("zero_shot")]
    assert migrate(tmp_path) == migrate(tmp_path / "more.jsonl") == 0


def test_a_list_of_both_formats_keeps_what_is_up_to_date(tmp_path):
    rows = [former(current("contcoop")), current("coop").to_dict()]
    (tmp_path / "both.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert migrate(tmp_path / "both.jsonl") == 1
    assert find_records(tmp_path / "both.jsonl") == [current("contcoop"), current("coop")]


def test_inputs_without_a_later_setting_get_its_default_and_the_id_that_the_same_command_makes_today(tmp_path):
    made = current(recipe=Recipe(lr=0.5))
    inputs = json.loads(json.dumps(made.inputs))
    for later in ("optimizer", "eps", "eurosat_epochs", "drop_last"):
        del inputs["method"]["config"]["recipe"][later]
    old = write_record(tmp_path, replace(made, inputs=inputs, titles=make_titles(inputs)))
    assert migrate(tmp_path) == 1
    assert find_records(tmp_path) == [made] and record_id(inputs) != made.id
    assert not old.exists() and record_path(tmp_path, "compatibility", made.inputs).is_file()


def test_a_record_of_a_method_that_this_version_lacks_keeps_its_settings(tmp_path):
    made = record("coop_of_tomorrow", "mini/tints", config={"depth": 9})
    write_record(tmp_path, made)
    migrate(tmp_path)
    (found,) = find_records(tmp_path)
    assert (found.inputs, found.id) == (made.inputs, made.id)


@pytest.mark.parametrize("content", [None, "{", ""])
def test_what_cannot_be_migrated_is_a_sentence(tmp_path, content):
    if content is not None:
        (tmp_path / "x.json").write_text(content)
    with pytest.raises(DataError, match="there is no|is not readable"):
        migrate(tmp_path / "x.json")


def test_a_record_of_the_former_format_that_was_edited_is_not_brought_up_to_date(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(former(current())).replace("72.0", "92.0"))
    with pytest.raises(DataError, match="was changed after it was written"):
        migrate(tmp_path)
    assert "92.0" in (tmp_path / "x.json").read_text()


def test_reading_records_and_printing_a_table_needs_no_torch(tmp_path):
    write_record(tmp_path, record())
    run = python(
        "import sys\n"
        "from clipcompat.runs.records import find_records\n"
        "from clipcompat.runs.tables import compatibility_table\n"
        "print(compatibility_table(find_records(sys.argv[1])))\n"
        "assert not {'torch', 'clipcompat.methods'} & set(sys.modules)",
        str(tmp_path),
    )
    assert run.returncode == 0 and "80.0" in run.stdout, run.stderr

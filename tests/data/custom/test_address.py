from __future__ import annotations

import json

import pytest

from clipcompat.common.errors import DataError, UnknownNameError
from clipcompat.data.custom.address import clean_classnames, load_own
from tests.data.custom.test_from_folder import FOLDERS, write_tree

DRAW = {"root": None, "style": "coop", "template": None, "names": None, "shots": 1, "seed": 1}


def test_a_preview_takes_a_folder_a_table_or_names(tmp_path):
    folder = write_tree(tmp_path / "pets")
    table = tmp_path / "pets.csv"
    table.write_text("path,classname\n" + "".join(f"pets/{f}/0.jpg,{f}\n" for f in FOLDERS))
    for source in (folder, str(folder), table, list(FOLDERS)):
        assert clean_classnames(source).names == ("Sea Lake", "polka dotted", "forest")
    assert clean_classnames(folder, {"003.forest": "wood"}).names[2] == "wood"


def test_a_preview_of_parts_shows_each_class_once(tmp_path):
    for part in ("train", "test"):
        write_tree(tmp_path / part, 1)
    assert len(clean_classnames(tmp_path)) == 3


def test_a_preview_of_nothing_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no folder"):
        clean_classnames(tmp_path / "none")


def test_names_and_template_come_from_the_command_line(tmp_path):
    folder, names = write_tree(tmp_path / "pets"), tmp_path / "names.json"
    names.write_text(json.dumps({"001.SeaLake": "lake"}))
    data = load_own(f"folder:{folder}", **{**DRAW, "names": str(names), "template": "{} from above."})
    assert (data.classnames[0], data.test.template) == ("lake", "{} from above.")
    assert len(load_own(f"folder:{folder}", **{**DRAW, "style": "openai80"}).test.template) == 80
    for style in ("coop", "tip7"):
        assert load_own(f"folder:{folder}", **{**DRAW, "style": style}).test.template == "a photo of a {}."
    with pytest.raises(UnknownNameError):
        load_own(f"folder:{folder}", **{**DRAW, "style": "poem"})


def test_a_table_has_a_root(tmp_path):
    write_tree(tmp_path / "pets")
    (tmp_path / "list").mkdir()
    rows = [f"{f}/{i}.jpg;{f}" for f in FOLDERS for i in range(20)]
    (tmp_path / "list" / "pets.csv").write_text("\n".join(["path;classname", *rows]))
    data = load_own(f"csv:{tmp_path / 'list' / 'pets.csv'}", **{**DRAW, "root": str(tmp_path / "pets")})
    assert (data.name, len(data.test)) == ("csv/pets", 18)


@pytest.mark.parametrize("content", ["{", "3", b"\xff\xfe"])
def test_a_file_of_names_that_is_none_is_refused(tmp_path, content):
    file = tmp_path / "names.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match="JSON"):
        load_own(f"folder:{write_tree(tmp_path / 'pets')}", **{**DRAW, "names": str(file)})


def test_a_file_of_names_that_is_missing_or_names_a_class_twice_says_so(tmp_path):
    file = tmp_path / "names.json"
    twice = '{"cat": "a cat", "cat": "a dog"}'
    for content, says in ((None, "No such file"), (twice, "'cat' is named twice")):
        if content:
            file.write_text(content)
        with pytest.raises(DataError, match=says):
            load_own(f"folder:{write_tree(tmp_path / f'pets-{says[-5:]}')}", **{**DRAW, "names": str(file)})

"""The chapter on a reader's own pictures runs on a reader's folder, whatever its classes and files are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from book.tools.notebook import read_notebook, tags
from tests.data.conftest import write_picture

CHAPTER = Path(__file__).resolve().parents[2] / "notebooks" / "08_your_own_data.ipynb"
CLASSES = ("crane, bird", "crane, machine", 'the "big" one')


def run_chapter(**values: object) -> dict[str, object]:
    """Every code cell in this process, with other parameters; what the cells defined."""
    defined: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate(read_notebook(CHAPTER).cells):
        if cell.cell_type == "code":
            exec(compile(TransformerManager().transform_cell(cell.source), f"cell {number}", "exec"), defined)
            if "parameters" in tags(cell):
                assert values.keys() <= defined.keys()
                defined |= values
    return defined


@pytest.mark.parametrize(
    ("place", "counts"),
    [("{name}/box/1999/{i}.jpg", {"": 12}), ("{part}/{name}/{i}.jpg", {"train": 2, "val": 1, "test": 1})],
    ids=["nested", "parts"],
)
def test_names_with_commas_nested_folders_few_shots_and_a_tilde_do_not_stop_it(
    tmp_path, monkeypatch, capsys, place, counts
):
    monkeypatch.setenv("HOME", str(tmp_path))
    for part, count in counts.items():
        for i in range(count * len(CLASSES)):
            name = CLASSES[i % len(CLASSES)]
            write_picture(tmp_path / "my pets" / place.format(name=name, part=part, i=f"{part}{i}"), 16 * i)
    (tmp_path / "my pets" / ".DS_Store").write_text("x")
    found = run_chapter(PROFILE="smoke", FOLDER="~/my pets", SHOTS="2")
    data, table = found["data"], found["table"]
    assert data.classnames == table.classnames == CLASSES and len(data.train) == 6
    for one, other in ((data.train, table.train), (data.test, table.test)):
        assert dict(zip(one.keys, one.labels.tolist(), strict=True)) == dict(
            zip(other.keys, other.labels.tolist(), strict=True)
        )
    assert ".DS_Store" not in capsys.readouterr().out

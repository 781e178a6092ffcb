"""A chapter that would come out the same is not executed again; anything that could change it has it executed."""

from __future__ import annotations

from pathlib import Path

import pytest

from book.tools.execute import Run
from book.tools.kept import KeptChapters, state_of

VALUES = {"PROFILE": "book"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "a.ipynb").write_text("source")
    return tmp_path / "a.ipynb"


@pytest.fixture
def kept(tmp_path: Path, source: Path) -> KeptChapters:
    (tmp_path / "out.ipynb").write_text("executed")
    kept = KeptChapters(tmp_path / "executed", "state")
    kept.keep(source, VALUES, tmp_path / "out.ipynb", Run("a.ipynb", 12.5, 2))
    return kept


def test_a_kept_chapter_is_given_back_with_how_it_ran(kept, source, tmp_path):
    assert kept.take(source, VALUES, tmp_path / "stage" / "a.ipynb") == Run("a.ipynb", 12.5, 2)
    assert (tmp_path / "stage" / "a.ipynb").read_text() == "executed"


def test_another_source_other_parameters_or_another_state_has_it_executed_again(kept, source, tmp_path):
    out = tmp_path / "stage.ipynb"
    assert kept.take(source, {"PROFILE": "smoke"}, out) is None
    assert KeptChapters(tmp_path / "executed", "other").take(source, VALUES, out) is None
    source.write_text("changed")
    assert kept.take(source, VALUES, out) is None and not out.exists()


@pytest.mark.parametrize("damage", ["a.ipynb", "a.json"])
@pytest.mark.parametrize("content", [None, "{", "[]", "half"])
def test_a_damaged_copy_or_note_has_it_executed_again(kept, source, tmp_path, damage, content):
    file = tmp_path / "executed" / damage
    file.unlink() if content is None else file.write_text(content)
    assert kept.take(source, VALUES, tmp_path / "stage.ipynb") is None


def test_code_data_and_requirements_are_the_state(tmp_path):
    for name in ("clipcompat/a.py", "clipcompat_book/records/b.jsonl", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    before, seen = state_of(tmp_path), set()
    for name in ("clipcompat/a.py", "clipcompat_book/records/b.jsonl", "requirements.lock"):
        (tmp_path / name).write_text("2")
        seen.add(state_of(tmp_path))
        (tmp_path / name).write_text("1")
    assert len(seen) == 3 and before not in seen and state_of(tmp_path) == before
    (tmp_path / "clipcompat" / "__pycache__").mkdir()
    (tmp_path / "clipcompat" / "__pycache__" / "a.pyc").write_text("compiled")
    assert state_of(tmp_path) == before

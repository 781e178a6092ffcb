"""The page of what ran names the commit, the versions, and each chapter's share of the time that it should take."""

import subprocess
from pathlib import Path

import pytest

from book.tools.execute import Run
from book.tools.status import SMOKE, commit_of, status_page
from clipcompat.common.version import code_hash
from tests.book.test_execute import PARAMETERS, write_notebook


def git(folder: Path, *words: str) -> str:
    author = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
    return subprocess.run(
        ["git", "-C", str(folder), *author, *words], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(("seconds", "share"), [(SMOKE / 2, "50 %"), (2 * SMOKE, "200 % (more)")])
def test_a_chapter_has_its_share_of_the_limit(tmp_path, seconds, share):
    write_notebook(tmp_path / "a.ipynb", PARAMETERS)
    page = status_page([(Path("a.ipynb"), Run("a.ipynb", seconds, 1))], tmp_path, "smoke", commit="abc, with changes")
    (row,) = [line for line in page.splitlines() if line.startswith("| [a.ipynb]")]
    assert [cell.strip() for cell in row.split("|")][3:5] == [f"{seconds:.0f}", share]
    assert "| commit | abc, with changes |" in page and code_hash() in page
    for package in ("clipcompat", "torch", "timm", "numpy"):
        assert f"| {package} | not" not in page and f"| {package} | " in page


def test_the_commit_is_that_of_the_checkout_and_says_if_files_differ(tmp_path):
    git(tmp_path, "init", "-q", "clone")
    clone = tmp_path / "clone"
    (clone / "a").write_text("1")
    git(clone, "add", "a")
    git(clone, "commit", "-qm", "first")
    commit = git(clone, "rev-parse", "HEAD").strip()
    assert commit_of(clone) == commit[:12]
    (clone / "a").write_text("2")
    assert commit_of(clone) == f"{commit[:12]}, with changes"


def test_without_git_the_commit_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(tmp_path) == "unknown"

"""What the README shows is what happens: its Python is run, its shell commands are real ones."""

from __future__ import annotations

import re
import shlex

import pytest

from clipcompat.cli.main import _parser


def blocks(project, language: str) -> list[str]:
    text = (project / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_story_runs_as_it_is_printed(project, tmp_path, monkeypatch, capsys):
    (story,) = blocks(project, "python")
    lines = [line for line in story.splitlines() if line.strip()]
    assert len(lines) <= 12
    monkeypatch.chdir(tmp_path)
    exec(compile(story, "README.md", "exec"), {})
    match, numbers = capsys.readouterr().out.strip().splitlines()
    assert "compatible" in match and re.fullmatch(
        r"old [\d.]+, new [\d.]+, retrained on new [\d.]+, zero-shot on new [\d.]+, negative flips [\d.]+ %", numbers
    )
    assert (tmp_path / "plugin.safetensors").stat().st_size < 1_000_000


def test_every_clipcompat_command_is_understood(project):
    text = "\n".join(blocks(project, "bash") + blocks(project, "sh")).replace("\\\n", " ")
    commands = [line for line in text.splitlines() if line.startswith("clipcompat ")]
    assert len(commands) >= 3
    for command in commands:
        _parser().parse_args(shlex.split(command, comments=True)[1:])


@pytest.mark.parametrize("target", ["test", "book", "help"])
def test_every_make_target_named_exists(project, target):
    assert f"make {target}" in (project / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", (project / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_its_pictures_and_links_are_there(project):
    text = (project / "README.md").read_text(encoding="utf-8")
    local = [target for target in re.findall(r"\]\(([^)]+)\)", text) if not target.startswith("https://")]
    assert "book/assets/answer.svg" in local and all((project / target).is_file() for target in local)

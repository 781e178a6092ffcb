"""Every chapter has the parts that a reader learns to expect, in the same places: CONTRIBUTING.md says which.

tests/book/test_notebooks.py has the rules for any notebook; these are for one that teaches.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from book.tools.notebook import parameters, read_notebook, tags

PROJECT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((PROJECT / "notebooks").glob("*.ipynb"))
FIGURE = re.compile(r"^\s*(?:show|explore)\(", re.M)
every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def prose(path: Path) -> str:
    return "\n\n".join(cell.source for cell in read_notebook(path).cells if cell.cell_type == "markdown")


def code(path: Path) -> list[str]:
    return [cell.source for cell in read_notebook(path).cells if cell.cell_type == "code"]


def section(path: Path, title: str) -> str:
    """The prose under a heading of the second level."""
    found = [part for part in re.split(r"^## ", prose(path), flags=re.M) if part.startswith(f"{title}\n")]
    assert len(found) == 1, f"one heading `## {title}`"
    return found[0]


def bullets(text: str) -> list[str]:
    return re.findall(r"^- .*", text, re.M)


@every_chapter
def test_it_begins_with_a_question_in_bold_and_what_it_needs(path):
    title, question, needs = read_notebook(path).cells[0].source.split("\n\n")[:3]
    assert title.startswith("# ") and re.fullmatch(r"\*\*.+\?\*\*", question, re.S)
    assert re.match(r"Needs a CPU and (about|less than) .*(minute|minutes); downloads nothing\.", needs)


@every_chapter
def test_its_first_figure_follows_the_setup_and_one_short_text_at_most(path):
    before = []
    for cell in read_notebook(path).cells[1:]:
        if cell.cell_type == "code" and FIGURE.search(cell.source):
            break
        before.append(cell)
    assert all({"hide-input", "parameters"} & set(tags(cell)) for cell in before if cell.cell_type == "code")
    words = [len(cell.source.split()) for cell in before if cell.cell_type == "markdown"]
    assert len(words) <= 1 and sum(words) <= 80


@every_chapter
def test_it_says_what_a_reader_can_do_afterwards_and_what_to_know_before(path):
    text = prose(path)
    goals = text.split("**After this chapter you will be able to**\n\n")[1].split("\n\n")[0]
    assert 3 <= len(bullets(goals)) <= 4 and all(re.match(r"- \*[\w ]+\*", goal) for goal in bullets(goals))
    assert re.search(r"^You should (know|have read)", text, re.M) and text.index("You should ") < text.index("## 1. ")


@every_chapter
def test_its_setup_prints_one_line_on_what_it_runs_with(path):
    lines = [source for source in code(path)[:5] if "torch.__version__" in source and "cc.__version__" in source]
    assert len(lines) == 1 and "PROFILE" in lines[0]
    assert "SEED" not in parameters(read_notebook(path)) or "SEED" in lines[0]


@every_chapter
def test_it_asks_for_a_guess_before_it_shows_a_result(path):
    assert "**Guess" in prose(path)


@every_chapter
def test_it_has_two_explorers_at_most(path):
    assert sum(bool(re.search(r"^explore\(", source, re.M)) for source in code(path)) <= 2


@every_chapter
def test_it_tells_what_can_go_wrong(path):
    box = re.search(
        r"^```\{admonition\} What can go wrong\n:class: warning dropdown\n(.*?)^```", prose(path), re.M | re.S
    )
    assert box and 3 <= len(re.findall(r"^- \*\*", box[1], re.M)) <= 8


@every_chapter
def test_it_has_three_to_five_exercises_with_difficulty_minutes_check_hint_and_solution(path):
    text, cells = section(path, "Exercises"), "\n".join(code(path))
    asked = re.findall(r"^\*\*(\d)\. [^*]+\*\* [●○]{3}, \d+ minutes(, no check)?\.", text, re.M)
    checked = [number for number, without in asked if not without]
    assert [int(number) for number, _ in asked] == [*range(1, len(asked) + 1)] and len(asked) <= 5
    assert 3 <= len(checked) and text.count("```{dropdown} Hint\n") == len(checked)
    tried = re.findall(r"^exercises\.(check_\w+)\(my_\w+\)$", cells, re.M)
    assert len(set(tried)) == len(tried) == len(checked)
    solved = [source for source in code(path) if "assert exercises.check_" in source]
    assert set(re.findall(r"exercises\.(check_\w+)\((?!my_)", "\n".join(solved))) == set(tried)
    assert all("hide-cell" in tags(c) for c in read_notebook(path).cells if c.source in solved)


@every_chapter
def test_it_has_six_to_ten_questions_with_folded_answers(path):
    text = section(path, "Questions to check yourself")
    asked = re.findall(r"^(?:```|:::)\{dropdown\} (.*)\n(.+)", text, re.M)
    assert 6 <= len(asked) <= 10
    assert all(question.endswith("?") and len(answer) > 15 for question, answer in asked)


@every_chapter
def test_it_ends_with_a_recap_its_literature_and_the_way_on(path):
    text = section(path, "Recap")
    assert prose(path).rstrip().endswith(text.rstrip())
    assert 3 <= len(bullets(text)) <= 5 and "{cite}`" in text
    assert re.search(r"^\*\*(Next|Back to):\*\* .*\]\([\w./]+\.(ipynb|md)\)", text, re.M)


@every_chapter
def test_what_a_reader_makes_goes_into_a_folder_below_the_working_one(path):
    """Whoever changes to a folder of a drive first, keeps it when the session ends: book/troubleshooting.md."""
    for source in code(path):
        for folder in re.findall(r"\.execute\(\s*([^,)]+)|cache=([^,)]+)", source):
            assert "".join(folder) in ('"results"', '"results/cache"', "cache"), source

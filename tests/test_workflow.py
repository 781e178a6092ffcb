"""The published workflow runs the project's own commands, and needs no secret."""

import re

import pytest
import yaml


@pytest.fixture(scope="module")
def workflow(project) -> dict:
    return yaml.safe_load((project / ".github" / "workflows" / "book.yml").read_text())


def commands(job: dict) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_every_make_target_exists(workflow, project):
    targets = set(re.findall(r"^([a-z-]+):", (project / "Makefile").read_text(), re.M))
    named = [c.split()[1] for job in workflow["jobs"].values() for c in commands(job) if c.startswith("make ")]
    assert set(named) <= targets and {"test", "book", "test-browser", "test-newest"} <= set(named)


def test_nothing_is_published_that_did_not_pass_every_check(workflow):
    book, publish = workflow["jobs"]["book"], workflow["jobs"]["publish"]
    assert publish["needs"] == "book" and "main" in publish["if"]
    assert [c.split()[1] for c in commands(book)] == ["test", "book", "test-browser"]
    assert book["steps"][-1]["uses"].startswith("actions/upload-pages-artifact")


def test_every_week_tests_and_chapters_run_with_the_newest_versions(workflow):
    newest = workflow["jobs"]["newest"]
    assert newest["if"] == "github.event_name == 'schedule'" and workflow[True]["schedule"]
    assert "make test-newest NOTEBOOKS=smoke" in commands(newest)


def test_no_secret_is_named(project):
    assert "secrets." not in (project / ".github" / "workflows" / "book.yml").read_text()

"""The files that describe the project say the same thing."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version


@pytest.fixture(scope="module")
def metadata(project: Path) -> dict[str, Any]:
    return tomllib.loads((project / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def locked(project: Path) -> dict[str, set[Version]]:
    """Package -> the versions the lock pins (one for each platform marker)."""
    pins: dict[str, set[Version]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([\w.+!-]+)", (project / "requirements.lock").read_text(), re.M):
        pins.setdefault(canonicalize_name(name), set()).add(Version(version))
    return pins


def direct_requirements(metadata: dict[str, Any]) -> list[Requirement]:
    extras = metadata["project"]["optional-dependencies"]
    texts = metadata["project"]["dependencies"] + metadata["build-system"]["requires"]
    texts += [text for name, listed in extras.items() if name != "all" for text in listed]
    return [Requirement(text) for text in texts]


def test_the_lock_satisfies_every_direct_requirement_and_holds_the_build_backend(
    metadata: dict[str, Any], locked: dict[str, set[Version]]
) -> None:
    for requirement in direct_requirements(metadata):
        versions = locked.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement.name} is not in requirements.lock; run make lock"
        assert all(version in requirement.specifier for version in versions), f"{requirement}: {versions}"
    assert metadata["build-system"]["requires"] == metadata["dependency-groups"]["build"]


def test_the_lock_holds_what_its_packages_need(locked: dict[str, set[Version]]) -> None:
    """As far as these versions are installed here; a package that pip would have to find by itself has no hash."""
    for name, versions in locked.items():
        try:
            if Version(importlib.metadata.version(name)) not in versions:  # the oldest or newest ones are tested
                continue
            needed = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # for another system
            continue
        for requirement in map(Requirement, needed):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                versions = locked.get(canonicalize_name(requirement.name), set())
                assert versions, f"{name} needs {requirement}, which is not in requirements.lock; run make lock"


def test_every_locked_version_has_a_hash_and_no_address_or_path(project: Path) -> None:
    text = (project / "requirements.lock").read_text()
    blocks = re.split(r"^(?=[\w.-]+==)", text, flags=re.M)[1:]
    assert len(blocks) > 50
    assert all("--hash=sha256:" in block for block in blocks)
    assert not re.search(r"https?:|file:|--index|--find-links|(?:^|\s)/\w", text)


def test_requirements_have_lower_bounds_and_only_jupyter_book_an_upper_one(metadata: dict[str, Any]) -> None:
    for requirement in direct_requirements(metadata):
        operators = sorted(part.operator for part in requirement.specifier)
        assert operators == (["<", ">="] if requirement.name == "jupyter-book" else [">="]), requirement


def test_the_extra_all_is_the_union_of_the_others(metadata: dict[str, Any]) -> None:
    extras = metadata["project"]["optional-dependencies"]
    (everything,) = (Requirement(text) for text in extras["all"])
    assert everything.name == metadata["project"]["name"]
    assert everything.extras == set(extras) - {"all"}


def test_conda_installs_the_same_package_with_everything(project: Path, metadata: dict[str, Any]) -> None:
    environment = yaml.safe_load((project / "environment.yml").read_text())
    assert environment["name"] == metadata["project"]["name"]
    plain = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip == ["-e .[all]"]  # so that pyproject.toml alone names packages and versions
    assert sorted(plain) == ["pip", f"python{metadata['project']['requires-python']}"]


def test_the_oldest_python_is_the_same_everywhere(project: Path, metadata: dict[str, Any]) -> None:
    oldest = metadata["project"]["requires-python"].removeprefix(">=")
    major, minor = oldest.split(".")
    makefile = (project / "Makefile").read_text()
    assert f"({major}, {minor})" in makefile and f"--python-version {oldest}" in makefile
    assert metadata["tool"]["ruff"]["target-version"] == f"py{major}{minor}"
    classifiers = [text.rpartition(" :: ")[2] for text in metadata["project"]["classifiers"]]
    assert min(Version(text) for text in classifiers if re.fullmatch(r"3\.\d+", text)) == Version(oldest)


def test_the_version_is_the_same_everywhere(project: Path, metadata: dict[str, Any]) -> None:
    import clipcompat

    version = metadata["project"]["version"]
    assert clipcompat.__version__ == version
    assert str(yaml.safe_load((project / "CITATION.cff").read_text())["version"]) == version
    assert version in (project / "CHANGELOG.md").read_text()


def test_the_citation_names_both_papers(project: Path) -> None:
    references = yaml.safe_load((project / "CITATION.cff").read_text())["references"]
    cited = {identifier["value"] for reference in references for identifier in reference["identifiers"]}
    assert cited == {"arXiv:2412.20895", "arXiv:2503.13443"}


def test_continuous_integration_runs_the_commands_of_the_readme(project: Path) -> None:
    readme = (project / "README.md").read_text()
    commands = re.findall(r"^(make \w+)", (project / ".ci" / "run").read_text(), re.M)
    assert commands == ["make test", "make book"]  # and, indented, the browser's tests
    assert all(re.search(rf"^\s*(?:\$ )?{command}\b", readme, re.M) for command in commands)
    assert "\tmake test-browser\n" in (project / ".ci" / "run").read_text()
    assert (project / ".ci" / "run").stat().st_mode & 0o111


def test_every_make_target_is_in_the_help(project: Path) -> None:
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", "help"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=True, env=outside)
    listed = done.stdout
    phony = re.search(r"^\.PHONY: (.*)$", (project / "Makefile").read_text(), re.M)
    assert phony and [line.split()[1] for line in listed.splitlines()] == phony.group(1).split()


def test_every_data_file_of_the_package_is_shipped(project: Path, metadata: dict[str, Any]) -> None:
    for name, patterns in metadata["tool"]["setuptools"]["package-data"].items():
        check_shipped(project / name, patterns)
    assert (project / "clipcompat" / "py.typed").is_file()


def check_shipped(package: Path, patterns: list[str]) -> None:
    shipped = {path for pattern in patterns for path in package.glob(pattern)}
    files = {path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    data = {path for path in files if path.suffix != ".py"}
    assert data <= shipped, sorted(str(path.relative_to(package)) for path in data - shipped)


def test_every_file_is_clean_for_ruff(project: Path) -> None:
    for command in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *command, "--no-cache", "."]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout

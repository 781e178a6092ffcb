"""The repository's address stands in one place; wherever else it is named it is the same, and a fork changes all."""

import re
import shutil

import pytest
import yaml

from book.tools.notebook import read_notebook
from book.tools.runs.address import main, stale

FILES = ("_config.yml", "pyproject.toml", "CITATION.cff", "README.md", "CONTRIBUTING.md", "Makefile")
FOLDERS = ("notebooks", "book", ".github")


@pytest.fixture
def fork(project, tmp_path):
    """A copy of all that is published, with another address in its configuration."""
    for name in FILES:
        shutil.copyfile(project / name, tmp_path / name)
    for name in FOLDERS:
        shutil.copytree(project / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    config = tmp_path / "_config.yml"
    config.write_text(re.sub(r"(\n  url: ).*", r"\1https://github.com/Some-One/fork", config.read_text()))
    return tmp_path


def test_every_place_names_the_address_of_the_configuration(project):
    assert stale(project) == {}, "run: make fork-address"


def test_a_fork_changes_one_line_and_everything_follows(fork, project, capsys):
    before = yaml.safe_load((project / "_config.yml").read_text())
    address = before["repository"]["url"].removeprefix("https://github.com/")
    assert main(["--project", str(fork)]) == 0
    assert "pyproject.toml" in capsys.readouterr().out and stale(fork) == {}
    config = yaml.safe_load((fork / "_config.yml").read_text())
    assert config["html"]["baseurl"] == "https://some-one.github.io/fork/"
    for path in (fork / "notebooks").glob("*.ipynb"):
        install = next(cell.source for cell in read_notebook(path).cells if cell.cell_type == "code")
        assert "git+https://github.com/Some-One/fork\n" in f"{install}\n"
    texts = {p: p.read_text(errors="ignore") for p in fork.rglob("*") if p.is_file() and p.suffix != ".safetensors"}
    assert [path for path, text in texts.items() if f"github.com/{address}" in text] == []


def test_pages_on_a_domain_of_ones_own_stay_there(fork):
    config = fork / "_config.yml"
    config.write_text(re.sub(r"(baseurl: )\S+", r"\1https://plugins.example/", config.read_text()))
    main(["--project", str(fork)])
    assert "baseurl: https://plugins.example/" in config.read_text()


def test_an_address_that_is_none_is_refused(fork):
    config = fork / "_config.yml"
    config.write_text(config.read_text().replace("https://github.com/Some-One/fork", "Some-One"))
    with pytest.raises(ValueError, match="should look like https://github.com/me/name, and is Some-One"):
        stale(fork)

"""Write the address of the repository wherever the project names it: `make fork-address`, after a fork changed it once.

The one place is `repository: url` in `_config.yml`. Notebooks stay self-contained, so each has the address in its
installing cell, and this writes it there.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import yaml

from clipcompat.common.files import write_atomic

# Files, what stands before the address in them, the address, and what it becomes. Pages of a domain of one's own stay.
_GITHUB = r"https://[\w.-]+/[\w.-]+/[\w.-]+"
_PLACES = (
    ("notebooks/*.ipynb", r"git\+", _GITHUB, "{url}"),
    ("CITATION.cff", r'repository-code: "', _GITHUB, "{url}"),
    ("pyproject.toml", r'Repository = "', _GITHUB, "{url}"),
    ("pyproject.toml", r'Changelog = "', rf"{_GITHUB}[^\"]*", "{url}/blob/{branch}/CHANGELOG.md"),
    ("_config.yml", r"baseurl: ", r"https://[\w-]+\.github\.io/[\w.-]+/", "https://{owner}.github.io/{name}/"),
)


def stale(project: Path) -> dict[Path, str]:
    """Every file that names another address than `_config.yml`, with its text as it should be.

    Raises:
        ValueError: the address in `_config.yml` is not that of a repository.
    """
    told = yaml.safe_load((project / "_config.yml").read_text(encoding="utf-8"))["repository"]
    url = told["url"].removesuffix("/").removesuffix(".git")
    if not re.fullmatch(_GITHUB, url):
        raise ValueError(
            f"_config.yml: repository: url should look like https://github.com/me/name, and is {told['url']}"
        )
    _, owner, name = url.rsplit("/", 2)
    texts: dict[Path, str] = {}
    for files, before, address, becomes in _PLACES:
        new = becomes.format(url=url, branch=told["branch"], owner=owner.lower(), name=name)
        for path in sorted(project.glob(files)):
            text = texts.get(path, path.read_text(encoding="utf-8"))
            texts[path] = re.sub(rf"({before}){address}", rf"\g<1>{new}", text)
    return {path: text for path, text in texts.items() if text != path.read_text(encoding="utf-8")}


def main(arguments: list[str] | None = None) -> int:
    """The command line: `python -m book.tools.runs.address`, from the project's root."""
    parser = argparse.ArgumentParser(description="Write the address of _config.yml wherever the project names it.")
    parser.add_argument("--project", type=Path, default=Path("."))
    project = parser.parse_args(arguments).project
    changed = stale(project)
    for path, text in changed.items():
        write_atomic(path, text)
        print(path.relative_to(project))
    print(f"{len(changed)} files changed; install again (make install), and look at them with git diff.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""torch and torchvision of different builds are one sentence, wherever torchvision is needed first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.trees import python

BROKEN = "raise RuntimeError('operator torchvision::nms does not exist')\n"
SAYS = "do not work together (operator torchvision::nms does not exist). They must be of one release and one build"


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> Path:
    """A folder with a torchvision that another torch was built for."""
    folder = tmp_path_factory.mktemp("site-packages")
    (folder / "torchvision").mkdir()
    (folder / "torchvision" / "__init__.py").write_text(BROKEN)
    return folder


@pytest.mark.parametrize(
    "use",
    [
        "cc.load_backbone('ViT-B-32', 'random:1')",
        "cc.load_backbone('mini-old')",
        "cc.load_upgrade('mini')",
        "template_for('food101', 'openai80')",
        "write_classnames(None)",
        "mini_tokenizer()",
    ],
)
def test_in_python_it_is_an_error_of_this_library(broken, use):
    run = python(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import clipcompat as cc\n"
        "from clipcompat.backbones.mini.tokenizer import mini_tokenizer\n"
        "from clipcompat.common.errors import InstallationError\n"
        "from clipcompat.data.public.imagenet_names import write_classnames\n"
        "from clipcompat.data.templates import template_for\n"
        f"try: {use}\n"
        "except InstallationError as error: print(error)",
        str(broken),
    )
    assert SAYS in run.stdout and "pip install" in run.stdout, run.stderr


def test_on_the_command_line_it_is_one_line(broken, tmp_path):
    run = python(
        "import sys; sys.path.insert(0, sys.argv.pop(1))\nfrom clipcompat.cli import main\nsys.exit(main())",
        str(broken),
        *["run", "--method", "zero_shot", "--dataset", "mini/textures", "--upgrade", "mini", "--out", str(tmp_path)],
    )
    assert run.returncode == 1 and SAYS in run.stderr and len(run.stderr.splitlines()) == 1, run.stderr

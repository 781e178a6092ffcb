"""`python -m clipcompat_book.miniature pretrain …` makes one generation of the miniature backbones."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from clipcompat.backbones.device import pick_device
from clipcompat.common.errors import ClipcompatError, unknown_name
from clipcompat.common.terminal import Bars
from clipcompat_book.miniature.pretrain import RECIPES, pretrain


def main(arguments: Sequence[str] | None = None) -> int:
    """Pretrain; 0 on success, 1 after an error in one sentence, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    name = f"{options.size}-{options.generation}"
    try:
        if name not in RECIPES:
            raise unknown_name("mini backbone", name, RECIPES)
        recipe = replace(RECIPES[name], seed=options.seed, steps=options.steps or RECIPES[name].steps)
        device = pick_device(options.device)
        with Bars() as bars:
            given = {"keep": options.keep, "device": device, "progress": bars}
            print(pretrain(name, recipe, options.out, options.text_from, **given))
    except ClipcompatError as error:
        print(f"clipcompat_book.miniature: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("clipcompat_book.miniature: stopped; the same command continues from there.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m clipcompat_book.miniature", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    add = verbs.add_parser("pretrain", help="pretrain one generation; a run that was killed goes on").add_argument
    add("--size", choices=("mini", "mini-large"), default="mini")
    add("--generation", default="old", help="old, new, newer, image-only or text-only (default: old)")
    add("--seed", type=int, default=1)
    add(
        "--text-from",
        metavar="FILE",
        help="weights of the generation before, whose text tower (text-only: both towers) this one starts from",
    )
    add("--steps", type=int, help="instead of the recipe's number of steps")
    add("--keep", type=int, nargs="+", default=[], metavar="STEP", help="also keep the weights after these steps")
    add("--device", help="cuda, mps or cpu (default: the best there is)")
    add("--out", required=True, metavar="FILE.safetensors")
    return parser


if __name__ == "__main__":
    sys.exit(main())

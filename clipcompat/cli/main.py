"""The command line. Every verb is found from `clipcompat --help`, which imports nothing heavy."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from clipcompat.cli.cache import add_cache_verb
from clipcompat.cli.data import add_data_verbs
from clipcompat.cli.plugins import add_plugin_verbs
from clipcompat.common.errors import ClipcompatError, DataError
from clipcompat.common.terminal import Bars, Once
from clipcompat.common.version import __version__

_RUN = """\
tune a method on the old backbone, test it on both, write one record for each method and dataset

  clipcompat run --method contcoop --dataset mini/textures --upgrade mini --seeds 1 2 3 --out results/
  clipcompat run --method contcoop --dataset eurosat --root $DATA --upgrade clip-to-eva-vit-b-16
  clipcompat run --method contcoop --dataset folder:pictures/pets --upgrade clip-to-eva-vit-b-16
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 on success, 1 after an error in one sentence, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    level = logging.INFO if options.verbose else logging.WARNING
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Once())
    logging.basicConfig(level=level, format="%(levelname)s: %(message)s", handlers=[handler])
    try:
        options.verb(options)
        sys.stdout.flush()
    except ClipcompatError as error:
        print(f"clipcompat: {error}", file=sys.stderr)
        return 1
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":
            raise
        print(
            f"clipcompat: out of memory ({error}). Use --dtype bf16, fewer --views, less --memory or fewer classes.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(
            "clipcompat: stopped; what was finished is kept, and the same command goes on from there.", file=sys.stderr
        )
        return 130
    except BrokenPipeError:  # `clipcompat table … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # a file without permission, say
        print(f"clipcompat: {error.filename or 'a file'}: {error.strerror or error}.", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="clipcompat",
        description="You tuned a plug-in on a CLIP backbone, the backbone was upgraded: is it still good?",
    )
    parser.add_argument("--version", action="version", version=f"clipcompat {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="say more on stderr")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    run = verbs.add_parser("run", help="one run: method, dataset, upgrade, seeds -> one record", description=_RUN,
                           formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    add = run.add_argument
    add("--method", required=True, nargs="+", help="one or more; see `clipcompat list`")
    add("--dataset", required=True, nargs="+", help="one or more; see `clipcompat list`. mini: the eleven mini/… sets. "
        "folder:PATH (a folder a class, or such trees in train, val, test) and csv:PATH: your own")  # fmt: skip
    add("--upgrade", default="mini", help="see `clipcompat list` (default: mini)")
    add("--seeds", type=int, nargs="+", default=[1, 2, 3], help="few-shot draws (default: 1 2 3)")
    add("--shots", default="16", help="training images a class, or all (default: 16)")
    add("--templates", default="tip7", help="zero-shot sentences: coop, tip7 or openai80 (default: tip7, which is "
        "coop's but for ImageNet; the papers' OOD tables use coop)")  # fmt: skip
    add("--template", metavar="TEXT", help="the sentence for your own pictures (default: 'a photo of a {}.')")
    add("--names", metavar="FILE", help='class names for your own pictures: JSON, {"folder name": "class name"}')
    add("--upright", action="store_true", help="turn your own pictures as their EXIF says (phones need it)")
    add("--classes", default="all", help="all, base (first half, rounded up) or new (the rest)")
    add("--set", dest="settings", action="extend", nargs="+", default=[], metavar="KEY=VALUE",
        help="fields of the method: recipe.epochs=50, distillation.weight=0.5, attention=null")  # fmt: skip
    add("--root", metavar="DATA", help="the folder that holds the datasets' folders; mini datasets need none")
    add("--old-weights", metavar="PATH|TAG|random:SEED", help="instead of the upgrade's own old weights")
    add("--new-weights", metavar="PATH|TAG|random:SEED", help="instead of the upgrade's own new weights")
    add("--views", type=int, help="augmented versions a training image (default 10; 0 = new ones every epoch)")
    add("--indices", metavar="FILE", help="a JSON list of the images to train on, instead of a draw")
    add("--allow-fewer", action="store_true", help="accept classes with fewer images than --shots, as upstream does")
    add("--repeat", action="store_true", help="draw as Tip-Adapter's code does: classes with too few images are filled "
        "up by drawing again, and validation is the whole list")  # fmt: skip
    add("--skip-broken", action="store_true", help="leave out pictures that cannot be decoded, each with a warning, "
        "instead of stopping at the first")  # fmt: skip
    add("--no-retrain", action="store_true", help="do not train on the new backbone too (no kept gain then)")
    add("--device", help="cuda, mps or cpu (default: the best there is)")
    add("--memory", type=float, metavar="GB", help="what the text tower may take in training (default: most of what is "
        "free); less takes longer and changes nothing else")  # fmt: skip
    add("--dtype", help="fp32, bf16 or fp16 towers (default: what suits the device)")
    add("--cache", metavar="DIR", help="where image features are kept between runs (default: OUT/cache)")
    add("--out", default="results", metavar="DIR", help="where records go (default: results)")
    run.set_defaults(verb=_run)

    table = verbs.add_parser("table", help="show records")
    table.add_argument(
        "folder", nargs="?", default="results", help="where the records are, or one of them (default: results)"
    )
    table.add_argument("--format", choices=("text", "markdown"), default="text")
    table.add_argument(
        "--jsonl", metavar="FILE", help="also write the records as one sorted JSONL, the form kept in git"
    )
    table.set_defaults(verb=_table)

    add_plugin_verbs(verbs)
    add_data_verbs(verbs)
    add_cache_verb(verbs)

    mini = verbs.add_parser("mini", help="make the embedded miniature backbones").add_subparsers(
        required=True, metavar="VERB"
    )
    pretrain = mini.add_parser("pretrain", help="pretrain one generation; a run that was killed goes on")
    add = pretrain.add_argument
    add("--size", choices=("mini", "mini-large"), default="mini")
    add("--generation", default="old", help="old, new, newer, image-only or text-only (default: old)")
    add("--seed", type=int, default=1)
    add("--text-from", metavar="FILE", help="weights of the generation before, whose text tower (text-only: both "
        "towers) this one starts from")  # fmt: skip
    add("--steps", type=int, help="instead of the recipe's number of steps")
    add("--keep", type=int, nargs="+", default=[], metavar="STEP", help="also keep the weights after these steps")
    add("--device", help="cuda, mps or cpu (default: the best there is)")
    add("--out", required=True, metavar="FILE.safetensors")
    pretrain.set_defaults(verb=_pretrain)

    names = verbs.add_parser("list", help="methods with their settings, datasets, upgrades")
    names.set_defaults(verb=_list)
    return parser


def _run(options: argparse.Namespace) -> None:
    from clipcompat.data.sampling import parse_shots
    from clipcompat.runs.answers import already_done, find_answer

    if "mini" in options.dataset:
        from clipcompat.data.mini.sets import study_names
    datasets = [d for name in options.dataset for d in (study_names() if name == "mini" else [name])]
    requests = [
        dict(
            method=method, dataset=dataset, upgrade=options.upgrade, seeds=tuple(options.seeds),
            shots=parse_shots(options.shots), templates=options.templates, classes=options.classes,
            settings=tuple(options.settings), root=options.root, views=options.views,
            old_weights=options.old_weights, new_weights=options.new_weights,
            dtype=options.dtype, device=options.device, retrain=not options.no_retrain, indices=options.indices,
            allow_fewer=options.allow_fewer, repeat=options.repeat, skip_broken=options.skip_broken,
            template=options.template, names=options.names, upright=options.upright, memory=options.memory,
        )
        for dataset in datasets
        for method in options.method
    ]  # fmt: skip
    answers = [find_answer(options.out, request) for request in requests]
    if not all(answers):
        from clipcompat.runs.run import Run  # takes seconds, and every request is checked before the first is run

        runs = [Run(**request) for request in requests]
    cache = options.cache or os.path.join(options.out, "cache")
    for number, answer in enumerate(answers):
        if answer:
            print(already_done(answer.path), file=sys.stderr)
            print(answer.table)
            print(answer.path, flush=True)
            continue
        from clipcompat.runs.tables import compatibility_table

        with Bars() as bars:
            record, path = runs[number].execute(options.out, cache, bars, bars.say)
        print(compatibility_table([record]))
        print(path, flush=True)


def _table(options: argparse.Namespace) -> None:
    from clipcompat.runs.records import find_records, write_committed
    from clipcompat.runs.tables import compatibility_table

    records = find_records(options.folder)
    if not records:
        raise DataError(
            f"there are no records under {options.folder}; `clipcompat run … --out {options.folder}` makes them."
        )
    table = compatibility_table(records)
    print(table if options.format == "text" else table.to_markdown())
    if options.jsonl:
        print(write_committed(options.jsonl, records))


def _pretrain(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from clipcompat.backbones.device import pick_device
    from clipcompat.common.errors import unknown_name
    from clipcompat_book.miniature.pretrain import RECIPES, pretrain

    name = f"{options.size}-{options.generation}"
    if name not in RECIPES:
        raise unknown_name("mini backbone", name, RECIPES)
    recipe = replace(RECIPES[name], seed=options.seed, steps=options.steps or RECIPES[name].steps)
    device = pick_device(options.device)
    with Bars() as bars:
        out = pretrain(name, recipe, options.out, options.text_from, keep=options.keep, device=device, progress=bars)
    print(out)


def _list(options: argparse.Namespace) -> None:
    from clipcompat.backbones.upgrade import UPGRADES
    from clipcompat.common.config import to_config
    from clipcompat.common.files import to_json
    from clipcompat.data.load import dataset_names
    from clipcompat.data.mini.datasets import mini_names
    from clipcompat.methods import METHODS

    for name, method in METHODS.items():
        print(f"method   {name}  {to_json(to_config(method()), indent=None)}")
    for name in (*mini_names(), *dataset_names()):
        print(f"dataset  {name}")
    for name in UPGRADES:
        print(f"upgrade  {name}")

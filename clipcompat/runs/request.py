"""What to run. Each field is declared once: its check, its flag on the command line, and how a record keeps it.

Needs no torch, so that the command line can explain itself at once.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from clipcompat.backbones.catalog import UPGRADES
from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.data.kind import dataset_kind
from clipcompat.data.mini.sets import SETS, study_names
from clipcompat.data.public.layout import find_layout

CLASSES = ("all", "base", "new")

AS_GIVEN = "as given"
RESOLVED = "resolved"
IN_STAMPS = "in the stamps of the splits"
BESIDE = "beside the inputs"
NO_NUMBER = "no number depends on it"


def _option(recorded: str, help: str, flag: str | None = "", default: Any = None, **argument: Any) -> Any:
    """A field with its flag ("": made of the name; None: it has none). argument: what argparse wants besides."""
    return field(default=default, metadata={"recorded": recorded, "flag": flag, "argument": {"help": help, **argument}})


def _required(recorded: str, help: str) -> Any:
    return field(metadata={"recorded": recorded, "flag": "", "argument": {"help": help, "required": True}})


@dataclass(frozen=True)
class Request:
    """One run: a method tuned on the old backbone of an upgrade, over seeds, tested on both.

    The fields are explained by `clipcompat run --help`. settings: `key=value` overrides of the method's fields.

    Raises:
        ConfigError, UnknownNameError: a field out of range, or two that contradict each other.
    """

    method: str = _required(RESOLVED, "one or more; see `clipcompat list`")
    dataset: str = _required(
        RESOLVED,
        "one or more; see `clipcompat list`. mini: the eleven mini/… sets. folder:PATH (a folder per class, or such "
        "trees in train, val, test) and csv:PATH: your own",
    )
    upgrade: str = _option(AS_GIVEN, "see `clipcompat list` (default: mini)", default="mini")
    seeds: tuple[int, ...] = _option(
        AS_GIVEN, "few-shot draws (default: 1 2 3)", default=(1, 2, 3), type=int, nargs="+"
    )
    shots: int | None = _option(RESOLVED, "training images per class, or all (default: 16)", default=16)
    templates: str = _option(
        RESOLVED,
        "zero-shot sentences: coop, tip7 or openai80 (default: tip7, which is coop's but for ImageNet; the papers' OOD "
        "tables use coop)",
        default="tip7",
    )
    template: str | None = _option(
        RESOLVED, "the sentence for your own pictures (default: 'a photo of a {}.')", metavar="TEXT"
    )
    names: str | None = _option(
        RESOLVED, 'class names for your own pictures: JSON, {"folder name": "class name"}', metavar="FILE"
    )
    upright: bool = _option(
        IN_STAMPS, "turn your own pictures as their EXIF says (phones need it)", default=False, action="store_true"
    )
    classes: str = _option(AS_GIVEN, "all, base (first half, rounded up) or new (the rest)", default="all")
    settings: tuple[str, ...] = _option(
        RESOLVED,
        "fields of the method: recipe.epochs=50, distillation.weight=0.5, attention=null",
        flag="--set",
        default=(),
        action="extend",
        nargs="+",
        metavar="KEY=VALUE",
    )
    root: str | None = _option(
        NO_NUMBER, "the folder that holds the datasets' folders; mini datasets need none", metavar="DATA"
    )
    old_weights: str | None = _option(
        RESOLVED, "instead of the upgrade's own old weights", metavar="PATH|TAG|random:SEED"
    )
    new_weights: str | None = _option(
        RESOLVED, "instead of the upgrade's own new weights", metavar="PATH|TAG|random:SEED"
    )
    views: int | None = _option(
        RESOLVED, "augmented versions per training image (default: 10; 0 = new ones every epoch)", type=int
    )
    indices: str | None = _option(IN_STAMPS, "a JSON list of the images to train on, instead of a draw", metavar="FILE")
    allow_fewer: bool = _option(
        IN_STAMPS, "accept classes with fewer images than --shots, as upstream does", default=False, action="store_true"
    )
    repeat: bool = _option(
        RESOLVED,
        "draw as Tip-Adapter's code does: classes with too few images are filled up by drawing again, and validation "
        "is the whole list",
        default=False,
        action="store_true",
    )
    skip_broken: bool = _option(
        IN_STAMPS,
        "leave out pictures that cannot be decoded, each with a warning, instead of stopping at the first",
        default=False,
        action="store_true",
    )
    retrain: bool = _option(
        AS_GIVEN,
        "do not train on the new backbone too (no kept gain then)",
        flag="--no-retrain",
        default=True,
        action="store_false",
    )
    device: str | None = _option(NO_NUMBER, "cuda, mps or cpu (default: the best there is)")
    memory: float | None = _option(
        NO_NUMBER,
        "what the text tower may take in training (default: most of what is free); less takes longer and changes "
        "nothing else",
        type=float,
        metavar="GB",
    )
    dtype: str | None = _option(RESOLVED, "fp32, bf16 or fp16 towers (default: what suits the device)")
    study: str = _option(BESIDE, "which experiment", flag=None, default="compatibility")

    def __post_init__(self):
        kind = dataset_kind(self.dataset)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(f"seeds must be one or more different numbers, not {list(self.seeds)}.")
        for what, name, known in [("upgrade", self.upgrade, UPGRADES), ("classes", self.classes, CLASSES)]:
            if name not in known:
                raise unknown_name(what, name, known)
        if self.views is not None and self.views < 0:
            raise ConfigError(f"views must be 0 (augment on the fly) or more, not {self.views}.")
        if kind == "own" and self.repeat:
            raise ConfigError("repeat is Tip-Adapter's draw of public data sets; leave it out for your own pictures.")
        if kind != "own" and (self.template or self.names):
            raise ConfigError(f"{self.dataset} has its own words; template and names are for folder:PATH and csv:PATH.")
        if self.template == "":
            raise ConfigError("the template is empty; write a sentence with {} where the class name goes.")
        if kind != "own" and self.upright:
            raise ConfigError(f"{self.dataset} is read as published; upright is for folder:PATH and csv:PATH.")
        if self.memory is not None and not self.memory > 0:
            raise ConfigError(f"memory is a number of gigabytes above 0, not {self.memory}.")
        if kind == "mini" and self.dataset not in SETS:
            raise unknown_name("mini dataset", self.dataset, SETS)
        if kind == "public":
            find_layout(self.dataset)

    def recorded(self) -> dict[str, Any]:
        """The fields that a record's inputs have just as they are."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.metadata["recorded"] == AS_GIVEN}
        return given | {"seeds": list(self.seeds)}


def add_request_options(parser: argparse.ArgumentParser) -> None:
    """Every field of a request as a flag; --method and --dataset take several names."""
    for f in fields(Request):
        if f.metadata["flag"] is None:
            continue
        argument = dict(f.metadata["argument"])
        if f.name in ("method", "dataset"):
            argument["nargs"] = "+"
        if "required" not in argument:
            default = f.default
            argument["default"] = list(default) if isinstance(default, tuple) else default
        flag = f.metadata["flag"] or "--" + f.name.replace("_", "-")
        parser.add_argument(flag, dest=f.name, **argument)


def requested(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The fields of each run that was asked for: every dataset with every method."""
    from clipcompat.data.sampling import parse_shots  # takes torch

    given = {f.name: getattr(options, f.name) for f in fields(Request) if f.metadata["flag"] is not None}
    given |= {"shots": parse_shots(options.shots)}
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    datasets = [d for name in options.dataset for d in (study_names() if name == "mini" else [name])]
    for dataset in datasets:
        for method in options.method:
            yield given | {"dataset": dataset, "method": method}

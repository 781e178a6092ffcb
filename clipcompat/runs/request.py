"""What to run. Each field is declared once: its check, its flag on the command line, and how a record keeps it.

Needs no torch, so that the command line can explain itself at once.
"""

import argparse
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields
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

_SET = {"action": "store_true"}
_WEIGHTS = "PATH|TAG|random:SEED"


def _option(help: str, default: Any = None, recorded: str = RESOLVED, flag: str = "", **argument: Any) -> Any:
    """A field with its flag ("": made of the name). argument: what argparse wants besides."""
    return field(default=default, metadata={"recorded": recorded, "flag": flag, "argument": {"help": help, **argument}})


@dataclass(frozen=True)
class Request:
    """One run: a method tuned on the old backbone of an upgrade, over seeds, tested on both.

    The fields are explained by `clipcompat run --help`. settings: `key=value` overrides of the method's fields.

    Raises:
        ConfigError, UnknownNameError: a field out of range, or two that contradict each other.
    """

    method: str = _option("one or more; see `clipcompat list`", MISSING, required=True)
    dataset: str = _option(
        "one or more; see `clipcompat list`. mini: the eleven mini/… sets. folder:PATH (a folder per class, or such "
        "trees in train, val, test) and csv:PATH: your own",
        MISSING,
        required=True,
    )
    upgrade: str = _option("see `clipcompat list` (default: mini)", "mini", AS_GIVEN)
    seeds: tuple[int, ...] = _option("few-shot draws (default: 1 2 3)", (1, 2, 3), AS_GIVEN, type=int, nargs="+")
    shots: int | None = _option("training images per class, or all (default: 16)", 16)
    templates: str = _option(
        "zero-shot sentences: coop, tip7 or openai80 (default: tip7, which is coop's but for ImageNet; the papers' OOD "
        "tables use coop)",
        "tip7",
    )
    template: str | None = _option("the sentence for your own pictures (default: 'a photo of a {}.')", metavar="TEXT")
    names: str | None = _option(
        'class names for your own pictures: JSON, {"folder name": "class name"}', metavar="FILE"
    )
    upright: bool = _option("turn your own pictures as their EXIF says (phones need it)", False, IN_STAMPS, **_SET)
    classes: str = _option("all, base (first half, rounded up) or new (the rest)", "all", AS_GIVEN)
    settings: tuple[str, ...] = _option(
        "fields of the method: recipe.epochs=50, distillation.weight=0.5, attention=null",
        (),
        flag="--set",
        action="extend",
        nargs="+",
        metavar="KEY=VALUE",
    )
    root: str | None = _option(
        "the folder that holds the datasets' folders; mini datasets need none", None, NO_NUMBER, metavar="DATA"
    )
    old_weights: str | None = _option("instead of the upgrade's own old weights", metavar=_WEIGHTS)
    new_weights: str | None = _option("instead of the upgrade's own new weights", metavar=_WEIGHTS)
    views: int | None = _option(
        "augmented versions per training image (default: 10; 0 = new ones every epoch)", type=int
    )
    indices: str | None = _option(
        "a JSON list of the images to train on, instead of a draw", None, IN_STAMPS, metavar="FILE"
    )
    allow_fewer: bool = _option(
        "accept classes with fewer images than --shots, as upstream does", False, IN_STAMPS, **_SET
    )
    repeat: bool = _option(
        "draw as Tip-Adapter's code does: classes with too few images are filled up by drawing again, and validation "
        "is the whole list",
        False,
        **_SET,
    )
    skip_broken: bool = _option(
        "leave out pictures that cannot be decoded, each with a warning", False, IN_STAMPS, **_SET
    )
    retrain: bool = _option(
        "do not train on the new backbone too (no kept gain then)", True, AS_GIVEN, "--no-retrain", action="store_false"
    )
    device: str | None = _option("cuda, mps or cpu (default: the best there is)", None, NO_NUMBER)
    memory: float | None = _option(
        "what the text tower may take in training (default: most of what is free); less only takes longer",
        None,
        NO_NUMBER,
        type=float,
        metavar="GB",
    )
    dtype: str | None = _option("fp32, bf16 or fp16 towers (default: what suits the device)")
    study: str = _option("which experiment (default: compatibility)", "compatibility", BESIDE)

    def __post_init__(self):
        kind = dataset_kind(self.dataset)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(f"seeds must be one or more different numbers, not {list(self.seeds)}.")
        for what, name, known in [("upgrade", self.upgrade, UPGRADES), ("classes", self.classes, CLASSES)]:
            if name not in known:
                raise unknown_name(what, name, known)
        if "" in (self.old_weights, self.new_weights):  # an unset variable of a shell
            raise ConfigError("old or new weights are empty; leave them out to take the upgrade's own.")
        if self.views is not None and self.views < 0:
            raise ConfigError(f"views must be 0 (augment on the fly) or more, not {self.views}.")
        if kind == "own" and self.repeat:
            raise ConfigError("repeat is Tip-Adapter's draw of public data sets; leave it out for your own pictures.")
        if kind != "own" and (self.template or self.names):
            raise ConfigError(f"{self.dataset} has its own template and names; these are for folder:PATH and csv:PATH.")
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

    given = {f.name: getattr(options, f.name) for f in fields(Request)}
    given |= {"shots": parse_shots(options.shots)}
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    datasets = [d for name in options.dataset for d in (study_names() if name == "mini" else [name])]
    for dataset in datasets:
        for method in options.method:
            yield given | {"dataset": dataset, "method": method}

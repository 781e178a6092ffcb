"""What to run. Each field is declared once: its check, its flag on the command line, and how a record keeps it.

Needs no torch, so that the command line can explain itself at once.
"""

import argparse
from collections.abc import Collection, Iterator
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from clipcompat.backbones.catalog import generations, is_spelled_out
from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.data.kind import dataset_kind
from clipcompat.data.mini.sets import SETS, study_names
from clipcompat.data.public.layout import find_layout
from clipcompat.data.templates import STYLES

CLASSES = ("all", "base", "new")

AS_GIVEN = "as given"
RESOLVED = "resolved"
IN_STAMPS = "in the stamps of the splits"
BESIDE = "beside the inputs"
NO_NUMBER = "no number depends on it"

_SET = {"action": "store_true"}
_WEIGHTS = "PATH|TAG|random:SEED"


_ALL = {"mini": "mini/…", "public": "public data sets", "folder": "folder:PATH", "csv": "csv:PATH"}
_OWN, _FILES = ("folder", "csv"), ("public", "folder", "csv")


def _option(
    help: str,
    default: Any = None,
    recorded: str = RESOLVED,
    flag: str = "",
    only: tuple[str, ...] = tuple(_ALL),
    **argument: Any,
) -> Any:
    """A field with its flag ("": made of the name).

    only: the kinds of datasets that it has an effect on. argument: what argparse wants besides.
    """
    parts = {"recorded": recorded, "flag": flag, "only": only, "argument": {"help": help, **argument}}
    return field(default=default, metadata=parts)


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
    upgrade: str = _option(
        "see `clipcompat list` (default: mini), or list its generations with their weights: "
        "ViT-B-16:laion2b_s34b_b88k,EVA02-B-16:FILE",
        "mini",
        AS_GIVEN,
    )
    seeds: tuple[int, ...] = _option("few-shot draws (default: 1 2 3)", (1, 2, 3), AS_GIVEN, type=int, nargs="+")
    shots: int | None = _option("training images per class, or all (default: 16)", 16)
    templates: str = _option(
        "zero-shot sentences: coop, tip7 or openai80 (default: tip7, which is coop's but for ImageNet; the papers' OOD "
        "tables use coop)",
        "tip7",
        only=_FILES,
    )
    template: str | None = _option(
        "the sentence for your own pictures (default: 'a photo of a {}.')", only=_OWN, metavar="TEXT"
    )
    names: str | None = _option(
        'class names for your own pictures: JSON, {"folder name": "class name"}', only=_OWN, metavar="FILE"
    )
    upright: bool = _option(
        "turn your own pictures as their EXIF says (phones need it)", False, IN_STAMPS, only=_OWN, **_SET
    )
    classes: str = _option("all, base (first half, rounded up) or new (the rest)", "all", AS_GIVEN)
    settings: tuple[str, ...] = _option(
        "fields of the method: recipe.epochs=50, distillation.weight=0.5, attention=null; of one of several methods: "
        "contcoop.distillation.weight=0.5",
        (),
        flag="--set",
        action="extend",
        nargs="+",
        metavar="KEY=VALUE",
    )
    root: str | None = _option(
        "the folder that holds the public datasets' folders, or the pictures of csv:PATH",
        None,
        NO_NUMBER,
        only=("public", "csv"),
        metavar="DATA",
    )
    old_weights: str | None = _option("instead of the upgrade's own old weights", metavar=_WEIGHTS)
    new_weights: str | None = _option("instead of the upgrade's own new weights", metavar=_WEIGHTS)
    views: int | None = _option(
        "augmented versions per training image (default: 10; 0 = new ones every epoch)", type=int
    )
    indices: str | None = _option(
        "the images to train on, instead of a draw: a file of `export_indices`, JSON with the lists train and val, or "
        "a published few-shot list of 2SFS or of cross-modal adaptation",
        None,
        IN_STAMPS,
        metavar="FILE",
    )
    allow_fewer: bool = _option(
        "accept classes with fewer images than --shots, as upstream does", False, IN_STAMPS, only=_FILES, **_SET
    )
    repeat: bool = _option(
        "draw as Tip-Adapter's code does: classes with too few images are filled up by drawing again, and validation "
        "is the whole list",
        False,
        only=("public",),
        **_SET,
    )
    skip_broken: bool = _option(
        "leave out pictures that cannot be decoded, each with a warning", False, IN_STAMPS, only=_FILES, **_SET
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
        if kind == "mini" and self.dataset not in SETS:
            raise unknown_name("mini dataset", self.dataset, SETS)
        if kind == "public":
            find_layout(self.dataset)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(f"seeds must be one or more different numbers, not {list(self.seeds)}.")
        for what, name, known in [("classes", self.classes, CLASSES), ("template style", self.templates, STYLES)]:
            if name not in known:
                raise unknown_name(what, name, known)
        generations(self.upgrade)
        if is_spelled_out(self.upgrade) and (self.old_weights or self.new_weights):
            raise ConfigError(f"the upgrade {self.upgrade} names its weights; leave old and new weights out.")
        self._refuse_without_effect()
        if "" in (self.old_weights, self.new_weights):  # an unset variable of a shell
            raise ConfigError("old or new weights are empty; leave them out to take the upgrade's own.")
        if self.views is not None and self.views < 0:
            raise ConfigError(f"views must be 0 (augment on the fly) or more, not {self.views}.")
        if self.template == "":
            raise ConfigError("the template is empty; write a sentence with {} where the class name goes.")
        if self.memory is not None and not 0 < self.memory <= 1e9:
            raise ConfigError(f"memory is a number of gigabytes above 0, at most 1e9, not {self.memory}.")

    def _refuse_without_effect(self) -> None:
        """Refuse a field that was given and changes nothing."""
        for f in fields(Request):
            if getattr(self, f.name) != f.default and not acts_on(f.name, self.dataset):
                words = " and ".join(_ALL[kind] for kind in f.metadata["only"])
                raise ConfigError(f"{f.name} has no effect on {self.dataset}: it is for {words}. Leave it out.")
        if self.template is not None and self.templates != "tip7":
            raise ConfigError("template is a sentence instead of those of templates; give one of the two.")
        if self.indices is not None and (self.allow_fewer or self.repeat):
            raise ConfigError("indices are drawn already; leave allow_fewer and repeat out.")

    def recorded(self) -> dict[str, Any]:
        """The fields that a record's inputs have just as they are."""
        given = {f.name: getattr(self, f.name) for f in fields(Request) if f.metadata["recorded"] == AS_GIVEN}
        return given | {"seeds": list(self.seeds)}


def acts_on(name: str, dataset: str) -> bool:
    """Whether the field of this name has an effect on a dataset."""
    kind = dataset_kind(dataset)
    only = Request.__dataclass_fields__[name].metadata["only"]
    return (dataset.partition(":")[0] if kind == "own" else kind) in only


def add_request_options(parser: argparse.ArgumentParser, without: Collection[str] = ()) -> None:
    """The fields of a request as flags; --method and --dataset take several names. without: fields to leave out."""
    for f in fields(Request):
        if f.name in without:
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
    """The fields of each run that was asked for: every dataset with every method.

    A flag that has an effect on some of the datasets or methods is left out for the others.
    """
    from clipcompat.data.sampling import parse_shots  # takes torch
    from clipcompat.methods import KNOWN
    from clipcompat.runs.settings import split_settings

    settings = split_settings(options.settings, options.method)
    trained = {name for name, kind in KNOWN.items() if "recipe" in {f.name for f in fields(kind)}}
    without_views = set(options.method) & set(KNOWN) - trained
    for given in requested_datasets(options):
        given |= {"shots": parse_shots(options.shots)}
        for method in options.method:
            views = {"views": None} if method in without_views and len(without_views) < len(options.method) else {}
            yield given | views | {"method": method, "settings": settings[method]}


def requested_datasets(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The fields that were given, for each dataset. A flag without effect on one of several is left out for it."""
    given = {f.name: getattr(options, f.name) for f in fields(Request) if hasattr(options, f.name)}
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    datasets = [d for name in options.dataset for d in (study_names() if name == "mini" else [name])]
    some = [f for f in fields(Request) if any(acts_on(f.name, dataset) for dataset in datasets)]
    for dataset in datasets:
        yield given | {f.name: f.default for f in some if not acts_on(f.name, dataset)} | {"dataset": dataset}

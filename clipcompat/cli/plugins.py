"""The command line's verbs for one plug-in: import, export, predict, match."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcompat.common.errors import ClipcompatError, ConfigError, DataError, UnsuitableModelError, unknown_name
from clipcompat.common.files import refuse_overwriting
from clipcompat.common.terminal import say, show
from clipcompat.runs.request import CLASSES

if TYPE_CHECKING:
    from clipcompat.backbones.backbone import Backbone
    from clipcompat.plugins.plugin import Plugin

_IMPORT = """\
make a plug-in from a checkpoint of the official code; nothing in the checkpoint is executed

  clipcompat import output/eurosat/CoOp/seed1 --method coop --backbone ViT-B-16-quickgelu --weights openai \\
      --dataset eurosat --root $DATA --shots 16 --seed 1 --out coop.safetensors

PromptKD's file has no class vectors, so that it needs --teacher; that of DPC has no stage 1, so that it needs --init.
"""


_MATCH = """\
whether plug-ins can act on a backbone, one line each: exact (the backbone it was tuned on), compatible (another one
that its tensors fit) or incompatible, and why

  clipcompat match prompts/*.safetensors --backbone EVA02-B-16

Only the architecture is built. Weights are read, if they are named, for plug-ins that were tuned on a model of this
name: they tell exact from compatible.

exit code: 0 if all are exact or compatible; 1 if one is incompatible or no plug-in; 2 for a wrong call
"""

_PATHS = """\
where plug-ins can be carried from a backbone: one line for all weights that open_clip publishes, with the methods whose
plug-ins fit there, or why none does

  clipcompat paths ViT-B-16-quickgelu
  clipcompat paths ViT-L-14-quickgelu --method contcoop linear_probe

Only architectures are built. That a plug-in fits says nothing about its accuracy: `clipcompat run` measures that.
"""

_READ = (
    "coop, cocoop, kgcoop, clip_adapter, tip_adapter, tip_adapter_f, maple, promptsrc, promptkd, dpc, taskres, zs_lp, "
    "clap, prolip or clip_lora"
)
_FILE = "a .safetensors file of `fit`, `run` or `import`"


def add_plugin_verbs(verbs: Any) -> None:
    """Add the verbs to the parser's sub-commands."""
    layout = {"description": _IMPORT, "formatter_class": argparse.RawDescriptionHelpFormatter}
    read = verbs.add_parser("import", help="a checkpoint of the official code -> a plug-in", **layout)
    add = read.add_argument
    add("path", metavar="PATH", help="model.pth.tar-<epoch>, its folder or the one above; a Tip-Adapter cache folder")
    add("--method", required=True, help=_READ)
    _add_backbone(read, "it was tuned on")
    add("--dataset", metavar="NAME", help="it was tuned on; with --root, its class names are read there")
    add("--root", metavar="DATA", help="the folder that holds the datasets' folders; mini datasets need none")
    add("--classes", default="all", help="of the dataset: all, base (first half, rounded up) or new (the rest)")
    _add_classes(read, "instead of the dataset's")
    add("--template", metavar="TEXT", help="of the zero-shot classifier (default: upstream's for the dataset)")
    add("--shots", type=int, help="training images per class, if known")
    add("--seed", type=int, help="of the training, if known")
    add("--init", metavar="PLUGIN", help="of DPC: the plug-in of its stage 1, imported before")
    add("--teacher", metavar="PLUGIN", help="of PromptKD and of DPC over it: the plug-in that it learned from")
    add("--teacher-backbone", metavar="NAME", help="the teacher was tuned on, such as ViT-L-14-quickgelu")
    add("--teacher-weights", metavar="PATH|TAG|random:SEED", help="of that backbone")
    settings = "fields of the method that a checkpoint cannot tell: position=middle, ratio=0.6, alpha=2"
    add("--set", dest="settings", action="extend", nargs="+", default=[], metavar="KEY=VALUE", help=settings)
    _add_out(read)
    read.set_defaults(verb=_import)

    write = _plugin_verb(verbs, "export", "class weights for use without this library, one safetensors file", _export)
    write.add_argument("--template", metavar="TEXT", help="for zero-shot weights (default: the plug-in's)")
    _add_out(write)

    predict = _plugin_verb(verbs, "predict", "classify images: one line per image, most probable class first", _predict)
    predict.add_argument("images", nargs="+", metavar="IMAGE")
    says = "turn pictures as their EXIF says, or not (default: as the plug-in was tuned)"
    predict.add_argument("--upright", action=argparse.BooleanOptionalAction, help=says)
    predict.add_argument("--top", type=int, default=5, help="class names per image (default: 5)")

    layout = {"description": _MATCH, "formatter_class": argparse.RawDescriptionHelpFormatter}
    match = verbs.add_parser("match", help="whether plug-ins can act on a backbone", **layout)
    match.add_argument("plugins", nargs="+", metavar="PLUGIN", help=_FILE)
    _add_model(match, "to use them on")
    _add_classes(match, "instead of those they were tuned on")
    match.set_defaults(verb=_match)

    layout = {"description": _PATHS, "formatter_class": argparse.RawDescriptionHelpFormatter}
    paths = verbs.add_parser("paths", help="where plug-ins can be carried from a backbone", **layout)
    paths.add_argument("backbone", metavar="BACKBONE", help="they are tuned on: an open_clip model")
    paths.add_argument("--method", nargs="+", metavar="METHOD", help="with the paper's settings (default: all)")
    paths.set_defaults(verb=_paths)


def _plugin_verb(verbs: Any, name: str, says: str, function: Any) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=says, description=says)
    parser.add_argument("plugin", metavar="PLUGIN", help=_FILE)
    _add_backbone(parser, "to use it on")
    _add_classes(parser, "instead of those it was tuned on")
    parser.set_defaults(verb=function)
    return parser


def _add_backbone(parser: argparse.ArgumentParser, which: str) -> None:
    _add_model(parser, which)
    parser.add_argument("--device", help="cuda, mps or cpu (default: the best there is)")
    parser.add_argument("--dtype", help="fp32, bf16 or fp16 towers (default: what suits the device)")


def _add_model(parser: argparse.ArgumentParser, which: str) -> None:
    add = parser.add_argument
    add("--backbone", required=True, metavar="NAME", help=f"{which}: an open_clip model or a mini one (mini-old)")
    add("--weights", metavar="PATH|TAG|random:SEED", help="of the backbone; mini ones have their own")


def _add_classes(parser: argparse.ArgumentParser, which: str) -> None:
    parser.add_argument("--classnames", metavar="FILE", help=f"class names, one per line or a JSON list, {which}")


def _add_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", required=True, metavar="FILE.safetensors", help="never one of the files read here")
    parser.add_argument("--force", action="store_true", help="overwrite the file of --out if it exists")


def _check_out(options: argparse.Namespace, *inputs: str | None) -> None:
    """Before minutes of work, and not after them."""
    refuse_overwriting(options.out, options.force, [*inputs, options.weights, options.classnames])


def _import(options: argparse.Namespace) -> None:
    from clipcompat.common.config import override
    from clipcompat.methods import KNOWN
    from clipcompat.plugins.official.importer import import_plugin
    from clipcompat.plugins.plugin import load_plugin

    _check_out(options, options.path, options.root, options.init, options.teacher, options.teacher_weights)
    if options.method not in KNOWN:
        raise unknown_name("method", options.method, KNOWN)
    init = None if options.init is None else load_plugin(options.init)
    method = options.method
    if options.settings:
        told = {} if init is None or method != "dpc" else {"learner": init.method}
        method = override(KNOWN[method](**told), options.settings)
    names, dataset = _names_and_dataset(options)
    facts = {"template": options.template, "dataset": dataset, "shots": options.shots, "seed": options.seed}
    before = {"init": init, "teacher": _teacher(options)}
    plugin = import_plugin(options.path, method, _backbone(options), names, **facts, **before)
    show(plugin.save(options.out, options.force))


def _export(options: argparse.Namespace) -> None:
    from clipcompat.plugins.export import export_class_weights
    from clipcompat.plugins.plugin import load_plugin

    _check_out(options, options.plugin)
    plugin, names = load_plugin(options.plugin), _classnames(options.classnames)
    show(export_class_weights(plugin, _backbone(options), options.out, names, options.template, options.force))


def _predict(options: argparse.Namespace) -> None:
    import torch

    from clipcompat.data.pictures.images import ImageFiles
    from clipcompat.data.split import Split
    from clipcompat.plugins.plugin import load_plugin

    if options.top < 1:
        raise ConfigError(f"--top must be at least 1, not {options.top}.")
    plugin = load_plugin(options.plugin)
    names = tuple(_classnames(options.classnames) or plugin.origin["classnames"])
    upright = plugin.sees_upright if options.upright is None else options.upright
    # all images in one split, so that the class names go through the text tower once
    pictures = ImageFiles(Path(), tuple(options.images), "pictures", upright)
    labels = torch.zeros(len(options.images)).long()
    split = Split(pictures, labels, names, plugin.origin["template"], "pictures")
    shares = plugin.logits(_backbone(options), split).softmax(-1).cpu()
    for image, row in zip(options.images, shares, strict=True):
        best = row.argsort(descending=True, stable=True)[: options.top].tolist()
        show(f"{image}: {', '.join(f'{names[i]} {row[i]:.4f}' for i in best)}")


def _match(options: argparse.Namespace) -> int:
    from clipcompat.backbones.load import load_outline
    from clipcompat.plugins.plugin import Match, load_plugin

    unsuitable, names = None, _classnames(options.classnames)
    try:
        outline = load_outline(options.backbone, options.weights)
    except UnsuitableModelError as error:  # an answer, and the same one for every plug-in
        unsuitable = Match("incompatible", str(error))
    code, several = 0, len(options.plugins) > 1
    for file in options.plugins:
        try:
            plugin = load_plugin(file)
        except ClipcompatError as error:  # the others are still answered
            say(f"clipcompat: {error}")
            code = 1
            continue
        match = unsuitable or plugin.match(outline, names)
        show(f"{file}: {match.kind}: {match.why}" if several else f"{match.kind}: {match.why}")
        code = 1 if match.kind == "incompatible" else code
    return code


def _paths(options: argparse.Namespace) -> None:
    from clipcompat.methods import METHODS
    from clipcompat.plugins.paths import upgrade_paths

    for name in options.method or ():
        if name not in METHODS:
            raise unknown_name("method", name, METHODS)
    methods = [METHODS[name]() for name in options.method or METHODS]
    for path in upgrade_paths(options.backbone, methods):
        if isinstance(path.why, str):
            show(f"{path.name}: incompatible: {path.why}")
        elif not path.methods:
            show(f"{path.name}: incompatible: {next(iter(path.why.values()))}")
        else:
            show(f"{path.name}: {'all' if not path.why else ', '.join(path.methods)}")


def _teacher(options: argparse.Namespace) -> "tuple[Plugin, Backbone] | None":
    from clipcompat.plugins.plugin import load_plugin

    if (options.teacher is None) != (options.teacher_backbone is None):
        raise ConfigError("a teacher is a plug-in and its backbone: give both --teacher and --teacher-backbone.")
    if options.teacher is None:
        return None
    return load_plugin(options.teacher), _backbone(options, "teacher_")


def _backbone(options: argparse.Namespace, whose: str = "") -> "Backbone":
    """whose: the beginning of its options, such as "teacher_"."""
    from clipcompat.backbones.catalog import backbone_kind
    from clipcompat.backbones.load import load_backbone

    name, weights = (getattr(options, f"{whose}{part}") for part in ("backbone", "weights"))
    if weights is None and backbone_kind(name) != "mini":
        option = f"--{whose.replace('_', '-')}weights"
        raise ConfigError(
            f"{name} needs {option}: an open_clip tag (openai), the path of a checkpoint, or random:SEED."
        )
    return load_backbone(name, weights, device=options.device, dtype=options.dtype)


def _names_and_dataset(options: argparse.Namespace) -> tuple[list[str], str | None]:
    """Class names, from the file if one is given or else from the dataset; and the dataset's name."""
    if options.classes not in CLASSES:
        raise unknown_name("classes", options.classes, CLASSES)
    names = _classnames(options.classnames)
    if names is not None:
        part = f"[{options.classes}]" if options.classes != "all" else ""
        return names, options.dataset and options.dataset + part
    if options.dataset is None:
        raise ConfigError(
            "a checkpoint does not name its classes: give --dataset with --root, or --classnames FILE in the order of "
            "the training."
        )
    from clipcompat.data.load import load_dataset

    data = load_dataset(options.dataset, root=options.root, shots=1, allow_fewer=True).part(options.classes)
    return list(data.classnames), data.name


def _classnames(file: str | None) -> list[str] | None:
    """The names in a file: a JSON list, or one per line. None if no file is given."""
    from clipcompat.common.files import parse_json
    from clipcompat.common.text import shown

    if file is None:
        return None
    todo = "Write one name per line, in order, or a JSON list of names."
    try:
        text = Path(file).expanduser().read_text(encoding="utf-8-sig")
        listed = text.lstrip().startswith(("[", "{"))
        names = parse_json(text) if listed else text.rstrip().split("\n")
    except (OSError, ValueError) as error:
        raise DataError(f"the class names in {file} cannot be read: {error}. {todo}") from error
    if isinstance(names, dict):
        raise DataError(f"{file} holds a JSON object, whose order tells no label. {todo}")
    if not names or not text.strip():
        raise DataError(f"{file} holds no class names. {todo}")
    for number, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            place = f"entry {number} of the list is {shown(name)}" if listed else f"line {number + 1} is empty"
            raise DataError(f"{file}: {place}, which is no class name. {todo}")
    return [name.strip() for name in names]

"""The verb that says what to do with plug-ins after an upgrade: `clipcompat audit`."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from clipcompat.common.errors import ClipcompatError, ConfigError, DataError
from clipcompat.common.files import read_json, refuse_overwriting, write_atomic
from clipcompat.common.terminal import Bars, say

if TYPE_CHECKING:
    from clipcompat.backbones.backbone import Backbone
    from clipcompat.backbones.upgrade import Upgrade

_AUDIT = """\
a verdict for each plug-in on a new backbone: keep, repair (clipcompat repair), warm-start or retrain

  clipcompat audit plugins/*.safetensors --new EVA02-B-16 --new-weights merged2b_s8b_b131k
  clipcompat audit probe.safetensors --new mini-new --dataset mini/textures --html audit.html
  clipcompat audit coop.safetensors --old ViT-B-16-quickgelu --old-weights openai \\
      --new EVA02-B-16 --new-weights merged2b_s8b_b131k --images pictures/ --labels labels.csv

With labelled pictures (--labels, --dataset) accuracies are measured, with pictures alone they are predicted, and with
neither only tensors and stamps are compared. Flips and repairs need the old backbone. A plug-in that cannot be audited
gets a row with its error and does not stop the others.

exit code: 0 if all are kept; 1 if one cannot be audited or cannot act on new; 2 for a wrong call; 3 if one needs work
"""


def add_audit_verb(verbs: Any) -> None:
    """Add it to the parser's sub-commands."""
    layout = {"description": _AUDIT, "formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = verbs.add_parser(
        "audit", help="plug-ins after an upgrade -> keep, repair, warm-start or retrain", **layout
    )
    add = parser.add_argument
    add("plugins", nargs="+", metavar="PLUGIN", help="a .safetensors file of `fit`, `run` or `import`")
    add("--new", required=True, metavar="BACKBONE", help="to use them on: an open_clip model or a mini one")
    add("--new-weights", metavar="PATH|TAG|random:SEED", help="of the new backbone; mini ones have their own")
    add("--old", metavar="BACKBONE", help="they were tuned on (default: a mini one that they name, else none)")
    add("--old-weights", metavar="PATH|TAG|random:SEED", help="of the old backbone")
    pictures = parser.add_mutually_exclusive_group()
    pictures.add_argument("--images", nargs="+", metavar="PATH", help="pictures, or folders of them, at any depth")
    pictures.add_argument("--dataset", metavar="NAME", help="the test pictures of a dataset instead, with labels")
    add("--labels", metavar="CSV", help="path and classname of the pictures; paths relative to the folder of --images")
    told = (
        "accuracy on old, percent, for pictures without labels: one for all, or a JSON file, plug-in's file -> percent"
    )
    add("--old-accuracy", metavar="PERCENT|FILE", help=told)
    add("--root", metavar="DATA", help="the folder that holds the datasets' folders; mini datasets need none")
    for kind in ("html", "json", "csv"):
        add(f"--{kind}", metavar="FILE", help=f"also write the report as {kind.upper()}")
    add("--force", action="store_true", help="overwrite the files of --html, --json and --csv if they exist")
    add("--device", help="cuda, mps or cpu (default: the best there is)")
    add("--dtype", help="fp32, bf16 or fp16 towers (default: what suits the device)")
    add("--cache", metavar="DIR", help="where features are kept (default: nowhere)")
    parser.set_defaults(verb=_audit)


def _audit(options: argparse.Namespace) -> int:
    from clipcompat.audits.audit import audit

    if options.labels is not None and options.images is None:
        raise ConfigError("--labels are of the pictures of --images; give both.")
    if options.root is not None and options.dataset is None:
        raise ConfigError("--root says where a --dataset is; leave it out without one.")
    outs = {kind: getattr(options, kind) for kind in ("html", "json", "csv") if getattr(options, kind)}
    read = [*options.plugins, *(options.images or ()), options.labels, options.old_weights, options.new_weights]
    for out in outs.values():
        refuse_overwriting(out, options.force, read)
    known = None if options.old_accuracy is None else _accuracies(options.old_accuracy)
    data, upgrade = _data(options), _backbones(options)
    with Bars() as bars:
        report = audit(options.plugins, upgrade, data, old_accuracy=known, cache=options.cache, progress=bars)
    print(report, flush=True)
    for kind, out in outs.items():
        write_atomic(out, getattr(report, f"to_{kind}")())
        say(f"{kind}: {out}")
    return report.exit_code


def _accuracies(told: str) -> float | dict[str, float]:
    try:
        return float(told)
    except ValueError:
        found = read_json(told, DataError, "Write an object: a plug-in's file name, and its accuracy in percent.")
    if not isinstance(found, dict) or not all(isinstance(a, int | float) for a in found.values()):
        raise DataError(f"{told} must hold an object: a plug-in's file name, and its accuracy in percent.")
    return found


def _data(options: argparse.Namespace) -> Any:
    """A dataset, a labelled split, pictures without labels, or None."""
    if options.dataset is not None:
        from clipcompat.data.load import load_dataset

        return load_dataset(options.dataset, root=options.root, shots=1, allow_fewer=True)
    if options.images is None:
        return None
    upright = any(plugin.sees_upright for plugin in _readable(options.plugins))
    if options.labels is not None:
        from clipcompat.data.custom.labelled import labelled_pictures

        return labelled_pictures(options.images, options.labels, upright=upright)
    from clipcompat.data.custom.loose import loose_pictures

    return loose_pictures(options.images, upright)


def _backbones(options: argparse.Namespace) -> "Upgrade | Backbone":
    from clipcompat.backbones.catalog import backbone_kind
    from clipcompat.backbones.load import load_backbone
    from clipcompat.backbones.upgrade import Upgrade

    def load(name: str, weights: str | None, side: str) -> "Backbone":
        if weights is None and backbone_kind(name) != "mini":
            raise ConfigError(
                f"{name} needs --{side}-weights: an open_clip tag (openai), the path of a checkpoint, or random:SEED."
            )
        return load_backbone(name, weights, device=options.device, dtype=options.dtype)

    if options.old_weights is not None and options.old is None:
        raise ConfigError("--old-weights are of the backbone of --old; give both.")
    new = load(options.new, options.new_weights, "new")
    return new if options.old is None else Upgrade(load(options.old, options.old_weights, "old"), new)


def _readable(files: list[str]) -> Iterator[Any]:
    """The plug-ins that can be read; the audit says why the others cannot."""
    from clipcompat.plugins.plugin import load_plugin

    for file in files:
        try:
            yield load_plugin(file)
        except ClipcompatError:
            continue

"""The verb that makes a plug-in fit for the new backbone without labels: `clipcompat repair`."""

import argparse
from pathlib import Path
from typing import Any

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.common.files import refuse_overwriting
from clipcompat.common.terminal import Bars, show

_REPAIR = """\
make a plug-in of an upgrade's old backbone one of its new backbone, from pictures without labels

  clipcompat repair coop.safetensors --upgrade clip-to-eva-vit-b-16 --images pictures/ --out coop-eva.safetensors
  clipcompat repair probe.safetensors --upgrade mini --dataset mini/textures --count 200 --out probe-new.safetensors
  clipcompat repair coop.safetensors --upgrade clip-to-eva-vit-b-16 --how tokens --out coop-eva.safetensors

Linear probes, Tip-Adapters, GDA, LP++, ZS-LP and CLAP are taken along by a map of image features, in seconds. All
others are trained for a while on what they answer on the old backbone. 200 pictures of the task are advised. Prompts
are also moved without any picture, by what the two backbones hold for every token (tokens), or for tokens that serve as
anchors (anchors).
"""


def add_repair_verb(verbs: Any) -> None:
    """Add it to the parser's sub-commands."""
    layout = {"description": _REPAIR, "formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = verbs.add_parser("repair", help="a plug-in of old -> one of new, without labels", **layout)
    add = parser.add_argument
    add("plugin", metavar="PLUGIN", help="a .safetensors file of `fit`, `run` or `import`, tuned on the old backbone")
    add("--upgrade", required=True, metavar="NAME", help="`clipcompat list` shows the names")
    for side in ("old", "new"):
        add(f"--{side}-weights", metavar="PATH|TAG|random:SEED", help=f"of {side} (default: the upgrade's)")
    pictures = parser.add_mutually_exclusive_group()
    pictures.add_argument("--images", nargs="+", metavar="PATH", help="pictures, or folders of them, at any depth")
    pictures.add_argument("--dataset", metavar="NAME", help="draw from the training pictures of a dataset instead")
    says = "a text file with one sentence per line instead: for Tip-Adapter, and probes of projected features"
    pictures.add_argument("--sentences", metavar="FILE", help=says)
    add("--root", metavar="DATA", help="the folder that holds the datasets' folders; mini datasets need none")
    add("--count", type=int, help="how many are drawn from the dataset (default: 200)")
    ways = ("map", "imitate", "tokens", "anchors")
    add("--how", choices=ways, help="default: a map where the method can have one, else imitate")
    add("--kind", metavar="MAP", help="orthogonal, ridge, relaxed, low_rank or residual (default: orthogonal)")
    add("--device", help="cuda, mps or cpu (default: the best there is)")
    add("--dtype", help="fp32, bf16 or fp16 towers (default: what suits the device)")
    add("--cache", metavar="DIR", help="where features are kept (default: nowhere)")
    add("--out", required=True, metavar="FILE.safetensors", help="never one of the files read here")
    add("--force", action="store_true", help="overwrite the file of --out if it exists")
    parser.set_defaults(verb=_repair)


def _repair(options: argparse.Namespace) -> None:
    from clipcompat.backbones.upgrade import load_upgrade
    from clipcompat.plugins.plugin import load_plugin
    from clipcompat.plugins.repair.repair import repair

    if options.dataset is None and (options.root is not None or options.count is not None):
        raise ConfigError("--root and --count say what is drawn from a --dataset; leave them out without one.")
    read = [options.plugin, options.old_weights, options.new_weights, options.sentences, *(options.images or ())]
    refuse_overwriting(options.out, options.force, read)
    plugin = load_plugin(options.plugin)
    seen = {}
    if options.sentences:
        seen = _sentences(options.sentences)
    elif options.images is not None or options.dataset is not None:
        seen = _pictures(options, plugin.sees_upright)
    weights = {"old_weights": options.old_weights, "new_weights": options.new_weights}
    upgrade = load_upgrade(options.upgrade, **weights, device=options.device, dtype=options.dtype)
    settings = {} if options.kind is None else {"kind": options.kind}
    with Bars() as bars:
        made = repair(plugin, upgrade, **seen, how=options.how, cache=options.cache, progress=bars, **settings)
    show(f"{made.save(options.out, options.force)}: {made.origin['repair']}")


def _sentences(file: str) -> dict[str, Any]:
    try:
        lines = Path(file).expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"the sentences in {file} cannot be read: {error}. Write one per line.") from error
    return {"sentences": [line.strip() for line in lines if line.strip()]}


def _pictures(options: argparse.Namespace, upright: bool) -> dict[str, Any]:
    if options.images is not None:
        from clipcompat.data.custom.loose import loose_pictures

        return {"pictures": loose_pictures(options.images, upright)}
    from clipcompat.data.load import load_dataset
    from clipcompat.plugins.repair.pictures import unlabelled_pictures

    data = load_dataset(options.dataset, root=options.root, shots=1, allow_fewer=True)
    return {"pictures": unlabelled_pictures(data, 200 if options.count is None else options.count)}

"""The verbs that take to the new backbone what was made on old, without labels: `repair` and `map-vectors`."""

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

_MAP_VECTORS = """\
make stored image vectors of an upgrade's old backbone vectors of its new backbone, without encoding the pictures again

  clipcompat map-vectors old.npy --upgrade clip-to-eva-vit-b-16 --images pictures/ --out new.npy
  clipcompat map-vectors old.npy --upgrade mini --dataset mini/textures --count 200 --out new.npy
  clipcompat map-vectors old.npy --upgrade mini --sentences captions.txt --images pictures/ --out new.npy

old.npy holds one row per picture: its image features, in the joint space with text, of any length. new.npy has the
same rows in the same order, in float32, of unit norm. The map is fitted on pictures that both backbones see; 200 are
advised, and they need not be those that are stored. Or it is fitted on sentences. With both, sentences give its matrix,
and the means of the pictures its shift. A mapped index returns fewer of the right neighbours than one that is encoded
again: measure it on some of your pictures with cc.recall_at_k.
"""

_KINDS = "orthogonal, ridge, relaxed, low_rank or residual (default: orthogonal)"


def add_repair_verbs(verbs: Any) -> None:
    """Add both to the parser's sub-commands."""
    layout = {"description": _REPAIR, "formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = verbs.add_parser("repair", help="a plug-in of old -> one of new, without labels", **layout)
    add = parser.add_argument
    add("plugin", metavar="PLUGIN", help="a .safetensors file of `fit`, `run` or `import`, tuned on the old backbone")
    _add_seen(parser, "instead, or beside pictures: for Tip-Adapter, and probes of projected features")
    ways = ("map", "imitate", "tokens", "anchors")
    add("--how", choices=ways, help="default: a map where the method can have one, else imitate")
    _add_rest(parser, "FILE.safetensors")
    parser.set_defaults(verb=_repair)

    layout = {"description": _MAP_VECTORS, "formatter_class": argparse.RawDescriptionHelpFormatter}
    parser = verbs.add_parser("map-vectors", help="stored image vectors of old -> vectors of new", **layout)
    parser.add_argument("vectors", metavar="VECTORS.npy", help="of numpy.save: [row, dim] in float16, 32 or 64")
    _add_seen(parser, "instead, or beside pictures")
    parser.add_argument("--upright", action="store_true", help="turn the pictures of --images as their EXIF says")
    _add_rest(parser, "FILE.npy")
    parser.set_defaults(verb=_map_vectors)


def _add_seen(parser: argparse.ArgumentParser, sentences: str) -> None:
    """The upgrade, and what both of its backbones see or read."""
    add = parser.add_argument
    add("--upgrade", required=True, metavar="NAME", help="`clipcompat list` shows the names")
    for side in ("old", "new"):
        add(f"--{side}-weights", metavar="PATH|TAG|random:SEED", help=f"of {side} (default: the upgrade's)")
    pictures = parser.add_mutually_exclusive_group()
    pictures.add_argument("--images", nargs="+", metavar="PATH", help="pictures, or folders of them, at any depth")
    pictures.add_argument("--dataset", metavar="NAME", help="draw from the training pictures of a dataset instead")
    add("--sentences", metavar="FILE", help=f"a text file with one sentence per line {sentences}")
    add("--root", metavar="DATA", help="the folder that holds the datasets' folders; mini datasets need none")
    add("--count", type=int, help="how many are drawn from the dataset (default: 200)")


def _add_rest(parser: argparse.ArgumentParser, out: str) -> None:
    add = parser.add_argument
    add("--kind", metavar="MAP", help=_KINDS)
    add("--device", help="cuda, mps or cpu (default: the best there is)")
    add("--dtype", help="fp32, bf16 or fp16 towers (default: what suits the device)")
    add("--cache", metavar="DIR", help="where features are kept (default: nowhere)")
    add("--out", required=True, metavar=out, help="never one of the files read here")
    add("--force", action="store_true", help="overwrite the file of --out if it exists")


def _repair(options: argparse.Namespace) -> None:
    from clipcompat.plugins.plugin import load_plugin
    from clipcompat.plugins.repair.repair import repair

    _check(options, options.plugin)
    plugin = load_plugin(options.plugin)
    seen, upgrade = _seen(options, plugin.sees_upright), _upgrade(options)
    with Bars() as bars:
        made = repair(plugin, upgrade, **seen, how=options.how, cache=options.cache, progress=bars, **_kind(options))
    show(f"{made.save(options.out, options.force)}: {made.origin['repair']}")


def _map_vectors(options: argparse.Namespace) -> None:
    from clipcompat.plugins.repair.stored import map_vectors
    from clipcompat.plugins.repair.vector_file import read_vectors, write_vectors

    if options.upright and options.images is None:
        raise ConfigError("--upright is of --images; leave it out without them.")
    _check(options, options.vectors)
    vectors, seen, upgrade = read_vectors(options.vectors), _seen(options, options.upright), _upgrade(options)
    with Bars() as bars:
        mapped = map_vectors(vectors, upgrade, **seen, cache=options.cache, progress=bars, **_kind(options))
    by = " and ".join(f"{len(what):,} {name}" for name, what in seen.items())
    show(f"{write_vectors(options.out, mapped)}: {len(mapped):,} vectors of {upgrade.new.name}, mapped by {by}")


def _check(options: argparse.Namespace, given: str) -> None:
    """Before minutes of work, and not after them."""
    if options.dataset is None and (options.root is not None or options.count is not None):
        raise ConfigError("--root and --count say what is drawn from a --dataset; leave them out without one.")
    weights = (options.old_weights, options.new_weights)
    read = [given, *weights, options.sentences, options.root, *(options.images or ())]
    refuse_overwriting(options.out, options.force, read)


def _upgrade(options: argparse.Namespace) -> Any:
    from clipcompat.backbones.upgrade import load_upgrade

    weights = {"old_weights": options.old_weights, "new_weights": options.new_weights}
    return load_upgrade(options.upgrade, **weights, device=options.device, dtype=options.dtype)


def _kind(options: argparse.Namespace) -> dict[str, str]:
    return {} if options.kind is None else {"kind": options.kind}


def _seen(options: argparse.Namespace, upright: bool) -> dict[str, Any]:
    """`pictures` and `sentences`, as far as they were given."""
    seen: dict[str, Any] = {}
    if options.images is not None:
        from clipcompat.data.custom.loose import loose_pictures

        seen["pictures"] = loose_pictures(options.images, upright)
    elif options.dataset is not None:
        from clipcompat.data.load import load_dataset
        from clipcompat.plugins.repair.pictures import unlabelled_pictures

        data = load_dataset(options.dataset, root=options.root, shots=1, allow_fewer=True)
        seen["pictures"] = unlabelled_pictures(data, 200 if options.count is None else options.count)
    if options.sentences is not None:
        seen["sentences"] = _sentences(options.sentences)
    return seen


def _sentences(file: str) -> list[str]:
    try:
        lines = Path(file).expanduser().read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(
            f"the sentences in {file} cannot be read: {error.strerror or error}. Check the path."
        ) from error
    except ValueError as error:
        raise DataError(f"the sentences in {file} are not text in UTF-8 ({error}); write one per line.") from error
    return [line.strip() for line in lines if line.strip()]

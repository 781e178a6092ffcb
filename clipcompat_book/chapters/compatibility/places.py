"""Where a method acts, what of its plug-in is carried over, and what is made anew on another backbone.

    carried_table(plugins)                    # read from the plug-ins' own tensors
    match_table(plugins, upgrade, names)      # do they fit? and with other classes?

Source of `PLACES`: the ContCoOp paper (arXiv 2412.20895), which calls plug-ins on prompts shallow and plug-ins on
output features deep, and the equations of each method's file. A method that is not listed has no depth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipcompat.runs.tables import Table
from clipcompat_book.chapters.compatibility.sentences import name_title

if TYPE_CHECKING:
    from clipcompat.backbones.upgrade import Upgrade
    from clipcompat.plugins.plugin import Plugin


@dataclass(frozen=True)
class Place:
    """Where one method acts.

    depth: "deep" (image features), "shallow" (prompts), or "" where nothing is learned. acts: what it does there.
    letters: the carried numbers, as the equations call them, in HTML. anew: what another backbone makes anew: h and f
    are image features before and after the projection, c token vectors of the class name, w text vectors.
    """

    depth: str
    acts: str
    letters: str
    anew: str


PLACES = {
    "zero_shot": Place("", "reads templates as they are", "", "f, w"),
    "linear_probe": Place("deep", "classifies the feature before the projection, without any text", "W, b", "h"),
    "clip_adapter": Place("deep", "changes the image feature before it is compared",
                          "W<sub>1</sub>, W<sub>2</sub>, a", "f, w"),
    "tip_adapter": Place("deep", "compares the image feature with kept ones, and adds votes", "F, V, α, β", "f, w"),
    "tip_adapter_f": Place("deep", "is Tip-Adapter whose kept features were trained", "F, V, α, β", "f, w"),
    "coop": Place("shallow", "replaces the words around the class name", "v", "f, c, w"),
    "cocoop": Place("shallow", "shifts the context by each picture's feature", "v, π", "f, π(f), c, w of each picture"),
    "kgcoop": Place("shallow", "is CoOp held near zero-shot while it is trained", "v", "f, c, w"),
    "contcoop": Place("shallow", "lets the context look at the class name", "p, W<sub>Q, K, V, O</sub>",
                      "f, c, p(c), w"),
}  # fmt: skip
DEPTHS = {"deep": "on image features", "shallow": "on prompts"}


def depth(name: str) -> str:
    """ "deep", "shallow", or "" for a method that learns nothing or is not listed."""
    return PLACES[name].depth if name in PLACES else ""


def carried_table(plugins: Iterable[Plugin], caption: str = "") -> Table:
    """A row a plug-in: the tensors that are carried, with their shapes, and how many numbers they hold."""
    rows = []
    for plugin in plugins:
        shapes: dict[tuple[int, ...], list[str]] = {}
        for name, tensor in plugin.tensors.items():
            shapes.setdefault(tuple(tensor.shape), []).append(name)
        told = "; ".join(f"{', '.join(names)} {_size(shape)}".strip() for shape, names in shapes.items())
        numbers = sum(tensor.numel() for tensor in plugin.tensors.values())
        name = plugin.method.name
        rows.append((name_title(name), depth(name) or "–", f"{numbers:,}", told or "nothing"))
    return Table(("method", "acts", "numbers", "carried over"), tuple(rows), caption)


def match_table(plugins: Iterable[Plugin], upgrade: Upgrade, other: Sequence[str], caption: str = "") -> Table:
    """A row a plug-in: whether it fits old, new, and new with another list of names; and what new makes anew for it."""
    rows = []
    for plugin in plugins:
        name = plugin.method.name
        kinds = (plugin.match(upgrade.old), plugin.match(upgrade.new), plugin.match(upgrade.new, other))
        anew = PLACES[name].anew if name in PLACES else "–"
        rows.append((name_title(name), *(match.kind for match in kinds), anew))
    return Table(("method", "on old", "on new", "other list", "made anew"), tuple(rows), caption)


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))

"""Where a method acts, what of its plug-in is carried over, and what another backbone computes again.

    carried_table(plugins)                    # read from the plug-ins' own tensors
    match_table(plugins, upgrade, names)      # do they fit? and with other classes?

Sources: the ContCoOp paper (arXiv 2412.20895), which calls plug-ins on prompts shallow and plug-ins on image features
deep; and the equations of each method's file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipcompat.methods import KNOWN
from clipcompat.runs.tables import Table
from clipcompat.training.learner import DEPTHS
from clipcompat_book.means import groups
from clipcompat_book.words import name_title

if TYPE_CHECKING:
    from clipcompat.backbones.upgrade import Upgrade
    from clipcompat.plugins.plugin import Plugin


@dataclass(frozen=True)
class Place:
    """What one method does to a backbone's pipeline.

    acts: what it does, as the end of a sentence. letters: the carried numbers as the equations call them, in HTML.
    again: what another backbone computes again. h and f are image features before and after the projection, c the
    token vectors of a class name, w text vectors.
    """

    acts: str
    letters: str
    again: str


PLACES = {
    "zero_shot": Place("reads templates as they are", "", "f, w"),
    "linear_probe": Place("classifies the feature before the projection, without any text", "W, b", "h"),
    "clip_adapter": Place("changes the image feature before it is compared", "W<sub>1</sub>, W<sub>2</sub>, a", "f, w"),
    "tip_adapter": Place("compares the image feature with kept ones, and adds votes", "F, V, α, β", "f, w"),
    "tip_adapter_f": Place("is Tip-Adapter whose kept features were trained", "F, V, α, β", "f, w"),
    "coop": Place("replaces the words around the class name", "v", "f, c, w"),
    "cocoop": Place("shifts the context by each picture's feature", "v, π", "f, π(f), c, w of each picture"),
    "kgcoop": Place("is CoOp held near zero-shot while it is trained", "v", "f, c, w"),
    "contcoop": Place("lets the context look at the class name", "p, W<sub>Q, K, V, O</sub>", "f, c, p(c), w"),
}


def depth(name: str) -> str:
    """ "deep", "shallow", or "" for a method that learns nothing or is unknown."""
    return DEPTHS[KNOWN[name].acts_on] if name in KNOWN else ""


def carried_table(plugins: Iterable[Plugin], caption: str = "") -> Table:
    """One row per plug-in: the tensors that are carried, with their shapes, and how many numbers they hold."""
    rows = []
    for plugin in plugins:
        shapes = groups(plugin.tensors.items(), lambda item: tuple(item[1].shape))
        carried = []
        for shape, items in shapes.items():
            names = ", ".join(name for name, _ in items)
            carried.append(f"{names} {'×'.join(map(str, shape))}".strip())
        numbers = sum(tensor.numel() for tensor in plugin.tensors.values())
        name = plugin.method.name
        rows.append((name_title(name), depth(name) or "–", f"{numbers:,}", "; ".join(carried) or "nothing"))
    return Table(("method", "acts", "numbers", "carried over"), tuple(rows), caption)


def match_table(plugins: Iterable[Plugin], upgrade: Upgrade, other: Sequence[str], caption: str = "") -> Table:
    """One row per plug-in: whether it fits old, new, and new with another list of names; what new computes again."""
    rows = []
    for plugin in plugins:
        name = plugin.method.name
        kinds = (plugin.match(upgrade.old), plugin.match(upgrade.new), plugin.match(upgrade.new, other))
        again = PLACES[name].again if name in PLACES else "–"
        rows.append((name_title(name), *(match.kind for match in kinds), again))
    return Table(("method", "on old", "on new", "other list", "computed again"), tuple(rows), caption)

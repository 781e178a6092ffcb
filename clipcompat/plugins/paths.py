"""Upgrade paths: which plug-ins can be carried between which backbones, from architectures alone, before any is tuned.

That a plug-in can be carried says nothing about its accuracy afterwards; that is what the studies measure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.load import load_outline
from clipcompat.backbones.outline import Outline
from clipcompat.backbones.published import published_weights
from clipcompat.common.errors import IncompatibleError
from clipcompat.methods import METHODS
from clipcompat.methods.parts.parameters import blank_tensors
from clipcompat.plugins.plugin import Match
from clipcompat.training.learner import Method

_NAMES = ("cat", "dog")  # of a class list; its length decides nothing between two backbones


@dataclass(frozen=True)
class UpgradePath:
    """Published weights that plug-ins can be carried to.

    name: as an upgrade lists its generations, "EVA02-B-16:merged2b_s8b_b131k". methods: those whose plug-ins can be
    carried there, by their names. why: why the others cannot, by method, or, if the library does not run these weights,
    the one reason for all.
    """

    name: str
    methods: tuple[str, ...]
    why: dict[str, str] | str


def carries(
    method: Method, old: Backbone | Outline, new: Backbone | Outline, classnames: Sequence[str] = _NAMES
) -> Match:
    """Whether a plug-in that this method tunes on old can act on new: "compatible" or "incompatible", and why.

    The answer is that of `Plugin.match` on new, for a plug-in that need not exist.
    """
    learned = blank_tensors(method.shapes(len(classnames)), old, method.lengths(old))
    if why := method.mismatch(learned, old, list(classnames)):
        return Match("incompatible", f"{method.name} cannot be tuned on {old.name}: {why}.")
    if why := method.mismatch(learned, new, list(classnames)):
        return Match("incompatible", f"{method.name} cannot act on {new.name}: {why}.")
    return Match("compatible", f"what {method.name} learns on {old.name} fits {new.name} too.")


def check_carries(
    method: Method, old: Backbone | Outline, later: Iterable[Backbone | Outline], classnames: Sequence[str] = _NAMES
) -> None:
    """Refuse backbones that a plug-in of old would not fit, before hours of tuning it.

    A method that cannot be tuned on old passes: the tuning refuses it, with its own advice.

    Raises:
        IncompatibleError: it would not fit one of them, and why.
    """
    if carries(method, old, old, classnames).kind == "incompatible":
        return
    for new in later:
        match = carries(method, old, new, classnames)
        if match.kind == "incompatible":
            raise IncompatibleError(f"{match.why} Choose generations that it fits; `clipcompat paths` lists them.")


def upgrade_paths(old: Backbone | Outline | str, methods: Iterable[Method] | None = None) -> list[UpgradePath]:
    """Where plug-ins that are tuned on `old` can be carried: all weights that open_clip publishes, in its order.

    Args:
        old: a backbone, its outline or the name of an open_clip model.
        methods: default: every method with the paper's settings.

    Raises:
        UnknownNameError, UnsuitableModelError: no such model, or one that no plug-in can be tuned on.
    """
    outline = load_outline(old) if isinstance(old, str) else old
    methods = [kind() for kind in METHODS.values()] if methods is None else list(methods)
    return [_path(p.name, p.outline or p.why, outline, methods) for p in published_weights()]


def _path(name: str, new: Outline | str, old: Backbone | Outline, methods: Sequence[Method]) -> UpgradePath:
    if isinstance(new, str):
        return UpgradePath(name, (), new)
    found = {method.name: carries(method, old, new) for method in methods}
    fits = tuple(method for method, match in found.items() if match.kind == "compatible")
    return UpgradePath(name, fits, {method: match.why for method, match in found.items() if method not in fits})

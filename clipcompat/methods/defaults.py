"""What a method's settings are where nobody says otherwise."""

from __future__ import annotations

from clipcompat.common.errors import unknown_name
from clipcompat.data.custom.address import is_own
from clipcompat.methods import METHODS
from clipcompat.training.learner import Method


def default_method(name: str, dataset: str, upgrade: str = "") -> Method:
    """A method with the paper's settings; on a mini dataset ("mini/…") with the recipe that was tuned for those.

    upgrade: somebody's own pictures ("folder/pets") get the mini recipe too where the upgrade is a mini one: it was
        tuned for the backbones as much as for their data sets, and the papers' would take minutes.

    Raises:
        UnknownNameError: no such method.
    """
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    if not dataset.startswith("mini/") and not (is_own(dataset) and upgrade.startswith("mini")):
        return METHODS[name]()
    from clipcompat.methods.mini_recipes import mini_method

    return mini_method(name)

"""What a method's settings are where nobody says otherwise."""

from __future__ import annotations

from clipcompat.errors import unknown_name
from clipcompat.methods import METHODS
from clipcompat.methods.base import Method


def default_method(name: str, dataset: str) -> Method:
    """A method with the paper's settings; on a mini dataset ("mini/…") with the recipe that was tuned for those.

    Raises:
        UnknownNameError: no such method.
    """
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    if not dataset.startswith("mini/"):
        return METHODS[name]()
    from clipcompat.mini.recipes import mini_method

    return mini_method(name)

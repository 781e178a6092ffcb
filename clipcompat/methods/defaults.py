"""Default settings of a method, for a dataset and an upgrade."""

from clipcompat.backbones.catalog import upgrade_kind
from clipcompat.common.errors import unknown_name
from clipcompat.data.kind import dataset_kind
from clipcompat.methods import METHODS
from clipcompat.training.learner import Method


def default_method(name: str, dataset: str, upgrade: str = "") -> Method:
    """A method with the paper's settings, or on a mini dataset with the recipe tuned for those.

    upgrade: on a mini upgrade, the user's own images ("folder/pets") get the mini recipe too. It was tuned for the mini
        backbones as much as for their datasets, and the papers' recipes would take minutes.

    Raises:
        UnknownNameError: no such method.
    """
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    kind = dataset_kind(dataset)
    if kind == "public" or (kind == "own" and upgrade_kind(upgrade) != "mini"):
        return METHODS[name]()
    from clipcompat.methods.mini_recipes import mini_method

    return mini_method(name)

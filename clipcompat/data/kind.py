"""Where a dataset comes from, told by its name alone; needs no torch."""

from typing import Literal

Kind = Literal["mini", "own", "public"]
"""mini: drawn by this package. own: the user's pictures. public: of the community's layout."""

_OWN = ("folder:", "folder/", "csv:", "csv/", "samples/")  # "folder:PATH" is asked for, "folder/pets" is in a record


def dataset_kind(name: str) -> Kind:
    """The kind of the dataset of this name, as the command line or a record has it."""
    if name.startswith("mini/"):
        return "mini"
    return "own" if name.startswith(_OWN) else "public"

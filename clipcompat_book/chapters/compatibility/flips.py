"""Picture by picture, what an upgrade broke and what it fixed."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from clipcompat.common.errors import ConfigError
from clipcompat.studies.details import Details
from clipcompat.studies.report import Compatibility
from clipcompat_book.pictures import picture_grid, picture_plane

if TYPE_CHECKING:
    from PIL import Image

KINDS = {  # right on old, right on new
    "broken": (True, False),
    "fixed": (False, True),
    "wrong on both": (False, False),
    "right on both": (True, True),
}
NAMES = ("Plug-in", "Pictures")
_SHOWN, _MOST = 6, 32
_WIDE = 22  # letters of a line below a picture


def of_kind(details: Details, kind: str) -> list[int]:
    """The test pictures that were answered so, by their place in the split."""
    answers = zip(details.labels, details.old, details.new, strict=True)
    return [i for i, (label, old, new) in enumerate(answers) if (old == label, new == label) == KINDS[kind]]


def flip_pictures(reports: Mapping[str, Compatibility], images: Sequence[Image.Image]) -> go.Figure:
    """Six pictures of each kind for each plug-in, with what it answered on old and on new; two menus choose.

    reports: what a plug-in is called -> its report, with details. images: of the test split.

    Raises:
        ConfigError: a report was read from a record, and has no details.
    """
    cells = {}
    for name, report in reports.items():
        for kind in KINDS:
            found = of_kind(_details(report), kind)
            words = f"<b>{len(found)}</b> of {len(report.details.labels)} test pictures"
            cells[name, kind] = (words, _titled(report.details, images, _some(found, _SHOWN)))
    return picture_plane(cells, NAMES)


def more_pictures(
    reports: Mapping[str, Compatibility], images: Sequence[Image.Image], options: Mapping[str, str]
) -> go.Figure:
    """Up to 32 pictures of one choice, for a live notebook. options: name of a menu -> what is chosen."""
    details = _details(reports[options[NAMES[0]]])
    shown = _titled(details, images, _some(of_kind(details, options[NAMES[1]]), _MOST))
    return picture_grid([image for image, _ in shown], [title for _, title in shown], 8)


def _details(report: Compatibility) -> Details:
    if report.details is None:
        raise ConfigError(
            "this report has no predictions, since it was read from a record; make it with compatibility()."
        )
    return report.details


def _some(found: Sequence[int], count: int) -> list[int]:
    """At most `count` of them, spread over all."""
    return [found[i * len(found) // count] for i in range(count)] if len(found) > count else list(found)


def _titled(details: Details, images: Sequence[Image.Image], places: Sequence[int]) -> list[tuple[Image.Image, str]]:
    names = details.classnames
    lines = [
        (f"{names[details.labels[i]]}", f"old: {names[details.old[i]]}", f"new: {names[details.new[i]]}")
        for i in places
    ]
    titles = ["\n".join(textwrap.shorten(line, 20, placeholder="…") for line in own) for own in lines]
    return [(images[i], title) for i, title in zip(places, titles, strict=True)]

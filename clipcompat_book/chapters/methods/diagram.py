"""The pipeline of a CLIP backbone as a figure, with the places where plug-ins act."""

from __future__ import annotations

import plotly.graph_objects as go

from clipcompat_book.chapters.methods.places import PLACES, depth
from clipcompat_book.show import INK, METHOD_COLOURS
from clipcompat_book.words import name_title

# Coordinates: x from 0 to 200, pictures on the left and names on the right; y downwards, in pixels.
_WIDTH, _HEIGHT = 200, 640
_IMAGE, _TEXT = 79, 150
"""x of the two ways down."""
_FRAMES = {
    "linear_probe": (33, 331),
    "clip_adapter": (33, 424),
    "tip_adapter": (33, 500),
    "coop": (_TEXT, 106),
    "kgcoop": (_TEXT, 136),
    "cocoop": (_TEXT, 166),
    "contcoop": (_TEXT, 196),
}
_BOXES = {  # left, right, top, bottom
    "picture": (61, 97, 8, 40),
    "class name": (114, 186, 8, 40),
    "image tower": (49, 97, 234, 268),
    "text tower": (114, 186, 234, 268),
    "projection": (61, 97, 356, 388),
    "logits = s · cos(f, w)": (20, 186, 586, 628),
}
_ARROWS = (  # x, start, end, letter at the end
    (_IMAGE, 40, 234, ""),
    (_IMAGE, 268, 356, "h"),
    (_IMAGE, 388, 586, "f"),
    (_TEXT, 40, 64, ""),
    (_TEXT, 220, 234, ""),
    (_TEXT, 268, 586, "w"),
)
_ASIDE = 101
"""x of the way from the picture's feature back to CoCoOp's prompts."""
_PALE = "rgba(128, 128, 128, 0.16)"
_SHALLOW, _DEEP = "rgba(0, 114, 178, 0.10)", "rgba(230, 159, 0, 0.13)"
_KEY = "grey:<br>the backbone,<br>replaced by<br>an upgrade<br><br>in frames:<br>plug-ins,<br>carried over"


def plugin_places() -> go.Figure:
    """From picture and class name to logits. Grey is the backbone's; a frame is a method and what it learns.

    Tip-Adapter-F has Tip-Adapter's frame. Zero-shot is the picture without any frame.
    """
    fig = go.Figure()
    fig.add_scatter(x=[], y=[])  # without a trace there are no axes
    _box(fig, (106, 194, 64, 220), "", _SHALLOW)
    _box(fig, (0, 97, 286, 536), "", _DEEP)
    _words(fig, _TEXT, 80, "<b>shallow: on prompts</b>")
    _words(fig, 36, 298, "<b>deep: on features</b>")
    _words(fig, 31, 150, _KEY)
    for name, where in _BOXES.items():
        _box(fig, where, name, _PALE)
    for x, start, end, letter in _ARROWS:
        _arrow(fig, (x, start), (x, end))
        _words(fig, x + 5, end - 20, f"<i>{letter}</i>")
    _frame(fig, "linear_probe", (_IMAGE, 331), "start")
    _way(fig, (25, 351), (25, 362), (3, 362), (3, 607), (20, 607))  # it has no use for text
    _frame(fig, "clip_adapter", (_IMAGE, 424), "end+start")
    _frame(fig, "tip_adapter", (_IMAGE, 500), "start")
    _arrow(fig, (33, 520), (33, 586))
    for name in ("coop", "kgcoop", "contcoop"):
        _frame(fig, name)
    _frame(fig, "cocoop", (_ASIDE, _FRAMES["cocoop"][1]), "start")
    _way(fig, (_IMAGE, 462), (_ASIDE, 462), (_ASIDE, _FRAMES["cocoop"][1]), dash="dot")
    fig.update_xaxes(range=[0, _WIDTH], visible=False, fixedrange=True)
    fig.update_yaxes(range=[_HEIGHT, 0], visible=False, fixedrange=True)
    margin = {"l": 0, "r": 0, "t": 0, "b": 0}
    return fig.update_layout(height=_HEIGHT, margin=margin, dragmode=False, showlegend=False)


def _box(fig: go.Figure, where: tuple[int, int, int, int], name: str, colour: str) -> None:
    """where: left, right, top, bottom."""
    x0, x1, y0, y1 = where
    fig.add_shape(type="rect", x0=x0, x1=x1, y0=y0, y1=y1, fillcolor=colour, line_width=0, layer="below")
    _words(fig, (x0 + x1) / 2, (y0 + y1) / 2, name)


def _words(fig: go.Figure, x: float, y: float, words: str) -> None:
    fig.add_annotation(x=x, y=y, text=words, showarrow=False, font_size=12)


def _arrow(fig: go.Figure, start: tuple[float, float], end: tuple[float, float]) -> None:
    fig.add_annotation(x=end[0], y=end[1], text="", **_head(start), arrowhead=2)


def _head(start: tuple[float, float]) -> dict:
    """An annotation's arrow that begins at `start`."""
    place = {"ax": start[0], "ay": start[1], "axref": "x", "ayref": "y"}
    return place | {"arrowcolor": INK, "arrowwidth": 1.5}


def _way(fig: go.Figure, *points: tuple[float, float], dash: str = "solid") -> None:
    """A line through points; a solid one ends in an arrow."""
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        fig.add_shape(type="line", x0=x0, y0=y0, x1=x1, y1=y1, line={"color": INK, "width": 1.5, "dash": dash})
    if dash == "solid":
        _arrow(fig, *points[-2:])


def _frame(fig: go.Figure, name: str, end: tuple[float, float] | None = None, side: str = "none") -> None:
    """A method's name and letters in a frame of its colour; an arrow between it and `end`, its head at `side`."""
    place, (x, y) = PLACES[name], _FRAMES[name]
    title = name_title(name) + (", -F" if name == "tip_adapter" else "")
    gap = "<br>" if depth(name) == "deep" else "  "
    arrow = {"showarrow": False, "x": x, "y": y}
    if end:
        ends = {"arrowside": side, "arrowhead": 2, "startarrowhead": 2, "standoff": 2, "startstandoff": 1}
        arrow = {"showarrow": True, "x": end[0], "y": end[1]} | _head((x, y)) | ends
    fig.add_annotation(
        text=f"<b>{title}</b>{gap}<i>{place.letters}</i>",
        font_size=12,
        bordercolor=METHOD_COLOURS[name],
        borderwidth=2,
        borderpad=3,
        hovertext=f"{title} {place.acts}.<br>Computed again on new: {place.again}.",
        **arrow,
    )

"""How the book shows a figure, and its colours: interactive, readable on light and dark ground, with alt text.

In the book (`CLIPCOMPAT_BOOK=1`, set by `make book`) a figure becomes a few kilobytes of HTML beside one local copy of
plotly.js, with a table of its numbers where scripts do not run. Anywhere else it is plotly's own `fig.show()`.
"""

from __future__ import annotations

import html
import os

import plotly.graph_objects as go

from clipcompat.common.errors import ConfigError
from clipcompat_book.fallback import fallback

# After Okabe and Ito: distinguishable with every common colour blindness, dark enough for white ground and light enough
# for dark ground. The same thing has the same colour in every chapter. A figure colours by backbone, by kind of class,
# or by method; the three share colours.
OLD = "#0072B2"
NEW = "#D55E00"
ZERO_SHOT = "#757575"
BASE_CLASSES = "#009E73"
NEW_CLASSES = "#CC79A7"
METHOD_COLOURS = {
    "zero_shot": ZERO_SHOT,
    "linear_probe": "#56B4E9",
    "clip_adapter": "#009E73",
    "tip_adapter": "#A0522D",
    "tip_adapter_f": "#E69F00",
    "coop": "#0072B2",
    "cocoop": "#9944EE",
    "kgcoop": "#CC79A7",
    "contcoop": "#D55E00",
}
INK = "#808080"
PALE = "rgba(128, 128, 128, 0.25)"
TOP_LEGEND = {
    "orientation": "h",
    "y": 1,
    "yref": "container",
    "yanchor": "top",
    "x": 0,
    "xref": "container",
    "maxheight": 1,
}
"""A legend above all panels: in one row, or in as many as a phone needs, without a scroll bar of its own."""
_CLEAR = "rgba(0, 0, 0, 0)"
_HEIGHT = 420
# Loads plotly.js once per page, however many figures it has. A page is one folder below the root of the book.
_PLOTLY = "../_static/vendor/plotly.min.js"
_LOADER = f"<script>window.Plotly || document.write('<script src=\"{_PLOTLY}\"><\\/script>');</script>"


def show(fig: go.Figure, *, alt: str, caption: str | None = None) -> None:
    """Show `fig` in the book, in Jupyter, on Colab or in a browser. `fig` itself is not changed.

    Args:
        fig: a plotly figure. Use Unicode in its texts, not TeX.
        alt: what the figure shows, in a sentence, for screen readers.
        caption: the sentence to remember, printed under the figure in the book; left out if None.

    Raises:
        ConfigError: `alt` is empty.
    """
    if not alt.strip():
        raise ConfigError(
            "show(fig, alt=...) got an empty alt text; write one sentence that says what the figure shows."
        )
    styled = _styled(fig)
    if os.environ.get("CLIPCOMPAT_BOOK") != "1":
        styled.show()
        return
    from IPython.display import display

    display({"text/html": _page_html(styled, alt, caption), "text/plain": alt}, raw=True)


def _styled(fig: go.Figure) -> go.Figure:
    """A copy on transparent ground with mid-grey ink; what the figure sets itself, stays."""
    axis = {"gridcolor": PALE, "zerolinecolor": PALE, "linecolor": PALE, "automargin": True}
    base = go.layout.Template(
        layout={
            "paper_bgcolor": _CLEAR,
            "plot_bgcolor": _CLEAR,
            "font": {"color": INK, "size": 14},
            "colorway": list(METHOD_COLOURS.values()),
            "xaxis": axis,
            "yaxis": axis,
            "legend": {"bgcolor": _CLEAR},
            "margin": {"l": 60, "r": 20, "t": 50 if fig.layout.title.text else 20, "b": 50},
            "height": _HEIGHT,
        }
    )
    copy = go.Figure(fig)
    copy.update_layout(template=base)
    return copy


def _page_html(fig: go.Figure, alt: str, caption: str | None) -> str:
    body = fig.to_html(
        full_html=False,
        include_plotlyjs=False,
        include_mathjax=False,
        auto_play=False,
        default_width="100%",
        default_height=f"{fig.layout.height or _HEIGHT}px",
        config={"responsive": True, "displayModeBar": False},
    )
    for escaped, plain in ((r"\u002f", "/"), (r"\u003e", ">")):  # an escaped < is enough inside a script
        body = body.replace(escaped, plain)
    words = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    label = html.escape(alt, quote=True)
    drawing = f'<div role="img" aria-label="{label}">{body}</div>'
    return f'<figure class="clipcompat-figure">{_LOADER}{drawing}{fallback(fig, alt)}{words}</figure>'

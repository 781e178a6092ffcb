"""The book's figures: how they are shown, their colours, and those that every chapter uses.

Interactive, readable on light and dark ground, with words for who cannot see them.

In the book (`CLIPCOMPAT_BOOK=1`, set by `make book`) a figure becomes a few kilobytes of HTML beside one
local copy of plotly.js; anywhere else it is plotly's own `fig.show()`.
"""

from __future__ import annotations

import base64
import html
import io
import os
import textwrap
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from PIL import Image

    from clipcompat.runs.records import Record

# After Okabe and Ito: distinguishable with every common colour blindness, dark enough for white ground and
# light enough for dark ground. The same thing has the same colour in every chapter. A figure colours by
# backbone, by kind of class, or by method; the three share colours.
OLD = "#0072B2"
NEW = "#D55E00"
ZERO_SHOT = "#8C8C8C"
BASE_CLASSES = "#009E73"
NEW_CLASSES = "#CC79A7"
METHOD_COLOURS = {
    "zero_shot": ZERO_SHOT,
    "linear_probe": "#56B4E9",
    "clip_adapter": "#009E73",
    "tip_adapter": "#B8860B",
    "tip_adapter_f": "#E69F00",
    "coop": "#0072B2",
    "cocoop": "#7B61C9",
    "kgcoop": "#CC79A7",
    "contcoop": "#D55E00",
}
INK = "#808080"
_GRID = "rgba(128, 128, 128, 0.25)"
_CLEAR = "rgba(0, 0, 0, 0)"
_HEIGHT = 420
# Loads plotly.js once per page, however many figures it has. A page is one folder below the root of the book.
_PLOTLY = "../_static/vendor/plotly.min.js"
_LOADER = f"<script>window.Plotly || document.write('<script src=\"{_PLOTLY}\"><\\/script>');</script>"


def show(fig: go.Figure, *, alt: str, caption: str | None = None) -> None:
    """Show `fig` in the book, in Jupyter, on Colab or in a browser. `fig` itself is not changed.

    Args:
        fig: a plotly figure. Use Unicode in its texts, not TeX.
        alt: what the figure shows, in a sentence, for readers who cannot see it.
        caption: the sentence to remember, printed under the figure in the book; left out if None.

    Raises:
        ConfigError: `alt` is empty.
    """
    from clipcompat.common.errors import ConfigError

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
    import plotly.graph_objects as go

    axis = {"gridcolor": _GRID, "zerolinecolor": _GRID, "linecolor": _GRID, "automargin": True}
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
    words = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    label = html.escape(alt, quote=True)
    drawing = f'<div role="img" aria-label="{label}">{body}</div>'
    return f'<figure class="clipcompat-figure">{_LOADER}{drawing}{words}</figure>'


def picture_grid(images: Sequence[Image.Image], titles: Sequence[str], columns: int = 6) -> go.Figure:
    """Pictures in rows, each with its title below, of one line or more; small ones are enlarged without smoothing."""
    import plotly.graph_objects as go

    rows = -(-len(images) // columns)
    lines = max((t.count("\n") + 1 for t in titles), default=1)
    tall = 118 + 17 * lines  # pixels of a row
    middle, below = 56 / tall, 114 / tall  # of a picture, and its title's upper end, in rows
    x, y = [i % columns + 0.5 for i in range(len(images))], [i // columns for i in range(len(images))]
    hover = {"hovertext": titles, "hoverinfo": "text"}
    fig = go.Figure(go.Scatter(x=x, y=[row + middle for row in y], mode="markers", marker_opacity=0, **hover))
    for column, row, image, title in zip(x, y, images, titles, strict=True):
        fig.add_layout_image(
            source=_data_uri(image), xref="x", yref="y", x=column, y=row + middle,
            sizex=0.92, sizey=108 / tall, xanchor="center", yanchor="middle", sizing="contain",
        )  # fmt: skip
        words = {"text": title.replace("\n", "<br>"), "font_size": 12}
        fig.add_annotation(x=column, y=row + below, showarrow=False, yanchor="top", yshift=4, **words)
    fig.update_xaxes(range=[0, columns], visible=False, fixedrange=True)
    fig.update_yaxes(range=[rows, 0], visible=False, fixedrange=True)
    return fig.update_layout(height=tall * rows + 12, margin={"l": 0, "r": 0, "t": 0, "b": 12}, dragmode=False)


def picture_rows(rows: Mapping[str, Sequence[tuple[Image.Image, str]]], columns: int = 6) -> go.Figure:
    """A named row of pictures each, with a title below every picture, broken between words where it is long."""
    import plotly.graph_objects as go

    fig = go.Figure()
    for row, (name, shown) in enumerate(rows.items()):
        fig.add_annotation(text=f"<b>{name}</b>", x=0, y=row + 0.02, xanchor="left", yanchor="top", showarrow=False)
        for column, (image, title) in enumerate(shown):
            fig.add_layout_image(
                source=_data_uri(image), xref="x", yref="y", x=column + 0.5, y=row + 0.45,
                sizex=0.92, sizey=0.48, xanchor="center", yanchor="middle", sizing="contain",
            )  # fmt: skip
            fig.add_annotation(
                text="<br>".join(textwrap.wrap(title, 14)), x=column + 0.5, y=row + 0.7, yanchor="top",
                showarrow=False, font_size=11,
            )  # fmt: skip
    fig.add_scatter(x=[], y=[])  # without a trace there are no axes
    fig.update_xaxes(range=[0, columns], visible=False, fixedrange=True)
    fig.update_yaxes(range=[len(rows), 0], visible=False, fixedrange=True)
    margin = {"l": 0, "r": 0, "t": 0, "b": 0}
    return fig.update_layout(height=128 * len(rows), margin=margin, dragmode=False, showlegend=False)


def upgrade_dots(records: Sequence[Record]) -> go.Figure:
    """Old and new accuracy of every seed: a facet a method, side by side; a row a dataset, in the records' order.

    In the upper half of a row what was measured on old, in the lower what was measured on new: zero-shot as a tick,
    seeds as dots. The open diamond is the mean of the same method trained on new. Zero-shot records make no facet.
    """
    from plotly.subplots import make_subplots

    from clipcompat.methods import METHODS

    kept = [r for r in records if r.inputs["method"]["name"] != "zero_shot"]
    # in the registry's order, plain settings before changed ones
    names = list(METHODS)
    rank = {r.titles.method: (names.index(r.inputs["method"]["name"]), len(r.titles.label)) for r in kept}
    titles = sorted(rank, key=lambda title: rank[title])
    datasets = list(dict.fromkeys(r.inputs["dataset"] for r in kept))
    fig = make_subplots(cols=max(1, len(titles)), shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.03)
    for number, title in enumerate(titles, 1):
        rows = [(-datasets.index(r.inputs["dataset"]), r.reports) for r in kept if r.titles.method == title]
        above, below = 0.17, -0.17
        retrained = [(y, [r.retrained for r in found if r.retrained is not None]) for y, found in rows]
        marks = [
            ("zero-shot old", OLD, "line-ns", [(fmean(r.zs_old for r in found), y + above) for y, found in rows]),
            ("zero-shot new", NEW, "line-ns", [(fmean(r.zs_new for r in found), y + below) for y, found in rows]),
            ("old", OLD, "circle", [(r.old, y + above) for y, found in rows for r in found]),
            ("new", NEW, "circle", [(r.new, y + below) for y, found in rows for r in found]),
            ("retrained on new", NEW, "diamond-open", [(fmean(v), y + below) for y, v in retrained if v]),
        ]
        for name, colour, symbol, points in marks:
            line = {"color": colour, "width": {"circle": 0}.get(symbol, 2)}
            fig.add_scatter(
                x=[x for x, _ in points], y=[y for _, y in points], name=name, legendgroup=name, showlegend=number == 1,
                mode="markers", row=1, col=number,
                marker={"symbol": symbol, "color": colour, "size": {"circle": 7}.get(symbol, 12), "line": line},
                customdata=[datasets[round(-y)] for _, y in points],
                hovertemplate=f"{name}: %{{x:.1f}} %<extra>%{{customdata}}</extra>",
            )  # fmt: skip
    values = [x for trace in fig.data for x in trace.x]
    if values:
        fig.update_xaxes(range=[min(values) - 4, max(values) + 4], title_text="test accuracy, percent")
    short = [name.removeprefix("mini/") for name in datasets]
    fig.update_yaxes(tickvals=[-row for row in range(len(short))], ticktext=short)
    fig.update_yaxes(range=[0.6 - len(datasets), 0.6], zeroline=False)
    fig.update_annotations(font_size=14)
    fig.update_layout(
        height=150 + 40 * len(datasets), margin={"t": 80, "b": 60},
        legend={"orientation": "h", "y": 1, "yref": "container", "yanchor": "top", "x": 0, "xref": "container"},
    )  # fmt: skip
    return fig


def _data_uri(image: Image.Image) -> str:
    """A PNG of at most 128 pixels a side, small pictures enlarged by whole factors."""
    from PIL import Image as pil

    image = image.convert("RGB")
    side = max(image.size)
    if side > 128:
        image.thumbnail((128, 128))
    elif factor := 128 // side:
        image = image.resize((image.width * factor, image.height * factor), pil.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()

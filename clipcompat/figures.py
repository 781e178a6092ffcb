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
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from PIL import Image

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
    from clipcompat.errors import ConfigError

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
    """Pictures in rows, each with its title below; small ones are enlarged without smoothing."""
    import plotly.graph_objects as go

    rows = -(-len(images) // columns)
    places = [(i % columns, i // columns) for i in range(len(images))]
    x, y = [c + 0.5 for c, _ in places], [r + 0.44 for _, r in places]
    fig = go.Figure(go.Scatter(x=x, y=y, mode="markers", marker_opacity=0, hovertext=titles, hoverinfo="text"))
    for (column, row), image, title in zip(places, images, titles, strict=True):
        fig.add_layout_image(
            source=_data_uri(image), xref="x", yref="y", x=column + 0.5, y=row + 0.44,
            sizex=0.92, sizey=0.84, xanchor="center", yanchor="middle", sizing="contain",
        )  # fmt: skip
        fig.add_annotation(
            x=column + 0.5,
            y=row + 0.87,
            text=title.replace("\n", "<br>"),
            showarrow=False,
            yanchor="top",
            font_size=12,
        )
    fig.update_xaxes(range=[0, columns], visible=False, fixedrange=True)
    lines = max((t.count("\n") + 1 for t in titles), default=1)
    fig.update_yaxes(range=[rows + 0.1 * lines, 0], visible=False, fixedrange=True)
    return fig.update_layout(height=20 + 132 * rows, margin={"l": 0, "r": 0, "t": 0, "b": 0}, dragmode=False)


def upgrade_dots(records: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Old and new accuracy of every seed: a facet a dataset, a row a method, zero-shot as dashed lines.

    The open diamond is the mean of the same method trained on the new backbone. Zero-shot records make no row.
    """
    from plotly.subplots import make_subplots

    from clipcompat.methods import METHODS
    from clipcompat.sentences import method_title
    from clipcompat.tables import label, reports

    kept = [r for r in records if r["inputs"]["method"]["name"] != "zero_shot"]
    datasets = list(dict.fromkeys(r["inputs"]["dataset"] for r in kept))
    # from top to bottom: in the registry's order, plain settings before changed ones
    names = list(METHODS)
    rank = {method_title(r): (-names.index(r["inputs"]["method"]["name"]), -len(label(r))) for r in kept}
    titles = sorted(rank, key=lambda title: rank[title])
    rows = [(r["inputs"]["dataset"], titles.index(method_title(r)), reports(r)) for r in kept]
    ends = (-0.5, len(titles) - 0.5)
    facet, gap = 12 + 34 * len(titles), 34  # pixels
    height = len(datasets) * (facet + gap) - gap
    fig = make_subplots(rows=len(datasets), shared_xaxes=True, subplot_titles=datasets, vertical_spacing=gap / height)
    for number, dataset in enumerate(datasets, 1):
        here = [(y, found) for name, y, found in rows if name == dataset]
        retrained = [(y, [r.retrained for r in found if r.retrained is not None]) for y, found in here]
        zero_shot = [fmean(getattr(r, f) for _, found in here for r in found) for f in ("zs_old", "zs_new")]
        marks = [
            ("old", OLD, "circle", [(r.old, y + 0.14) for y, found in here for r in found]),
            ("new", NEW, "circle", [(r.new, y - 0.14) for y, found in here for r in found]),
            ("retrained on new", NEW, "diamond-open", [(fmean(v), y - 0.14) for y, v in retrained if v]),
            ("zero-shot old", OLD, "", [(zero_shot[0], y) for y in ends]),
            ("zero-shot new", NEW, "", [(zero_shot[1], y) for y in ends]),
        ]
        for name, colour, symbol, points in marks:
            size = {"size": 13, "line_width": 2} if symbol == "diamond-open" else {"size": 9}
            fig.add_scatter(
                x=[x for x, _ in points], y=[y for _, y in points], name=name, legendgroup=name, showlegend=number == 1,
                mode="markers" if symbol else "lines", line={"color": colour, "dash": "dash", "width": 1.5},
                marker={"symbol": symbol or None, "color": colour, **size},
                hovertemplate=f"{name}: %{{x:.1f}} %<extra>{dataset}</extra>", row=number, col=1,
            )  # fmt: skip
    fig.update_yaxes(tickvals=list(range(len(titles))), ticktext=titles, range=ends, zeroline=False)
    values = [x for trace in fig.data for x in trace.x]
    fig.update_xaxes(range=[min(values) - 2, max(values) + 2])
    fig.update_xaxes(title_text="test accuracy, percent", row=len(datasets), col=1)
    fig.update_annotations(x=0, xanchor="left", font_size=14)
    fig.update_layout(
        height=height + 150, margin={"t": 90, "b": 60},
        legend={"orientation": "h", "y": 1, "yref": "container", "yanchor": "top", "x": 0},
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

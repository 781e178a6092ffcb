"""Pictures with titles as figures, in a grid or in named rows; shown by clipcompat_book.show.show."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from PIL import Image

_SIDE = 128  # pixels of a picture in a page


def picture_grid(images: Sequence[Image.Image], titles: Sequence[str], columns: int = 6) -> go.Figure:
    """Pictures in rows, each with a title of one or more lines below; small ones are enlarged without smoothing."""
    rows = -(-len(images) // columns)
    lines = max((t.count("\n") + 1 for t in titles), default=1)
    tall = 118 + 17 * lines  # pixels of a row
    middle, below = 56 / tall, 114 / tall  # in rows: the middle of a picture, and the upper end of its title
    x, y = [i % columns + 0.5 for i in range(len(images))], [i // columns for i in range(len(images))]
    hover = {"hovertext": titles, "hoverinfo": "text"}
    fig = go.Figure(go.Scatter(x=x, y=[row + middle for row in y], mode="markers", marker_opacity=0, **hover))
    for column, row, image, title in zip(x, y, images, titles, strict=True):
        _add_picture(fig, image, column, row + middle, 108 / tall)
        words = {"text": title.replace("\n", "<br>"), "font_size": 12}
        fig.add_annotation(x=column, y=row + below, showarrow=False, yanchor="top", yshift=4, **words)
    return _bare(fig, columns, rows).update_layout(height=tall * rows + 12, margin_b=12)


def picture_rows(rows: Mapping[str, Sequence[tuple[Image.Image, str]]], columns: int = 6) -> go.Figure:
    """One named row of pictures per entry, each picture with its title below; long titles break between words."""
    fig = go.Figure()
    for row, (name, shown) in enumerate(rows.items()):
        fig.add_annotation(text=f"<b>{name}</b>", x=0, y=row + 0.02, xanchor="left", yanchor="top", showarrow=False)
        for column, (image, title) in enumerate(shown):
            _add_picture(fig, image, column + 0.5, row + 0.45, 0.48)
            words = {"text": "<br>".join(textwrap.wrap(title, 14)), "font_size": 11}
            fig.add_annotation(x=column + 0.5, y=row + 0.7, showarrow=False, yanchor="top", **words)
    fig.add_scatter(x=[], y=[])  # without a trace there are no axes
    return _bare(fig, columns, len(rows)).update_layout(height=128 * len(rows), showlegend=False)


def _add_picture(fig: go.Figure, image: Image.Image, x: float, y: float, height: float) -> None:
    """A picture with its middle at (x, y), at most 0.92 columns wide and `height` rows high."""
    place = {"xref": "x", "yref": "y", "xanchor": "center", "yanchor": "middle", "sizing": "contain"}
    fig.add_layout_image(source=_data_uri(image), x=x, y=y, sizex=0.92, sizey=height, **place)


def _bare(fig: go.Figure, columns: int, rows: int) -> go.Figure:
    """Without axes, margins and zoom; x counts columns, y counts rows downwards."""
    fig.update_xaxes(range=[0, columns], visible=False, fixedrange=True)
    fig.update_yaxes(range=[rows, 0], visible=False, fixedrange=True)
    return fig.update_layout(margin={"l": 0, "r": 0, "t": 0, "b": 0}, dragmode=False)


def _data_uri(image: Image.Image) -> str:
    """A WebP without loss, of at most 128 pixels per side; small pictures are enlarged by whole factors."""
    image = image.convert("RGB")
    side = max(image.size)
    if side > _SIDE:
        image.thumbnail((_SIDE, _SIDE))
    elif factor := _SIDE // side:
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "webp", lossless=True, quality=50, method=2)  # more effort: 8 % smaller, 200 times slower
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()

"""Pictures with titles as figures, in a grid or in named rows; shown by clipcompat_book.show.show."""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from PIL import Image

from clipcompat_book.explore import menu

_SIDE = 128  # pixels of a picture in a page
_SMALL = 32  # of one among many; the book's style sheet enlarges it without smoothing
_MANY = 24  # pictures of a figure from which on each is small, so that a page stays light


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
    side = _SMALL if sum(map(len, rows.values())) >= _MANY else _SIDE
    for row, (name, shown) in enumerate(rows.items()):
        fig.add_annotation(text=f"<b>{name}</b>", x=0, y=row + 0.02, xanchor="left", yanchor="top", showarrow=False)
        for column, (image, title) in enumerate(shown):
            _add_picture(fig, image, column + 0.5, row + 0.45, 0.48, side)
            words = {"text": "<br>".join(textwrap.wrap(title, 14)), "font_size": 11}
            fig.add_annotation(x=column + 0.5, y=row + 0.7, showarrow=False, yanchor="top", **words)
    fig.add_scatter(x=[], y=[])  # without a trace there are no axes
    return _bare(fig, columns, len(rows)).update_layout(height=128 * len(rows), showlegend=False)


def picture_plane(
    cells: Mapping[tuple[str, str], tuple[str, Sequence[tuple[Image.Image, str]]]],
    names: tuple[str, str],
    columns: int = 3,
) -> go.Figure:
    """Pictures in groups, of which two menus show one at a time.

    cells: (option of the first menu, option of the second) -> a line of words, and pictures with titles. names: of the
    menus.
    """
    across, down = (list(dict.fromkeys(cell[side] for cell in cells)) for side in (0, 1))
    rows = max(1, max(-(-len(shown) // columns) for _, shown in cells.values()))
    wide, tall = columns + 1, rows + 1  # of a group's place in the plane
    fig = go.Figure(go.Scatter(x=[], y=[]))  # without a trace there are no axes
    for (first, second), (words, shown) in cells.items():
        left, top = wide * across.index(first), tall * down.index(second)
        line = {"xanchor": "left", "yanchor": "top", "showarrow": False, "font_size": 13}
        fig.add_annotation(text=words, x=left, y=top + 0.02, **line)
        for number, (image, title) in enumerate(shown):
            x, y = left + number % columns + 0.5, top + number // columns + 0.2
            _add_picture(fig, image, x, y + 0.2, 0.42, _SMALL)
            text = {"text": title.replace("\n", "<br>"), "font_size": 11, "showarrow": False, "yanchor": "top"}
            fig.add_annotation(x=x, y=y + 0.42, **text)
    to_right = {name: ({}, {"xaxis.range": [wide * i, wide * i + columns]}) for i, name in enumerate(across)}
    downwards = {name: ({}, {"yaxis.range": [tall * i + rows + 0.3, tall * i]}) for i, name in enumerate(down)}
    _bare(fig, columns, rows).update_yaxes(range=[rows + 0.3, 0])
    fig.update_layout(updatemenus=[menu(names[0], to_right), menu(names[1], downwards, 0.5)])
    return fig.update_layout(height=150 * rows + 100, margin={"t": 60, "b": 0}, showlegend=False)


def _add_picture(fig: go.Figure, image: Image.Image, x: float, y: float, height: float, side: int = _SIDE) -> None:
    """A picture with its middle at (x, y), at most 0.92 columns wide and `height` rows high. side: in pixels."""
    place = {"xref": "x", "yref": "y", "xanchor": "center", "yanchor": "middle", "sizing": "contain"}
    fig.add_layout_image(source=_data_uri(image, side), x=x, y=y, sizex=0.92, sizey=height, **place)


def _bare(fig: go.Figure, columns: int, rows: int) -> go.Figure:
    """Without axes, margins and zoom; x counts columns, y counts rows downwards."""
    fig.update_xaxes(range=[0, columns], visible=False, fixedrange=True)
    fig.update_yaxes(range=[rows, 0], visible=False, fixedrange=True)
    return fig.update_layout(margin={"l": 0, "r": 0, "t": 0, "b": 0}, dragmode=False)


def _data_uri(image: Image.Image, side: int) -> str:
    """A WebP without loss, of at most `side` pixels; small pictures are enlarged by whole factors."""
    image = image.convert("RGB")
    if max(image.size) > side:
        image.thumbnail((side, side))
    elif factor := side // max(image.size):
        image = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    image.save(buffer, "webp", lossless=True, quality=50, method=2)  # more effort: 8 % smaller, 200 times slower
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()

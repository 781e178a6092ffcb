"""The prompt viewer: the words nearest to each vector of a learned context, before and after the upgrade."""

from __future__ import annotations

import plotly.graph_objects as go

from clipcompat.audits.words import distance_between_words, ranked_words
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.plugins.plugin import Plugin
from clipcompat_book.explore import slider
from clipcompat_book.show import NEW, OLD, TOP_LEGEND

_WORDS = 5
_DOWN = 2 * _WORDS + 3  # from one vector's rows to the next one's


def prompt_viewer(plugin: Plugin, upgrade: Upgrade) -> go.Figure:
    """One vector of the context at a time: its 5 nearest words in each token table, and how far away they are.

    A dotted line is the distance from a word to the nearest other word of that table, the median over words. Without a
    context in the space of tokens the figure is empty.
    """
    fig, ticks, farthest, rows = go.Figure(), {}, 0.0, 0
    for side, name, backbone, colour in ((0, "old", upgrade.old, OLD), (1, "new", upgrade.new, NEW)):
        found = ranked_words(plugin, backbone, _WORDS)
        rows = len(found)
        heights = [-_DOWN * row - side * (_WORDS + 1) - place for row in range(rows) for place in range(_WORDS)]
        words = [word for row in found for word, _ in row]
        apart = [distance for row in found for _, distance in row]
        ticks |= dict(zip(heights, words, strict=True))
        hover = {"customdata": words, "hovertemplate": "%{customdata}: %{x:.2f}<extra>" + name + "</extra>"}
        bars = {"orientation": "h", "marker_color": colour, "width": 0.7}
        fig.add_bar(x=[round(d, 3) for d in apart], y=heights, name=f"in {name}'s token table", **bars, **hover)
        if (between := distance_between_words(backbone)) is not None:
            line = {"color": colour, "dash": "dot", "width": 2}
            fig.add_scatter(
                x=[between] * 2,
                y=[2, -_DOWN * max(rows, 1)],
                mode="lines",
                line=line,
                name=f"word to word, {name}",
                hovertemplate="%{x:.2f}<extra>word to nearest word, " + name + "</extra>",
            )
        farthest = max([farthest, between or 0, *apart])
    windows = {str(row + 1): ({}, {"yaxis.range": _window(row)}) for row in range(rows)}
    fig.update_yaxes(tickvals=list(ticks), ticktext=list(ticks.values()), range=_window(0), showgrid=False)
    fig.update_yaxes(zeroline=False, fixedrange=True)
    fig.update_xaxes(range=[0, 1.05 * farthest or 1], title_text="distance to the vector")
    fig.update_layout(sliders=[slider("Vector", windows)] if windows else [], barmode="overlay")
    return fig.update_layout(height=430, legend=TOP_LEGEND, margin={"t": 60, "b": 60})


def _window(row: int) -> list[float]:
    return [-_DOWN * row - _DOWN + 1.5, -_DOWN * row + 0.8]

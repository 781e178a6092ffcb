"""The rows of prompts as a figure, before and after packing; shown by clipcompat_book.show.show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clipcompat_book.show import METHOD_COLOURS

if TYPE_CHECKING:
    import plotly.graph_objects as go

_KINDS = {
    "the same in all prompts": METHOD_COLOURS["coop"],
    "a prompt's own": METHOD_COLOURS["tip_adapter_f"],
    "padding, never looked at": "rgba(128, 128, 128, 0.25)",
}
_LINE = 17
"""Pixels."""


def prompt_rows(names: Sequence[str], lengths: Sequence[int], shared: int, context: int) -> go.Figure:
    """A line a prompt, a square a row of it: above as the plain way has them, below what is left once nothing is twice.

    lengths: of each prompt, EOT included. shared: how many leading rows are the same in all. context: how long padded
    prompts are. Below, the shared rows have a line of their own.
    """
    import plotly.graph_objects as go

    same, own, padding = _KINDS
    # (name, [(kind, from, to)]) of every line, top to bottom; None: a heading
    each = list(zip(names, lengths, strict=True))
    above = [(name, [(same, 0, shared), (own, shared, n), (padding, n, context)]) for name, n in each]
    below = [("all of them", [(same, 0, shared)]), *((name, [(own, shared, n)]) for name, n in each)]
    lines = [("padded", None), *above, ("packed", None), *below]
    fig = go.Figure()
    for kind, colour in _KINDS.items():
        cells = [
            (x, -y) for y, (_, spans) in enumerate(lines) for k, *ends in spans or () if k == kind for x in range(*ends)
        ]
        fig.add_scatter(
            x=[x for x, _ in cells], y=[y for _, y in cells], mode="markers", name=kind,
            marker={"symbol": "square", "color": colour, "size": 9}, hovertemplate=f"row %{{x}}: {kind}<extra></extra>",
        )  # fmt: skip
    for y, (heading, spans) in enumerate(lines):
        if spans is None:
            block = above if heading == "padded" else below
            words = f"<b>{heading}: {sum(end - start for _, found in block for _, start, end in found)} rows</b>"
            fig.add_annotation(text=words, x=-0.7, xanchor="left", y=-y, showarrow=False, font_size=13)
    labels = {-y: name for y, (name, spans) in enumerate(lines) if spans}
    fig.update_yaxes(
        tickvals=list(labels), ticktext=list(labels.values()), range=[0.4 - len(lines), 0.8], showgrid=False,
        zeroline=False, fixedrange=True,
    )  # fmt: skip
    fig.update_xaxes(range=[-0.8, context - 0.2], showgrid=False, zeroline=False, fixedrange=True)
    fig.update_xaxes(title_text="row of a prompt")
    return fig.update_layout(
        height=110 + _LINE * len(lines), margin={"t": 40, "b": 50, "l": 10, "r": 10},
        legend={"orientation": "h", "y": 1, "yref": "container", "yanchor": "top", "x": 0, "xref": "container"},
    )  # fmt: skip

"""The rows of prompts as a figure, before and after packing; shown by clipcompat_book.show.show."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from clipcompat_book.show import METHOD_COLOURS, PALE, TOP_LEGEND

_KINDS = {
    "the same in all prompts": METHOD_COLOURS["coop"],
    "a prompt's own": METHOD_COLOURS["tip_adapter_f"],
    "padding, never looked at": PALE,
}
_LINE = 17
"""Pixels."""


def prompt_rows(names: Sequence[str], lengths: Sequence[int], shared: int, context: int) -> go.Figure:
    """One line per prompt, one square per row of it: padded above, packed below.

    lengths: of each prompt, EOT included. shared: how many leading rows are the same in all. context: how long padded
    prompts are. Below, the shared rows have a line of their own.
    """
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
        square = {"symbol": "square", "color": colour, "size": 9}
        place = {"x": [x for x, _ in cells], "y": [y for _, y in cells]}
        words = f"row %{{x}}: {kind}<extra></extra>"
        fig.add_scatter(**place, mode="markers", name=kind, marker=square, hovertemplate=words)
    for y, (heading, spans) in enumerate(lines):
        if spans is None:
            block = above if heading == "padded" else below
            words = f"<b>{heading}: {sum(end - start for _, pieces in block for _, start, end in pieces)} rows</b>"
            fig.add_annotation(text=words, x=-0.7, xanchor="left", y=-y, showarrow=False, font_size=13)
    labels = {-y: name for y, (name, spans) in enumerate(lines) if spans}
    fig.update_yaxes(tickvals=list(labels), ticktext=list(labels.values()), range=[0.4 - len(lines), 0.8])
    fig.update_xaxes(range=[-0.8, context - 0.2], title_text="row of a prompt")
    for axes in (fig.update_xaxes, fig.update_yaxes):
        axes(showgrid=False, zeroline=False, fixedrange=True)
    margin = {"t": 40, "b": 50, "l": 10, "r": 10}
    return fig.update_layout(height=110 + _LINE * len(lines), margin=margin, legend=TOP_LEGEND)

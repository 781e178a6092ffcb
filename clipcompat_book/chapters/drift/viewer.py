"""The drift viewer: one upgrade and one measure at a time, by layer, beside weights that nobody trained."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from clipcompat.studies.drift.report import Drift
from clipcompat_book.chapters.drift.curves import UNRELATED, Reading, curve, features, parameters
from clipcompat_book.explore import Effect, menu
from clipcompat_book.show import INK, NEW, TOP_LEGEND

MEASURES: dict[str, Reading] = {
    "parameters, relative": parameters(),
    "parameters, absolute": parameters("absolute"),
    "attention's parameters": parameters(kind="attention"),
    "MLP's parameters": parameters(kind="mlp"),
    "norms' parameters": parameters(kind="norms"),
    "features at EOT, relative": features(),
    "features at EOT, absolute": features("absolute"),
    "features of all tokens": features(place="tokens"),
    "features at SOS": features(place="sos"),
    "CKA at EOT, debiased": features("cka_debiased"),
}
"""What the menu offers; where it does not say so, a change is relative."""
_SHORT = {"embeddings": "emb", "output": "out"}


def drift_viewer(recorded: Mapping[str, Mapping[str, Drift]]) -> go.Figure:
    """Mean over datasets of the chosen measure in every layer, from input to output; bars are 95 % intervals.

    recorded: upgrade -> dataset -> report, as `curves.drifts` gives it. Random weights stay beside every other upgrade.
    """
    names = [name for name in recorded if name != UNRELATED]
    fig = go.Figure()
    for name in recorded:
        style = {"color": INK, "dash": "dot"} if name == UNRELATED else {"color": NEW}
        hover = f"{name}, %{{x}}: %{{y:.3g}}<extra></extra>"
        bars = {"error_y": {"array": [], "thickness": 1.5, "width": 3}}
        fig.add_scatter(x=[], y=[], name=name, mode="lines+markers", line=style, hovertemplate=hover, **bars)
    which: dict[str, Effect] = {
        shown: ({"visible": [name in (shown, UNRELATED) for name in recorded]}, {}) for shown in names
    }
    what = {title: _numbers(recorded, title, reading) for title, reading in MEASURES.items()}
    fig.plotly_update(*which[names[0]])
    fig.plotly_update(*next(iter(what.values())))
    fig.update_xaxes(type="category", title_text="layer, from input to output")
    fig.update_yaxes(rangemode="tozero")
    fig.update_layout(updatemenus=[menu("Upgrade", which), menu("Measure", what, 0.5)])
    return fig.update_layout(height=460, margin={"t": 110, "b": 60}, legend=TOP_LEGEND, showlegend=True)


def _numbers(recorded: Mapping[str, Mapping[str, Drift]], title: str, reading: Reading) -> Effect:
    """The effect that shows one measure of all upgrades."""
    curves = [curve(reports.values(), reading) for reports in recorded.values()]
    points = [list(own.values()) for own in curves]
    restyle = {
        "x": [[_SHORT.get(layer, layer.removeprefix("block ")) for layer in own] for own in curves],
        "y": [[point.mean for point in own] for own in points],
        "error_y.array": [[point.interval or 0 for point in own] for own in points],
    }
    return restyle, {"yaxis.title.text": title}

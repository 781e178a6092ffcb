"""An axis of a plotly figure as its reader has it: its title, its labels, and what its ticks say of places.

axis = Axis(fig, "y2")          # named as a trace names it
axis.labels([1.1, 1.9])         # ["CoOp", "CLIP-Adapter"], if its ticks are words
axis.read(862.5)                # 62.5, where its tick at 800 says 0
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go


@dataclass(frozen=True)
class Axis:
    """fig: the figure. name: "x", "y", "x2", …, as its traces and annotations say it."""

    fig: go.Figure
    name: str

    @property
    def domain(self) -> tuple[float, float] | None:
        """Where it begins and ends in the figure, of 1; None in a figure of one panel."""
        return self._own.domain

    @property
    def words(self) -> str:
        """Its title; empty if it has none."""
        return plain(self._shown.title.text or "")

    def inside(self, value: Any) -> bool:
        """Is a place in sight when the page opens? Some menus move the window over a plane of choices."""
        own = self._own
        if isinstance(value, str) or not own.range or any(isinstance(end, str) for end in own.range):
            return True
        if own.type == "log":
            value = math.log10(value) if value > 0 else -math.inf
        return min(own.range) <= value <= max(own.range)

    def labels(self, values: Sequence[Any]) -> list[str]:
        """The label of each value on an axis of words, or of ticks with words; none on one that counts."""
        if all(isinstance(value, str) for value in values):
            return list(values)
        ticks = self._ticks
        if not ticks or all(_number(text) is not None for text in ticks.values()):
            return []
        return [plain(str(ticks[min(ticks, key=lambda tick: abs(tick - value))])) for value in values]

    def read(self, value: Any) -> Any:
        """What a reader reads at a place: ticks may count otherwise than places."""
        ticks = {place: told for place, text in self._ticks.items() if (told := _number(text)) is not None}
        if not ticks or isinstance(value, str) or self._shown.type == "log":
            return value
        place = min(ticks, key=lambda tick: abs(tick - value))
        return value - place + ticks[place]

    @property
    def _own(self) -> Any:
        return self.fig.layout[f"{self.name[0]}axis{self.name[1:]}"]

    @property
    def _shown(self) -> Any:
        """The axis that has the ticks and the title: another one where panels share it."""
        own = self._own
        shared = own.matches and not (own.tickvals or own.title.text)
        return Axis(self.fig, own.matches)._own if shared else own

    @property
    def _ticks(self) -> dict[float, Any]:
        shown = self._shown
        places, texts = ([] if part is None else list(part) for part in (shown.tickvals, shown.ticktext))
        return dict(zip(places, texts, strict=False))


def plain(text: str) -> str:
    """Without plotly's few tags."""
    for tag in ("<b>", "</b>", "<i>", "</i>", "<sub>", "</sub>", "<sup>", "</sup>"):
        text = text.replace(tag, "")
    return text.replace("<br>", " ")


def _number(text: Any) -> float | None:
    """What a tick's text counts; None if it is a word."""
    try:
        return float(str(text).replace("−", "-"))
    except ValueError:
        return None

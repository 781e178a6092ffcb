"""Figures whose parts a reader chooses: with widgets where a kernel answers, else with menus in the figure itself.

The figure is its own twin: each of its menus and sliders holds every choice, computed in advance. `menu` and `slider`
make them, and `chosen` applies them without a browser. In the book, book/assets/figures.js turns them into native
controls, which take the keyboard.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from clipcompat.common.errors import unknown_name
from clipcompat_book.show import show

Effect = tuple[dict[str, Any], dict[str, Any]]
"""What a choice changes: attributes of all traces (one value per trace), and attributes of the layout."""


def menu(name: str, effects: Mapping[str, Effect], x: float = 0, active: int = 0) -> dict[str, Any]:
    """One of `fig.layout.updatemenus`.

    name: of the choice. effects: option -> effect. x: from 0, left, to 1. active: the option that the figure shows.
    """
    place = {"direction": "down", "x": x, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}
    return {"name": name, "active": active, "buttons": _choices(effects), **place}


def slider(name: str, effects: Mapping[str, Effect], active: int = 0) -> dict[str, Any]:
    """One of `fig.layout.sliders`; active: the option that the figure shows."""
    return {
        "name": name,
        "active": active,
        "steps": _choices(effects),
        "currentvalue": {"prefix": f"{name}: "},
        "y": -0.12,
        "pad": {"t": 20},
    }


def controls(fig: go.Figure) -> dict[str, list[str]]:
    """Name -> options of every menu and slider of a figure, menus first."""
    menus = {part.name: [button.label for button in part.buttons] for part in fig.layout.updatemenus}
    return menus | {part.name: [step.label for step in part.steps] for part in fig.layout.sliders}


def chosen(fig: go.Figure, options: Mapping[str, str]) -> go.Figure:
    """A copy of the figure as it looks after these choices (name -> option), without its menus and sliders.

    Raises:
        UnknownNameError: no such option.
    """
    copy = go.Figure(fig)
    for part in (*fig.layout.updatemenus, *fig.layout.sliders):
        if part.name not in options:
            continue
        choices = {choice.label: choice.args for choice in getattr(part, "buttons", None) or part.steps}
        if options[part.name] not in choices:
            raise unknown_name(part.name, options[part.name], list(choices))
        copy.plotly_update(*choices[options[part.name]])
    copy.layout.updatemenus, copy.layout.sliders = [], []
    return copy


def explore(
    twin: go.Figure, *, alt: str, caption: str | None = None, draw: Callable[..., go.Figure] | None = None
) -> None:
    """Show a figure with menus; in Jupyter and on Colab, with widgets in their place.

    Args:
        twin: the figure with its menus and sliders. It is what the book shows, and what stands where no widget works.
        alt: as for `show`.
        caption: as for `show`.
        draw: takes a mapping of names to options, gives the figure; None: the twin after these choices.
    """
    if not widgets_work():
        show(twin, alt=alt, caption=caption)
        return
    from IPython.display import display

    display(live_controls(twin, alt, draw or (lambda options: chosen(twin, options))))


def widgets_work() -> bool:
    """Is there a kernel to answer, and ipywidgets to ask it? Not in the book, whose pages have no kernel."""
    if os.environ.get("CLIPCOMPAT_BOOK") == "1" or importlib.util.find_spec("ipywidgets") is None:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


def live_controls(twin: go.Figure, alt: str, draw: Callable[..., go.Figure]) -> Any:
    """An ipywidgets box: a control for each menu and slider, and below it the figure as chosen."""
    import ipywidgets as widgets

    style = {"description_width": "initial"}
    sliders = {part.name for part in twin.layout.sliders}
    active = {part.name: part.active or 0 for part in (*twin.layout.updatemenus, *twin.layout.sliders)}
    made: dict[str, Any] = {}
    for name, options in controls(twin).items():
        kind = widgets.SelectionSlider if name in sliders else widgets.Dropdown
        made[name] = kind(options=options, value=options[active[name]], description=name, style=style)
    shown = widgets.interactive_output(lambda **options: show(draw(options), alt=alt), made)
    row = widgets.HBox(list(made.values()), layout=widgets.Layout(flex_flow="row wrap"))
    return widgets.VBox([row, shown])


def visible(owners: Sequence[str], option: str) -> Effect:
    """The effect that shows those traces whose owner is `option`."""
    return {"visible": [owner == option for owner in owners]}, {}


def _choices(effects: Mapping[str, Effect]) -> list[dict[str, Any]]:
    return [{"label": label, "method": "update", "args": list(effect)} for label, effect in effects.items()]

"""The sentence under the figure of all methods: which carried plug-ins still help.

    carried_sentence(plain_reports(shipped_pair(committed_records("compatibility"))))

It is computed from reports, and changes when they do.
"""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat.common.errors import ConfigError
from clipcompat.studies.report import Compatibility
from clipcompat_book.means import averages, change, groups, over_zero_shot
from clipcompat_book.words import name_title


def carried_sentence(reports: Sequence[Compatibility]) -> str:
    """Which carried plug-ins are above zero-shot on new, and which are below it; the best first: Markdown.

    The direction is that of the 95 % interval over datasets and seeds. Methods without one are counted only.

    Raises:
        ConfigError: there is no report of a method that learns something.
    """
    by_method = groups(reports, lambda report: report.method)
    gains = {name: change(by_method[name], over_zero_shot) for name in averages(reports) if name != "zero_shot"}
    if not gains:
        raise ConfigError("there is no report of a tuned method among these; zero-shot alone has nothing to carry.")
    best_first = sorted(gains, key=lambda name: -gains[name].mean)
    sides = groups(best_first, lambda name: gains[name].direction)
    above, below = (sides.get(direction, []) for direction in ("higher", "lower"))
    words = f"Carried to new, **{len(above)} of {len(gains)} methods still add to zero-shot**{_listed(above)}."
    return f"{words} {len(below)} {'does' if len(below) == 1 else 'do'} harm{_listed(below)}." if below else words


def _listed(names: Sequence[str]) -> str:
    """ ": CoOp, KgCoOp and TaskRes", or nothing."""
    *most, last = map(name_title, names) if names else [""]
    return f": {', '.join(most)} and {last}" if most else f": {last}" * bool(last)

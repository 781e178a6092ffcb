"""What plug-ins lose when the activation function alone changes: a sentence, from records."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat.runs.records import Record
from clipcompat_book.means import change, groups, plain_reports
from clipcompat_book.words import apart, datasets, method_titles


def activation_sentence(records: Sequence[Record]) -> str:
    """New minus old of the plug-in that loses most, and how many predictions that were right become wrong, at most."""
    mine = [r for r in records if r.is_plain]
    titles = {name: title for title, name in method_titles(mine).items()}
    by_method = groups(plain_reports(mine), lambda report: report.method)
    losses = {name: change(own, lambda report: report.new - report.old) for name, own in by_method.items()}
    worst = min(losses, key=lambda name: losses[name].mean)
    flips = {name: change(own, lambda report: report.negative_flips) for name, own in by_method.items()}
    most = max(flips, key=lambda name: flips[name].mean)
    count = datasets(len({report.dataset for own in by_method.values() for report in own}))
    return (
        f"What {len(losses)} methods lose by it on {count}, new minus old: most of all {titles[worst]}, "
        f"{apart(losses[worst])}. Negative flips: at most {flips[most].mean:.1f} % of the pictures ({titles[most]})."
    )

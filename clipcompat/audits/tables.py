"""An audit as a table, as text for a terminal, and as comma-separated values."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from clipcompat.audits.findings import EVIDENCE, PluginAudit
from clipcompat.audits.verdict import VERDICTS
from clipcompat.common.text import printable
from clipcompat.runs.tables import Table

_COLUMNS = ("plug-in", "method", "verdict", "on new, %", "zero-shot", "on old", "after", "flips", "minutes")


def summary_table(title: str, plugins: Sequence[PluginAudit]) -> Table:
    """One row per plug-in. on new: as it is, with its 95 % interval. after: what the verdict's step leaves.

    flips: right on old and wrong on new; in brackets the share of changed answers, where no label tells right from
    wrong.
    """
    rows = tuple(_row(plugin) for plugin in plugins)
    hover = tuple(plugin.error or " ".join(plugin.reasons) for plugin in plugins)
    return Table(_COLUMNS, rows, f"{title}: {EVIDENCE[plugins[0].evidence]}.", hover)


def _row(plugin: PluginAudit) -> tuple[str, ...]:
    flips = percent(plugin.negative_flips)
    if plugin.negative_flips is None and plugin.changed is not None:
        flips = f"({plugin.changed:.1f})"
    return (
        plugin.name,
        plugin.method or "–",
        plugin.verdict or "error",
        accuracy(plugin),
        percent(plugin.zero_shot),
        percent(plugin.old),
        percent(plugin.after),
        flips,
        minutes(plugin.minutes),
    )


def accuracy(plugin: PluginAudit) -> str:
    """The accuracy on new with its interval."""
    if plugin.expected is None:
        return "–"
    low, high = plugin.interval
    return f"{plugin.expected:.1f} ({low:.0f}–{high:.0f})"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1f}"


def minutes(time: float | None) -> str:
    if time is None:
        return "–"
    return "0" if time == 0 else "< 0.1" if time < 0.1 else f"{time:.1f}"


def counts(plugins: Sequence[PluginAudit]) -> str:
    """How many plug-ins there are, and how many have which verdict."""
    found = {verdict: sum(p.verdict == verdict for p in plugins) for verdict in VERDICTS}
    found["error"] = sum(p.verdict is None for p in plugins)
    told = ", ".join(f"{count:,} {what}" for what, count in found.items() if count)
    return f"{len(plugins):,} plug-in{'s' * (len(plugins) != 1)}: {told}."


def text(title: str, plugins: Sequence[PluginAudit]) -> str:
    """For a terminal: the table, then a line of reasons per plug-in that is not kept."""
    lines = [str(summary_table(title, plugins)), ""]
    for plugin in plugins:
        if plugin.error or plugin.verdict != "keep":
            why = " ".join([*([plugin.error] if plugin.error else []), *plugin.reasons])
            lines.append(printable(f"{plugin.name}: {plugin.verdict or 'error'}: {why}"))
    return "\n".join([*lines, counts(plugins)])


def csv_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """A header and one line per row."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)
    return out.getvalue()


def class_table(plugin: PluginAudit) -> Table:
    rows = tuple((c.classname, str(c.images), percent(c.old), percent(c.new)) for c in plugin.classes)
    return Table(("class", "pictures", "on old, %", "on new, %"), rows, "Worst classes: those that lost most")


def confusion_table(plugin: PluginAudit) -> Table:
    rows = tuple(
        (c.classname, c.taken_for, "–" if c.on_old is None else str(c.on_old), str(c.on_new)) for c in plugin.confusions
    )
    return Table(("class", "taken for", "on old", "on new"), rows, "Most frequent confusions, pictures")


def change_table(plugin: PluginAudit) -> Table:
    rows = tuple((c.old, c.new, str(c.images)) for c in plugin.changes)
    return Table(("answer on old", "answer on new", "pictures"), rows, "Most frequent changes of an answer")


def word_table(plugin: PluginAudit) -> Table:
    new = plugin.words_new or ("–",) * len(plugin.words_old)
    old = plugin.words_old or ("–",) * len(new)
    rows = tuple((str(i), *pair) for i, pair in enumerate(zip(old, new, strict=True), 1))
    return Table(("vector", "on old", "on new"), rows, "Words nearest to the prompt's vectors")


def flat(plugin: PluginAudit) -> dict[str, Any]:
    low, high = plugin.interval or (None, None)
    names = "name method evidence verdict expected after old zero_shot negative_flips changed minutes pictures error"
    row = {name: getattr(plugin, name) for name in names.split()}
    row |= {"low": low, "high": high, "reasons": " ".join(plugin.reasons)}
    worst = (f"{c.classname} ({percent(c.old)} -> {percent(c.new)})" for c in plugin.classes)
    return row | {
        "worst_classes": "; ".join(worst),
        "words_old": " ".join(plugin.words_old),
        "words_new": " ".join(plugin.words_new),
    }

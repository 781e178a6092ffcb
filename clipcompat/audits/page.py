"""An audit as one HTML page that loads nothing: no script, no font, no picture."""

import html
from collections.abc import Sequence

from clipcompat.audits.findings import EVIDENCE, PluginAudit
from clipcompat.audits.tables import (
    change_table,
    class_table,
    confusion_table,
    counts,
    minutes,
    summary_table,
    word_table,
)
from clipcompat.common.text import printable
from clipcompat.common.version import __version__

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 84rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; font-size: .9rem; display: block; overflow-x: auto }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem }
th, td { text-align: left; padding: .25rem .7rem; border-bottom: 1px solid #8884; white-space: nowrap }
details { border: 1px solid #8886; border-radius: .4rem; padding: .4rem 1rem; margin: .6rem 0 }
summary { cursor: pointer }
.v { display: inline-block; padding: 0 .5rem; border-radius: .3rem; font-weight: 600; color: #fff }
.keep { background: #1a7f4b } .repair { background: #1f5fbf }
.warm-start { background: #96610b } .retrain, .error { background: #b3261e }
"""

_OPEN = 12  # plug-ins that need work whose details are unfolded; more would be a long page


def page(title: str, plugins: Sequence[PluginAudit]) -> str:
    """The whole page: what was looked at, the summary, and every plug-in with its reasons and tables."""
    evidence = plugins[0].evidence
    worse = [p for p in plugins if p.error or p.verdict != "keep"]
    unfolded = {id(p) for p in worse[:_OPEN]}
    body = [
        f"<h1>Audit: {_text(title)}</h1>",
        f"<p>{_text(counts(plugins))} Evidence: <b>{_text(evidence)}</b>; {_text(EVIDENCE[evidence])}.</p>",
        summary_table(title, plugins).to_html(),
        "<p>On new: accuracy of the plug-in as it is, with its 95 % interval. After: what the verdict's step is "
        "expected to leave. Flips: pictures right on old and wrong on new, percent; in brackets changed answers, where "
        "no label tells right from wrong. Minutes: of the step; training takes as long as the plug-in's own did.</p>",
        *(_plugin(plugin, id(plugin) in unfolded) for plugin in plugins),
        f"<p>clipcompat {_text(__version__)}</p>",
    ]
    head = f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Audit: {_text(title)}</title>\n'
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    return f"{head}{view}<style>{_STYLE}</style>\n" + "\n".join(body) + "\n</html>\n"


def _plugin(plugin: PluginAudit, unfolded: bool) -> str:
    verdict = "error" if plugin.verdict is None else plugin.verdict
    badge = f'<span class="v {verdict}">{verdict}</span>'
    parts = [f"<p>{_text(why)}</p>" for why in (*plugin.reasons, *([plugin.error] if plugin.error else []))]
    if plugin.minutes:
        parts.append(f"<p>Minutes that the step takes: {_text(minutes(plugin.minutes))}.</p>")
    pairs = (
        (plugin.classes, class_table),
        (plugin.confusions, confusion_table),
        (plugin.changes, change_table),
        (plugin.words_old or plugin.words_new, word_table),
    )
    parts += [table(plugin).to_html() for rows, table in pairs if rows]
    state = " open" if unfolded else ""
    what = f"{badge} {_text(plugin.name)}"
    return f"<details{state}><summary>{what}</summary>{''.join(parts)}</details>"


def _text(words: str) -> str:
    return html.escape(printable(words))

"""An audit as one HTML page that loads nothing: no script, no font, no picture."""

import html
from collections.abc import Sequence
from dataclasses import replace

from clipcompat.audits.findings import EVIDENCE, PluginAudit
from clipcompat.audits.tables import change_table, class_table, confusion_table, counts, summary_table, word_table
from clipcompat.common.text import printable
from clipcompat.common.version import __version__

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 84rem; margin: 2rem auto; padding: 0 1rem }
h1 { line-height: 1.2; overflow-wrap: anywhere }
p, summary { overflow-wrap: anywhere }
table { border-collapse: collapse; margin: 1rem 0; font-size: .9rem; display: block; overflow-x: auto; max-width: 100% }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem }
th, td { text-align: left; padding: .25rem .7rem; border-bottom: 1px solid #8884; white-space: nowrap }
td { font-variant-numeric: tabular-nums }
.summary td:first-child { white-space: normal; overflow-wrap: anywhere }
dl, .tables { display: flex; flex-wrap: wrap; gap: .2rem 2rem; align-items: flex-start; margin: 1rem 0 }
dt { font-size: .9rem } dd { margin: 0; font-weight: 600; font-variant-numeric: tabular-nums }
.tables { gap: 0 2rem; margin: 0 }
details { border: 1px solid #8886; border-radius: .4rem; padding: .4rem 1rem; margin: .6rem 0 }
summary { cursor: pointer }
.v { display: inline-block; padding: 0 .5rem; border-radius: .3rem; font-weight: 600; color: #fff }
.keep { background: #1a7f4b } .repair { background: #1f5fbf }
.warm-start { background: #96610b } .retrain, .error { background: #b3261e }
@media (max-width: 56rem) {
  th, td { white-space: normal; padding: .25rem .5rem .25rem 0 }
  details { padding: .4rem .6rem }
  .summary td:nth-child(4) { white-space: nowrap }
  .summary :is(th, td):is(:nth-child(2), :nth-child(n + 5)) { display: none }
}
"""
# On a narrow window the summary keeps plug-in, verdict and accuracy on new; each plug-in's own part has all numbers.

_OPEN = 12  # plug-ins that need work whose details are unfolded; more would be a long page
_WORDS = 3  # columns of the summary that are no numbers


def page(title: str, plugins: Sequence[PluginAudit]) -> str:
    """The whole page: what was looked at, the summary, and every plug-in with its numbers, reasons and tables."""
    evidence = plugins[0].evidence
    worse = [p for p in plugins if p.error or p.verdict != "keep"]
    unfolded = {id(p) for p in worse[:_OPEN]}
    body = [
        f"<h1>Audit: {_text(title)}</h1>",
        f"<p>{_text(counts(plugins))} Evidence: <b>{_text(evidence)}</b>; {_text(EVIDENCE[evidence])}.</p>",
        f'<div class="summary">{replace(summary_table(title, plugins), caption="All plug-ins").to_html()}</div>',
        "<p>On new: accuracy of the plug-in as it is, with its 95 % interval. After: what the verdict's step is "
        "expected to leave. Flips: pictures right on old and wrong on new, percent; in brackets changed answers, where "
        "no label tells right from wrong. Minutes: of the step; training takes as long as the plug-in's own did.</p>",
        *(_plugin(plugin, id(plugin) in unfolded) for plugin in plugins),
        f"<p>clipcompat {_text(__version__)}</p>",
    ]
    head = f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Audit: {_text(title)}</title>\n'
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    return f"{head}{view}<style>{_STYLE}</style>\n<main>\n" + "\n".join(body) + "\n</main>\n</html>\n"


def _plugin(plugin: PluginAudit, unfolded: bool) -> str:
    verdict = "error" if plugin.verdict is None else plugin.verdict
    badge = f'<span class="v {verdict}">{verdict}</span>'
    parts = [f"<p><b>Error:</b> {_text(plugin.error)}</p>"] if plugin.error else []
    parts += [f"<p>{_text(why)}</p>" for why in plugin.reasons]
    parts.append(_numbers(plugin))
    pairs = (
        (plugin.classes, class_table),
        (plugin.confusions, confusion_table),
        (plugin.changes, change_table),
        (plugin.words_old or plugin.words_new, word_table),
    )
    tables = [table(plugin).to_html() for rows, table in pairs if rows]
    parts.append(f'<div class="tables">{"".join(tables)}</div>' if tables else "")
    state = " open" if unfolded else ""
    what = f"{badge} {_text(plugin.name)}"
    return f"<details{state}><summary>{what}</summary>{''.join(parts)}</details>"


def _numbers(plugin: PluginAudit) -> str:
    """Its row of the summary, each number under its name; those that nothing tells are left out."""
    table = summary_table("", [plugin])
    (cells,) = table.rows
    told = [pair for pair in zip(table.columns[_WORDS:], cells[_WORDS:], strict=True) if pair[1] != "–"]
    terms = "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(cell)}</dd></div>" for name, cell in told)
    return f"<dl>{terms}</dl>" if terms else ""


def _text(words: str) -> str:
    return html.escape(printable(words))

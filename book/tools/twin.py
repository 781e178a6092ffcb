"""The live upgrade's part of the first page: what it shows before, or without, its scripts."""

from __future__ import annotations

import html
import json

import clipcompat as cc
from book.tools.live import ACCURACY, DATASET, METHODS, PLUGINS, STAGES, png_address

_SHOWN = 6
_FILES = "../_static/live/"
_SCRIPTS = ("arithmetic", "words", "towers", "page")
_TITLES = {
    "old": "old, tuned there",
    "carried": "new, carried",
    "repaired": "new, repaired",
    "retrained": "new, tuned again",
}

_CONTROLS = """<template><div class="live">
<div class="live-picture">
<canvas data-part="canvas" width="32" height="32" role="img" aria-label="the picture; draw on it"></canvas>
<p data-part="said"></p>
<p><label>Colour <input type="color" data-part="colour" value="#c8102e"></label>
<button type="button" data-part="fill">Fill</button></p>
<div data-part="pictures" class="live-pictures"></div>
</div>
<div>
<p><label>Plug-in <select data-part="plugin"><option value="coop">CoOp</option>
<option value="linear_probe">linear probe</option></select></label> <small data-part="time"></small></p>
<table aria-live="polite"><tbody data-part="answers"></tbody></table>
<p>Class names, which you may change <button type="button" data-part="reset">Reset</button></p>
<div data-part="names" class="live-names"></div>
<p><small>“Repaired” needed 200 pictures without labels, “tuned again” 16 labelled ones per class.</small></p>
<p data-part="note" hidden><small>A linear probe has one row per class and reads no names;
zero-shot reads them.</small></p>
</div>
</div></template>"""


def live_html() -> str:
    """The fragment: a table of answers and accuracies, the offer to load the files, and a template of the controls."""
    scripts = "".join(f'<script defer src="{_FILES}{name}.js"></script>' for name in _SCRIPTS)
    offer = (
        '<p data-part="offer" hidden><button type="button">Try it here</button> '
        "<small>with your own picture and class names; loads 6 MB, and nothing leaves this page. "
        '<span role="status"></span></small></p>'
    )
    return f'<div id="live-upgrade" data-files="{_FILES}">\n{_answers()}\n{offer}\n{_CONTROLS}\n</div>\n{scripts}\n'


def _answers() -> str:
    """The answer in a sentence; one row per picture, then the accuracy on all test pictures for every plug-in."""
    data = cc.load_dataset(DATASET, shots=16, seed=1)
    upgrade = cc.load_upgrade("mini", device="cpu")
    coop = {stage: cc.load_plugin(PLUGINS / f"coop-{stage}.safetensors") for stage in STAGES}
    pictures = [data.test.images[i] for i in range(_SHOWN)]
    runs = [(coop["old"], upgrade.old), (coop["old"], upgrade.new)]
    runs += [(coop[stage], upgrade.new) for stage in ("repaired", "retrained")]
    answers = [[plugin.predict(backbone, picture)[0][0] for picture in pictures] for plugin, backbone in runs]
    head = "".join(f'<th scope="col">{title}</th>' for title in ("picture", "class", *_TITLES.values()))
    rows = []
    for i, picture in enumerate(pictures):
        truth = data.classnames[int(data.test.labels[i])]
        cells = "".join(_cell(said[i], truth) for said in answers)
        name = html.escape(truth)
        image = f'<img src="{png_address(picture)}" width="48" height="48" alt="a picture of the class {name}">'
        rows.append(f'<tr><td>{image}</td><th scope="row">{name}</th>{cells}</tr>')
    measured = json.loads(ACCURACY.read_text())
    for name in METHODS:
        title = cc.default_method(name, DATASET).title
        cells = "".join(f"<td>{measured[name][part]:.1f} %</td>" for part in _TITLES)
        rows.append(f'<tr><th scope="row" colspan="2">{title}, right</th>{cells}</tr>')
    caption = (
        f"<caption>What CoOp answers on the first {_SHOWN} test pictures; the last rows are how many of all "
        f"{len(data.test):,} are right. Repaired: without labels. One seed.</caption>"
    )
    body = "\n".join(rows)
    carried = {name: (measured[name]["old"], measured[name]["carried"]) for name in METHODS}
    answer = (
        "<p><strong>Here the answer depends on the plug-in.</strong> Carried over unchanged, CoOp’s prompt falls from "
        "{coop[0]:.1f} to {coop[1]:.1f} % right, and a linear probe from {linear_probe[0]:.1f} to "
        f"{{linear_probe[1]:.1f}} %, where guessing gives {100 / len(data.classnames):.1f} %.</p>"
    ).format(**carried)
    table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"
    return f'{answer}\n<div class="live-table">{table}</div>'


def _cell(said: str, truth: str) -> str:
    right = said == truth
    return f'<td class="live-{"right" if right else "wrong"}">{html.escape(said)} {"✓" if right else "✗"}</td>'

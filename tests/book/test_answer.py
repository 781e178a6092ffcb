"""The README's figure has the true upgrade's records and nothing else, and fits on a page."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from book.tools.answer import draw
from clipcompat.runs.records import Record
from tests.runs.test_tables import run

SVG = "{http://www.w3.org/2000/svg}"


def parsed(records) -> ET.Element:
    return ET.fromstring(draw(records))


def texts(svg: ET.Element) -> list[str]:
    return [text.text for text in svg.iter(f"{SVG}text")]


def many(methods=("coop", "contcoop"), sets=11, **inputs) -> list[Record]:
    return [run(m, news=(70.0, 72.0), dataset=f"set {k:02}", **inputs) for m in methods for k in range(sets)]


def test_eleven_sets_of_two_methods_are_a_readable_picture():
    svg = parsed(many())
    assert float(svg.get("height")) <= 480 and float(svg.get("width")) <= 860
    said = texts(svg)
    assert {"CoOp", "ContCoOp", "set 00", "set 10", "mean of 11"} <= {*said} and "provisional" not in draw(many())
    assert "11 datasets" in svg.get("aria-label") and "mean of 2 seeds" in said[0]
    assert len(list(svg.iter(f"{SVG}circle"))) == 2 * 2 * 12, "old and new, two methods, eleven rows and their mean"


def test_places_are_in_proportion_to_accuracy():
    svg = parsed([run("coop", news=(60.0,))])
    old, new = (float(dot.get("cx")) for dot in list(svg.iter(f"{SVG}circle"))[:2])  # 80 and 60 percent
    zero, end = [float(t.get("x")) for t in svg.iter(f"{SVG}text") if t.text in ("0 %", "100 %")][:2]
    assert abs((new - zero) / (end - zero) - 0.6) < 0.01 and abs((old - zero) / (end - zero) - 0.8) < 0.01


def test_controls_other_methods_and_changed_settings_are_left_out():
    others = [
        *many(("zero_shot",)),
        *many(("contcoop",), settings={"attention": None}),
        *many(upgrade="mini-identity"),
        *many(new_weights="sha256:0"),
        *many(old_weights="sha256:0"),
    ]
    assert draw([*many(), *others]) == draw(many())


def test_what_was_not_retrained_has_no_diamond_and_no_mean_of_diamonds():
    records = many(("coop",), sets=2)
    whole = draw(records).count('z" fill')
    for row in records[0].per_seed:
        row["retrained"] = None
    assert whole == 3 and draw(records).count('z" fill') == 1

"""What is committed of the live upgrade's times says where it was measured, and of what."""

import json
import re

from benchmarks.live import PROMISED, RESULTS, summary


def test_times_are_told_with_their_spread():
    assert summary([30.4, 10.2, 20.0]) == {"least": 10, "median": 20, "most": 30, "count": 3}


def test_the_committed_times_name_machine_browser_and_load_and_every_deed_of_a_reader():
    found = json.loads(RESULTS.read_text())
    assert found["promised_ms"] == PROMISED and "cores" in found["machine"] and "Chromium" in found["browser"]
    assert found["load"] >= 0
    for times in (found["milliseconds"], found["computed"]):
        assert {*times} == {"picture", "colour", "plugin", "name"}
        assert all(0 < row["least"] <= row["median"] <= row["most"] for row in times.values())


def test_contributing_quotes_the_committed_times(project):
    """Median computed and on the clock, of a picture and of a name."""
    found, text = json.loads(RESULTS.read_text()), (project / "CONTRIBUTING.md").read_text()
    quoted = re.search(r"The live upgrade on the first page.*?\n\n", text, re.S)[0]
    medians = [found[part][deed]["median"] for part in ("computed", "milliseconds") for deed in ("picture", "name")]
    assert [int(ms) for ms in re.findall(r"(\d+) ms", quoted)] == [PROMISED, *medians]
    assert f"load {found['load']}" in quoted

"""The drift viewer shows the curve of the chosen upgrade and measure, and random weights beside it."""

from __future__ import annotations

import pytest

from clipcompat_book.chapters.drift.curves import UNRELATED, curve, drifts
from clipcompat_book.chapters.drift.viewer import MEASURES, drift_viewer
from clipcompat_book.committed import committed_records
from clipcompat_book.explore import chosen, controls


@pytest.fixture(scope="module")
def recorded():
    return drifts(committed_records("drift"))


def test_every_recorded_upgrade_and_every_measure_can_be_chosen(recorded):
    found = controls(drift_viewer(recorded))
    assert found == {"Upgrade": [name for name in recorded if name != UNRELATED], "Measure": list(MEASURES)}


@pytest.mark.parametrize("measure", MEASURES)
def test_a_choice_shows_the_records_curve_beside_random_weights(recorded, measure):
    fig = chosen(drift_viewer(recorded), {"Upgrade": "seed twin", "Measure": measure})
    shown = {trace.name: trace for trace in fig.data if trace.visible}
    assert set(shown) == {"seed twin", UNRELATED} and fig.layout.yaxis.title.text == measure
    for name, trace in shown.items():
        points = curve(recorded[name].values(), MEASURES[measure])
        assert list(trace.y) == pytest.approx([point.mean for point in points.values()])
        assert len(trace.x) == len(points) >= 6 and len(trace.error_y.array) == len(points)

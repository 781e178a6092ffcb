"""Seconds and bytes have units that people use, and missing devices are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat_book.chapters.performance import sentences as say
from tests.measurements import performance

FOUND = performance()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0123, "12.3 ms"), (1.554, "1.55 s"), (119.0, "119 s"), (125.0, "2 min"), (3180.0, "53 min"), (59e3, "16.4 h")],
)
def test_a_duration_has_a_unit_that_people_use(seconds, words):
    assert say.duration(seconds) == words


def test_a_size_is_in_megabytes_or_gigabytes():
    assert [say.size(n) for n in (204_800, 37e6, 999.4e6, 5.62e9)] == ["0.2 MB", "37 MB", "999 MB", "5.6 GB"]


def test_missing_gpu_rows_are_told_as_long_as_they_are_missing():
    assert "Rows of a GPU are missing" in say.devices_sentence([FOUND])
    told = say.devices_sentence([FOUND, replace(FOUND, device="NVIDIA H200")])
    assert "missing" not in told and "NVIDIA H200" in told and "test CPU" in told

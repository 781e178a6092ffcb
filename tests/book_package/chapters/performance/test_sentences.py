"""Sentences say what the numbers say, in either direction."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clipcompat_book.chapters.performance import sentences as say
from clipcompat_book.chapters.performance.measurements import committed_performance
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


def test_the_first_table_has_steps_pictures_and_trainings_with_what_they_are_compared_with():
    rows = say.speed_table(FOUND).rows
    assert ("step, CoOp, 47 classes, fp32", "2 s (plain)", "125 ms", "16.0 ×") in rows
    assert [row[-1] for row in rows if row[0].endswith("bf16") and row[0].startswith("step")] == ["0.5 ×"]
    assert ("pictures forward, CLIP, 32 pictures, fp32", "4 s (open_clip, one by one)", "2 s", "2.0 ×") in rows
    trainings = [row[1:] for row in rows if row[0].startswith("whole training")]
    assert ("20.0 h (plain, extrapolated)", "60 min", "20.0 ×") in trainings
    assert ("30 s (plain, run to its end)", "3 s", "10.0 ×") in trainings


def test_the_distance_from_the_limit_is_told_with_its_ends():
    told = say.limit_sentence(FOUND, "coop")
    assert "**2.0 times** the arithmetic limit with 1,000 classes: 10.1 s" in told
    assert "nearest with 1,000 classes (2.0 times), and farthest with 10 (4.0 times)" in told


def test_growth_with_classes_and_context_is_told_as_factors():
    told = say.growth_sentence(FOUND, "coop")
    assert "100 times as many classes (10 → 1,000) take 50 times as long" in told
    assert "with 56 context tokens instead of 4 a step takes 1.0 times as long" in say.context_sentence(FOUND, "coop")
    told = say.context_sentence(FOUND, "contcoop")
    assert "takes 11 times as long (500 ms → 5.7 s); the arithmetic limit became 1.0 times as long" in told


def test_memory_is_told_where_it_was_measured():
    told = say.memory_sentence(FOUND, "coop")
    assert "took 1.0 GB beyond what was held before, in 3 parts; backward ran 2 of them again" in told
    assert "With 100 classes the plain way took 4.0 GB, the fast one 100 MB" in told
    assert "plain" not in say.memory_sentence(FOUND, "contcoop")


def test_chunks_tell_budget_peak_and_price_and_whether_it_was_kept():
    told = say.chunks_sentence(FOUND)
    assert "a budget of 6.0 GB: the process took 5.5 GB at most; a class took 1.25 times" in told
    assert "3 of 4 parts" in told
    rows = tuple(replace(row, peak=7e9 if row.peak else None) for row in FOUND.rows)
    assert "took 7.0 GB at most (**more than it was given**)" in say.chunks_sentence(replace(FOUND, rows=rows))


def test_differences_are_the_largest_of_their_number_type():
    told = say.exact_sentence(FOUND)
    assert "fp32 features by 4e-06 (the largest is 3.0), gradients by 1e-06" in told
    assert "bf16 features by 2e-02" in told


def test_shots_are_told_with_the_pictures_share_the_limit_and_the_memory():
    told = say.shots_sentence(FOUND, "coop")
    assert "17 s with 1 shot per class, 5 min with 16, **2.0 times** the arithmetic limit" in told
    assert "16 s and 4 min for the pictures" in told and "from 50 to 800" in told
    told = say.shots_memory_sentence(FOUND, "contcoop")
    assert "with 1 shot per class encoding took 700 MB at most and training 1.6 GB" in told
    assert "with 16 shots 700 MB and 1.6 GB" in told
    assert "grew from 0.2 MB to 3.3 MB" in told


def test_the_table_divides_a_training_into_pictures_and_text():
    official, here = say.training_table(FOUND).rows
    assert official == ("official loop", "147,200", "17.4 h", "2.6 h", "20.0 h", "87%")
    assert here == ("here", "7,520", "50 min", "10 min", "60 min", "84%")


def test_every_sentence_can_be_said_of_what_is_shipped():
    for found in committed_performance():
        for sentence in (say.chunks_sentence, say.exact_sentence):
            assert "nan" not in sentence(found) and sentence(found).endswith(".")
        sentences = (say.limit_sentence, say.growth_sentence, say.context_sentence, say.memory_sentence)
        for sentence in (*sentences, say.shots_sentence, say.shots_memory_sentence):
            assert all("**" in sentence(found, method) for method in ("coop", "contcoop"))

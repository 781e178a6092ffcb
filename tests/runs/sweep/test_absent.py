"""Before a sweep starts it is known which data is missing."""

from clipcompat.runs.sweep.absent import absent_data
from tests.trees import write_eurosat


def test_missing_folders_are_named_and_drawn_and_own_data_is_never_missing(tmp_path):
    root = str(write_eurosat(tmp_path))
    names = ("mini/shapes", "EuroSAT", "ucf101", "csv:nowhere.csv")
    absent = absent_data([{"dataset": name, "root": root} for name in names])
    assert list(absent) == ["ucf101"] and "is expected in" in absent["ucf101"]
    assert "pass root=" in absent_data([{"dataset": "EuroSAT"}])["EuroSAT"]

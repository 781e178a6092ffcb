"""Before a sweep starts it is known which data is missing."""

from clipcompat.runs.sweep.absent import absent_data
from tests.trees import write_eurosat


def asked(dataset: str, **more) -> dict:
    return {"method": "coop", "dataset": dataset, "upgrade": "mini", "device": "cpu", **more}


def test_missing_folders_are_named_and_drawn_and_own_data_is_never_missing(tmp_path):
    root = str(write_eurosat(tmp_path))
    named = [asked(name, root=root) for name in ("EuroSAT", "ucf101", "csv:nowhere.csv")]
    drawn, here, absent, own = absent_data([asked("mini/shapes"), *named])
    assert drawn == here == own == {}
    assert list(absent) == ["ucf101"] and "is expected in" in absent["ucf101"]
    (rootless,) = absent_data([asked("EuroSAT")])
    assert "pass root=" in rootless["EuroSAT"]


def test_further_sets_of_a_study_are_looked_for_too(tmp_path):
    root = str(write_eurosat(tmp_path))
    drawn, mapped = absent_data(
        [asked("mini/shapes", study="elsewhere"), asked("eurosat", root=root, study="elsewhere")]
    )
    assert drawn == {} and len(mapped) == 10 and "eurosat" not in mapped
    (shifted,) = absent_data([asked("imagenet", root=root, study="ood")])
    assert list(shifted) == ["imagenet", "imagenetv2", "imagenet_sketch", "imagenet_a", "imagenet_r"]

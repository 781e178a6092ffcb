from __future__ import annotations

import json
from dataclasses import replace

import pytest

from clipcompat.common.errors import UnknownNameError
from clipcompat.data.custom.address import clean_classnames
from clipcompat_book.chapters.shots import curves as shots
from clipcompat_book.committed import committed_records
from clipcompat_book.miniature.cloth import cloth_names, write_cloth
from tests.runs.test_records import record as toy

NUMBERS = (1, 2, 4, 8, 16)
SEEDS = (1, 2, 3, 4, 5)


def record(names: str, number: int, old: float, new: float, retrained: float = 90.0, method: str = "coop", spread=0.0):
    rows = [
        {
            "method": method,
            "dataset": "folder/cloth",
            "seed": seed,
            "old": old + spread * seed,
            "new": new,
            "zs_old": 40.0,
            "zs_new": 30.0,
            "retrained": retrained,
            "negative_flips": 0.0,
        }
        for seed in (1, 2)
    ]
    made = toy(method, "folder/cloth", classnames=list(shots.name_lists()[names]), shots=number)
    return replace(made, per_seed=rows)


PLAIN = [record("everyday words", 4, 80, 79, 70), record("everyday words", 16, 80.5, 80, 85)]
CLEAN = [record("cleaned names", 4, 60, 50, spread=1.0), record("cleaned names", 16, 78, 60, spread=1.0)]


def means(curve):
    return {number: value.mean for number, value in curve.items()}


def test_a_curve_starts_at_zero_shot_and_is_sorted():
    assert means(shots.curve(PLAIN[::-1], "everyday words", "coop", "old")) == {0: 40, 4: 80, 16: 80.5}
    assert means(shots.curve(PLAIN, "everyday words", "coop", "new")) == {0: 30, 4: 79, 16: 80}
    assert means(shots.curve(PLAIN, "everyday words", "coop", "retrained")) == {4: 70, 16: 85}


@pytest.mark.parametrize(
    "wrong",
    [
        ("plain", "coop", "old"),
        ("everyday words", "cop", "old"),
        ("everyday words", "coop", "now"),
        ("house words", "coop", "old"),
    ],
)
def test_a_curve_that_nobody_measured_is_refused(wrong):
    with pytest.raises(UnknownNameError):
        shots.curve(PLAIN, *wrong)


def test_only_methods_measured_with_these_names_are_suggested():
    other = record("house words", 4, 80, 79, method="kgcoop")
    with pytest.raises(UnknownNameError, match="Known: coop"):
        shots.curve([*PLAIN, other], "everyday words", "kgcoop", "old")


def test_the_repair_table_pairs_draws_and_stars_what_is_told_from_0():
    lists = [record(names, 16, 80, 80) for names in ("folder names", "house words")]
    table = shots.repair_table(PLAIN + CLEAN + lists, "everyday words")
    assert table.columns[2] == "16 shots on old" and [row[0] for row in table.rows][1:] == [
        "folder names",
        "house words",
    ]
    # seeds 1 and 2 are behind by 80.5 - 79 and 80.5 - 80 on old, by 20 on new: 18.5 and 19.5 are added
    assert table.rows[0] == ("cleaned names", "0.0", "+1.0 ± 6.4", "+20.0 ± 0.0 *", "+19.0 ± 6.4 *")
    wide = [record("cleaned names", 16, 78, 79, spread=2.0)]
    assert "*" not in shots.repair_table(PLAIN + wide + lists, "everyday words").rows[0][-1]


def test_the_enough_table_changes_with_its_numbers():
    """With 4 shots, old is 0.5 points lower in both draws, which is seen; new differs by 20, in one draw only."""

    def row(*records):
        return shots.enough_table(records, ["everyday words"]).rows[0]

    made = [record("everyday words", 4, 80, 80, 70), record("everyday words", 16, 80.5, 80, 85)]
    made[0].per_seed[0]["new"] = 40.0
    assert row(*made) == ("everyday words", "16", "4", "16", "16")
    steep = [record("everyday words", 4, 80, 79, 70), record("everyday words", 16, 80, 90, 85)]
    assert row(*steep) == ("everyday words", "4", "16", "–", "–")
    idle = [record("everyday words", 4, 40, 30, 30), record("everyday words", 16, 40, 30, 30)]
    assert row(*idle)[1:] == ("0", "0", "4", "–"), "zero-shot is 0 shots"


def test_the_names_table_has_every_list():
    records = [record(names, 16, 80, 70) for names in shots.name_lists()]
    table = shots.names_table(records)
    assert table.rows == tuple((names, "40", "80", "70") for names in shots.name_lists()) and len(table.rows) == 4
    assert table.columns[2] == "16 shots" and table.caption.startswith("CoOp")


def test_a_table_has_a_column_a_number_of_shots():
    table = shots.curves_table(PLAIN, "everyday words", ["coop"])
    assert table.columns[2:] == ("0 shots", "4 shots", "16 shots")
    assert table.rows[2] == ("CoOp", "retrained", "–", "70.0 ± 0.0", "85.0 ± 0.0")


def test_the_lists_are_those_of_the_folder(tmp_path):
    lists = shots.name_lists()
    assert lists["cleaned names"] == clean_classnames(write_cloth(tmp_path, 1)).names
    assert lists["folder names"] == tuple(cloth_names()) == tuple(json.loads((tmp_path / "raw.json").read_text()))


RECORDS = committed_records("names_and_shots")


def test_committed_records_are_of_every_list_and_number_and_of_the_shipped_pair():
    found = {}
    for one in RECORDS:
        inputs = one.inputs
        names = next(k for k, v in shots.name_lists().items() if list(v) == inputs["classnames"])
        found.setdefault((names, inputs["method"]["name"]), set()).add(inputs["shots"])
        assert (inputs["dataset"], inputs["template"]) == ("folder/cloth", "a photo of a {}.")
        assert [row["seed"] for row in one.per_seed] == list(SEEDS)
        assert all(row["retrained"] is not None for row in one.per_seed)
    assert set(found) == {
        *((names, "coop") for names in shots.name_lists()),
        ("cleaned names", "tip_adapter_f"),
        ("house words", "tip_adapter_f"),
    }
    assert all(numbers == set(NUMBERS) for numbers in found.values())


def test_committed_records_are_of_todays_pictures_and_draws(tmp_path):
    from clipcompat.backbones.upgrade import shipped_weights
    from clipcompat.data.custom.from_folder import dataset_from_folder

    folder = write_cloth(tmp_path)
    for number in NUMBERS:
        mine = [one for one in RECORDS if one.inputs["shots"] == number]
        for seed in SEEDS:
            for names in {tuple(one.inputs["classnames"]) for one in mine}:
                data = dataset_from_folder(folder, number, seed, names=names)
                stamps = {part: getattr(data, part).stamp for part in ("train", "val", "test")}
                for one in mine:
                    if tuple(one.inputs["classnames"]) == names:
                        assert one.inputs["stamps"][str(seed)] == stamps
                        assert one.per_seed[seed - 1]["indices"] == data.indices
        assert all(one.inputs["shipped"] == list(shipped_weights("mini")) for one in mine)


def test_points_that_the_upgrade_adds_are_paired_by_seed():
    """Draws differ by ten points, and by the same ten points with both lists: the difference has no spread."""

    def drawn(names: str, old: float, new: float):
        made = record(names, 4, old, new, spread=10.0)
        rows = [row | {"new": new + 10.0 * row["seed"]} for row in made.per_seed]
        return replace(made, per_seed=rows)

    others = [drawn(names, 60, 60) for names in ("everyday words", "cleaned names", "folder names")]
    *_, house = shots.repair_table([*others, drawn("house words", 40, 30)], "everyday words").rows
    assert house[-1] == "+10.0 ± 0.0 *"

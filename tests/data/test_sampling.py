from __future__ import annotations

import logging
import random

import pytest

from clipcompat.common.errors import ConfigError, DataError
from clipcompat.data.public.split_zhou import read_split
from clipcompat.data.sampling import check_shots, few_shot, parse_shots
from tests.reference.sampling import dassl_draw

# Training images a … p, validation images A … J; labels appear in the order 2, 0, 1 and 1, 0, 2.
TRAIN = [2, 0, 2, 1, 0, 2, 1, 2, 0, 2, 0, 0, 1, 2, 0, 2]
VAL = [1, 1, 1, 0, 0, 2, 1, 1, 2, 1]


def letters(positions: list[int], first: str) -> str:
    return "".join(chr(ord(first) + position) for position in positions)


@pytest.mark.parametrize(
    ("shots", "seed", "train", "val"),
    [
        (1, 1, "cld", "CDI"),
        (2, 1, "cjbidg", "GJEDFI"),
        (3, 2, "panbiemgd", "HBADEFI"),
        (5, 0, "phnaclkoeidgm", "CHBJDEFI"),
    ],
)
def test_draws_are_the_ones_written_down(shots, seed, train, val):
    drawn = few_shot(TRAIN, VAL, shots, seed)
    assert (letters(drawn[0], "a"), letters(drawn[1], "A")) == (train, val)


@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize("shots", [1, 2, 4, 16, 40])
def test_draws_equal_the_independent_reference(shots, repeat):
    labels = random.Random(5)
    for seed in range(25):
        # Class sizes on both sides of the shots, and of the size from which random.sample draws differently.
        train = labels.choices(range(6), weights=[1, 2, 5, 20, 60, 200], k=400)
        val = labels.choices(range(6), k=30)
        expected = dassl_draw(list(enumerate(train)), list(enumerate(val)), shots, seed, repeat)
        drawn = few_shot(train, val, shots, seed, repeat=repeat)
        assert drawn[0] == [position for position, _ in expected[0]]
        assert drawn[1] == ([position for position, _ in expected[1]] if not repeat else list(range(30)))


def test_the_private_stream_draws_what_the_seeded_global_generator_would():
    state = random.getstate()
    try:
        random.seed(3)
        first = random.sample([i for i, label in enumerate(TRAIN) if label == 2], 2)
    finally:
        random.setstate(state)
    assert few_shot(TRAIN, VAL, 2, 3)[0][:2] == first


def test_drawing_leaves_the_global_generator_alone():
    state = random.getstate()
    few_shot(TRAIN, VAL, 2, 1)
    assert random.getstate() == state


@pytest.mark.parametrize(("shots", "most"), [(1, 1), (3, 3), (4, 4), (6, 4)])
def test_validation_gives_at_most_four_a_class(shots, most):
    _, val = few_shot(TRAIN, VAL, shots, 1)
    assert [sum(VAL[i] == label for i in val) for label in (1, 0, 2)] == [most, min(most, 2), min(most, 2)]


def test_a_class_with_fewer_images_gives_all_in_order():
    train, _ = few_shot([0, 1, 0, 1, 1], [], 3, 1)
    assert train[:2] == [0, 2] and sorted(train[2:]) == [1, 3, 4]


def test_repeating_fills_a_small_class_and_keeps_the_whole_validation_list():
    train, val = few_shot([0, 1, 0, 1, 1], VAL, 3, 1, repeat=True)
    assert len(train) == 6 and set(train[:3]) <= {0, 2} and sorted(train[3:]) == [1, 3, 4]
    assert val == list(range(len(VAL)))


def test_without_a_validation_list_the_left_over_training_images_validate():
    train, val = few_shot(TRAIN, None, 2, 1)
    assert train == few_shot(TRAIN, VAL, 2, 1)[0]
    assert not set(train) & set(val)
    assert sorted(TRAIN[i] for i in val) == [0, 0, 1, 2, 2]  # class 1 has three images: two drawn, one left
    entries = list(enumerate(TRAIN))
    left = [entry for entry in entries if entry[0] not in train]
    assert val == [position for position, _ in dassl_draw(entries, left, 2, 1)[1]]


@pytest.mark.parametrize("everything", [None, "all"])
def test_all_shots_are_everything_in_order(everything):
    assert few_shot(TRAIN, VAL, everything, 1) == (list(range(16)), list(range(10)))
    assert few_shot(TRAIN, None, everything, 1) == (list(range(16)), [])


@pytest.mark.parametrize(("given", "meant"), [(16, 16), ("16", 16), (None, None), ("all", None)])
def test_shots_are_read_as_a_command_line_gives_them(given, meant):
    assert parse_shots(given) == meant


@pytest.mark.parametrize("shots", [0, -1, 1.5, True, "many", "0", [4]])
def test_shots_that_cannot_be_meant_are_refused(shots):
    with pytest.raises(ConfigError, match="whole number of images per class"):
        few_shot(TRAIN, VAL, shots, 1)


@pytest.mark.parametrize("seed", [-1, 1.0, "1", True, None])
def test_seeds_that_cannot_be_meant_are_refused(seed):
    with pytest.raises(ConfigError, match="seed must be a whole number from 0 on"):
        few_shot(TRAIN, VAL, 2, seed)


def test_seed_zero_is_a_seed():
    assert few_shot(TRAIN, VAL, 2, 0) == few_shot(TRAIN, VAL, 2, 0) != few_shot(TRAIN, VAL, 2, 1)


def test_too_many_shots_are_refused_with_class_and_count():
    with pytest.raises(DataError, match=r"toy: 5 shots were asked for, but 'b' has 3\. Ask for at most 3"):
        check_shots(TRAIN, ("a", "b", "c"), 5, "toy")


def test_at_most_five_small_classes_are_named():
    names = [f"class {i}" for i in range(8)]
    with pytest.raises(DataError, match="'class 4' has 1 and 2 more classes. Ask for at most 1") as caught:
        check_shots([*range(7), *[7] * 9], names, 2, "toy")
    assert "class 5" not in str(caught.value)


def test_small_classes_can_be_allowed_and_are_logged(caplog):
    with caplog.at_level(logging.WARNING):
        check_shots(TRAIN, ("a", "b", "c"), 5, "toy", allow_fewer=True)
    assert "'b' has 3" in caplog.text


def test_more_shots_than_any_class_has_are_refused_even_then():
    with pytest.raises(DataError, match="no class has more than 7"):
        check_shots(TRAIN, ("a", "b", "c"), 8, "toy", allow_fewer=True)


def test_enough_shots_pass_without_a_word(caplog):
    for shots in (1, 3, None, "all"):
        check_shots(TRAIN, ("a", "b", "c"), shots, "toy")
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "shots", "seed", "train_ends", "val_ends"),
    [
        (
            "EuroSAT",
            16,
            1,
            [
                "AnnualCrop/AnnualCrop_2365.jpg",
                "AnnualCrop/AnnualCrop_93.jpg",
                "SeaLake/SeaLake_2668.jpg",
                "SeaLake/SeaLake_354.jpg",
            ],
            [
                "AnnualCrop/AnnualCrop_2105.jpg",
                "AnnualCrop/AnnualCrop_1743.jpg",
                "SeaLake/SeaLake_900.jpg",
                "SeaLake/SeaLake_105.jpg",
            ],
        ),
        (
            "EuroSAT",
            1,
            3,
            [
                "AnnualCrop/AnnualCrop_2418.jpg",
                "Forest/Forest_1385.jpg",
                "River/River_1979.jpg",
                "SeaLake/SeaLake_1317.jpg",
            ],
            [
                "AnnualCrop/AnnualCrop_1201.jpg",
                "Forest/Forest_2787.jpg",
                "River/River_48.jpg",
                "SeaLake/SeaLake_2508.jpg",
            ],
        ),
        (
            "Caltech101",
            16,
            2,
            ["Faces/image_0102.jpg", "Faces/image_0046.jpg", "yin_yang/image_0012.jpg", "yin_yang/image_0002.jpg"],
            ["Faces/image_0340.jpg", "Faces/image_0261.jpg", "yin_yang/image_0009.jpg", "yin_yang/image_0035.jpg"],
        ),
        (
            "OxfordFlowers",
            16,
            1,
            ["image_00144.jpg", "image_00068.jpg", "image_08000.jpg", "image_08017.jpg"],
            ["image_00201.jpg", "image_00132.jpg", "image_08019.jpg", "image_08038.jpg"],
        ),
    ],
)
def test_draws_from_the_real_split_files_are_the_ones_written_down(
    shared_data, name, shots, seed, train_ends, val_ends
):
    split = read_split(shared_data / "splits" / f"split_zhou_{name}.json")
    entries = {part: [(path, label) for path, label, _ in split[part]] for part in ("train", "val")}
    drawn = few_shot(*([label for _, label in entries[part]] for part in ("train", "val")), shots, seed)
    keys = [[entries[part][i][0] for i in some] for part, some in zip(("train", "val"), drawn, strict=True)]
    assert (keys[0][:2] + keys[0][-2:], keys[1][:2] + keys[1][-2:]) == (train_ends, val_ends)
    expected = dassl_draw(entries["train"], entries["val"], shots, seed)
    assert keys == [[key for key, _ in part] for part in expected]

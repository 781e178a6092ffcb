from __future__ import annotations

import unicodedata

import pytest

from clipcompat.common.errors import ConfigError, DataError, UnknownNameError
from clipcompat.data.custom.classnames import ClassNames


def cleaned(*raw: str) -> list[str]:
    return list(ClassNames.of(raw).names)


@pytest.mark.parametrize(
    ("raw", "name", "note"),
    [
        ("dog", "dog", ""),
        ("n02084071-dog", "dog", "WordNet id dropped"),
        ("n02084071_golden_retriever", "golden retriever", "WordNet id dropped; underscores to spaces"),
        ("polka_dotted", "polka dotted", "underscores to spaces"),
        ("AnnualCrop", "Annual Crop", "split at capitals"),
        ("ApplyEyeMakeup", "Apply Eye Makeup", "split at capitals"),
        ("PCBBoard", "PCB Board", "split at capitals"),
        ("  polka   dotted ", "polka dotted", "spaces tidied"),
        ("Corn_(maize)___rust_", "Corn (maize) rust", "underscores to spaces; spaces tidied"),
        ("t-shirt", "t-shirt", ""),
        ("iPhone", "iPhone", ""),
        ("McLaren", "McLaren", ""),
        ("USA", "USA", ""),
        ("Sea_LakeView", "Sea LakeView", "underscores to spaces"),
        ("7up", "7up", ""),
    ],
)
def test_a_name_is_cleaned_and_says_by_which_rule(raw, name, note):
    assert next(iter(ClassNames.of([raw, "something else"]))) == (raw, name, note)


def test_numbers_that_count_the_classes_are_dropped():
    assert cleaned("1_dog", "2_cat", "3_cow") == ["dog", "cat", "cow"]
    assert cleaned("001.Black_footed_Albatross", "017.Cardinal") == ["Black footed Albatross", "Cardinal"]


@pytest.mark.parametrize(
    "raw",
    [
        ("707-320", "727-200", "A300B4"),  # not every class has one
        ("707-320", "727-200"),  # no word is behind it
        ("2 door car", "4 door car"),  # neither consecutive nor padded
        ("1 cat", "1 dog"),  # not all different
        ("7-up", "cola"),
    ],
)
def test_numbers_that_are_part_of_a_name_stay(raw):
    assert cleaned(*raw) == list(raw)


def test_accents_are_composed_as_other_systems_write_them():
    decomposed = unicodedata.normalize("NFD", "café")
    assert cleaned(decomposed, "bar") == ["café", "bar"]


@pytest.mark.parametrize("names", [{"cls3": "dent in a door"}, ["dog", "dent in a door"]])
def test_given_names_are_taken_as_they_are(names):
    found = ClassNames.of(["dog", "cls3"], names)
    assert found.names == ("dog", "dent in a door") and found.notes[1] == "given"


def test_a_given_name_is_not_cleaned():
    assert ClassNames.of(["1_dog", "2_cat"], {"1_dog": "1_Dog"}).names == ("1_Dog", "cat")


def test_names_may_be_given_by_number():
    assert ClassNames.of(["0", "1"], {0: "dog", 1: "cat"}).check("x").names == ("dog", "cat")


@pytest.mark.parametrize(
    ("names", "error", "said"),
    [
        ({"dgo": "puppy"}, UnknownNameError, "Did you mean 'dog'"),
        ({"dog": " _"}, ConfigError, "a class name is a text"),
        ({"dog": 3}, ConfigError, "a class name is a text"),
        (["one"], ConfigError, "lists 1 class names, but there are 2"),
        ("puppy", ConfigError, "must map"),
        (7, ConfigError, "must map"),
    ],
)
def test_names_that_do_not_fit_are_refused(names, error, said):
    with pytest.raises(error, match=said):
        ClassNames.of(["dog", "cat"], names)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (["Cat", "cow", "cat_"], r"place: 'Cat', 'cat_': after clean-up they all read 'Cat'.*names=\{'Cat'"),
        (["n02084071", "dog"], "'n02084071': no word is left"),
        (["__", "dog"], "'__': no word is left"),
        (["---", "dog"], "'---': no word is left"),
        (["-1", "0.5", "3"], "'-1', '0.5', '3': a mere number says nothing"),
        (["0", "1", "2"], "'0', '1', '2': a mere number says nothing"),
        ([], "place has 0 classes; a classifier needs two"),
        (["dog"], "place has 1 class; a classifier needs two"),
    ],
)
def test_names_no_prompt_can_use_are_shown_and_then_refused(raw, said):
    found = ClassNames.of(raw)  # a preview never raises
    assert len(str(found).splitlines()) == len(raw)
    with pytest.raises(DataError, match=said):
        found.check("place")


def test_names_that_read_alike_are_told_apart_by_given_ones():
    assert ClassNames.of(["Cat", "cat_"], {"cat_": "wild cat"}).check("place").names == ("Cat", "wild cat")
    with pytest.raises(DataError, match="read 'cat'"):
        ClassNames.of(["Cat", "cow"], {"Cat": "cat", "cow": "CAT"}).check("place")


def test_classes_of_one_raw_name_are_told_apart_by_a_list():
    assert ClassNames.of(["missile", "missile"], ["missile", "rocket"]).check("place").names == ("missile", "rocket")


def test_a_preview_prints_a_line_a_class():
    shown = str(ClassNames.of(["001.dog", "002.SeaLake"]))
    assert shown.splitlines() == [
        "001.dog      dog       number dropped",
        "002.SeaLake  Sea Lake  number dropped; split at capitals",
    ]


def test_changes_are_a_sentence_or_nothing():
    assert ClassNames.of(["dog", "cat"]).changes() == ""
    assert ClassNames.of(["sea_lake", "cat"]).changes() == "1 of 2 class names were cleaned: 'sea_lake' → 'sea lake'."
    assert ClassNames.of(["sea_lake", "cat"], {"sea_lake": "water"}).changes() == ""
    assert ClassNames.of([f"a_{i}" for i in "bcdefg"]).changes().endswith("'a_e' → 'a e', ….")


@pytest.mark.parametrize("raw", [[1, 2], ["cat", None], [b"cat", "dog"]])
def test_a_name_that_is_no_text_is_refused(raw):
    with pytest.raises(ConfigError, match="class names are texts"):
        ClassNames.of(raw)

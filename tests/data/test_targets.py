"""The other ten of eleven sets: of any one, and those that the cross-dataset protocol tests on."""

from __future__ import annotations

import pytest

from clipcompat.common.errors import ConfigError, UnknownNameError
from clipcompat.data.load import dataset_names
from clipcompat.data.mini.sets import SETS, study_names
from clipcompat.data.targets import other_names, target_names


def test_they_are_the_other_ten_of_the_papers_eleven_and_their_mirrors():
    public, mini = target_names("ImageNet"), target_names("mini/objects")
    assert len(public) == len(mini) == 10
    assert set(public) < set(dataset_names()) and not any(name.startswith("imagenet") for name in public)
    assert set(mini) == set(study_names()) - {"mini/objects"} and SETS["mini/objects"].mirrors == "ImageNet"


@pytest.mark.parametrize("name", ["mini/textures", "dtd", "imagenetv2", "folder:pictures"])
def test_another_source_is_told_which_are(name):
    with pytest.raises(ConfigError, match="mini/objects and imagenet are"):
        target_names(name)


def test_a_source_that_does_not_exist_is_told():
    with pytest.raises(UnknownNameError, match="imagenet"):
        target_names("imagenett")


@pytest.mark.parametrize("name", study_names())
def test_every_set_has_ten_others_in_the_papers_order_from_the_next_one_on(name):
    assert (name, *other_names(name)) in [study_names()[i:] + study_names()[:i] for i in range(11)]


def test_the_others_of_a_public_set_are_named_as_it_is_whichever_alias_was_typed():
    assert other_names("EuroSAT") == other_names("eurosat") and len(set(other_names("eurosat"))) == 10
    assert set(other_names("eurosat")) < set(dataset_names()) and "eurosat" not in other_names("eurosat")


@pytest.mark.parametrize("name", ["mini/dev-walls", "mini/objects-r", "imagenetv2", "folder:pictures"])
def test_a_set_that_is_none_of_the_eleven_has_no_others(name):
    with pytest.raises(ConfigError, match="none of the eleven sets"):
        other_names(name)

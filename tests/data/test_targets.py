"""The sets that the cross-dataset protocol tests on: the other ten of eleven."""

from __future__ import annotations

import pytest

from clipcompat.common.errors import ConfigError, UnknownNameError
from clipcompat.data.load import dataset_names
from clipcompat.data.mini.sets import SETS, study_names
from clipcompat.data.targets import target_names


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

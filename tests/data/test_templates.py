from __future__ import annotations

import pytest

from clipcompat.common.errors import UnknownNameError
from clipcompat.data.public.layout import dataset_names
from clipcompat.data.templates import STYLES, template_for


@pytest.mark.parametrize("dataset", dataset_names())
@pytest.mark.parametrize("style", STYLES)
def test_every_template_has_one_place_for_the_class_name(dataset, style):
    given = template_for(dataset, style)
    for template in [given] if isinstance(given, str) else given:
        assert template.count("{}") == template.count("{") == 1


@pytest.mark.parametrize(
    ("dataset", "template"),
    [
        ("imagenet", "a photo of a {}."),
        ("Flowers102", "a photo of a {}, a type of flower."),
        ("food101", "a photo of {}, a type of food."),
        ("dtd", "{} texture."),
        ("eurosat", "a centered satellite photo of {}."),
        ("ucf101", "a photo of a person doing {}."),
    ],
)
def test_coop_templates_are_the_published_ones(dataset, template):
    assert template_for(dataset) == template


def test_kgcoop_differs_for_textures_only():
    other = [name for name in dataset_names() if template_for(name, "kgcoop") != template_for(name)]
    assert other == ["dtd"] and template_for("dtd", "kgcoop") == "a photo of a {}, a type of texture."


def test_seven_templates_are_for_imagenet_and_its_variants():
    several = [name for name in dataset_names() if not isinstance(template_for(name, "tip7"), str)]
    assert several == [name for name in dataset_names() if name.startswith("imagenet")]
    assert len(set(template_for("imagenet_r", "tip7"))) == 7
    assert template_for("eurosat", "tip7") == template_for("eurosat")


def test_openai_templates_are_the_eighty_published_ones():
    eighty = template_for("imagenet", "openai80")
    assert len(eighty) == len(set(eighty)) == 80
    assert set(template_for("imagenet", "tip7")) < set(eighty)
    assert eighty[0] == "a bad photo of a {}."


def test_an_unknown_style_gets_the_nearest_one():
    with pytest.raises(UnknownNameError, match=r"unknown template style 'openai'. Did you mean 'openai80'\?"):
        template_for("dtd", "openai")


def test_an_unknown_data_set_is_refused():
    with pytest.raises(UnknownNameError, match="unknown dataset 'cifar'"):
        template_for("cifar")

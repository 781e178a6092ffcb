"""Published weights: which ones this library runs, and for what reason it does not run the others."""

from __future__ import annotations

import open_clip
import pytest

from clipcompat.backbones import published as module
from clipcompat.backbones.load import load_backbone, load_outline
from clipcompat.backbones.published import published_weights
from clipcompat.common.errors import UnsuitableModelError


@pytest.fixture
def listed(monkeypatch):
    """`published_weights` of a few tags instead of all, which take seconds; by name."""

    def call(*pairs):
        monkeypatch.setattr(open_clip, "list_pretrained", lambda: list(pairs))
        return {p.name: p for p in published_weights.__wrapped__()}

    return call


def test_every_tag_of_open_clip_is_listed_once_and_by_the_name_that_an_upgrade_takes(monkeypatch):
    monkeypatch.setattr(module, "_look", lambda model, tag: f"{model}:{tag}")
    names = published_weights.__wrapped__()
    assert len(set(names)) == len(names) == len(open_clip.list_pretrained())
    assert "ViT-B-16-quickgelu:openai" in names


def test_weights_that_can_be_run_have_the_outline_of_their_backbone(listed):
    found = listed(("ViT-B-32-quickgelu", "openai"), ("EVA02-B-16", "merged2b_s8b_b131k"))
    backbone = load_backbone("ViT-B-32-quickgelu", "random:1", device="cpu")
    outline = found["ViT-B-32-quickgelu:openai"].outline
    for name in ("name", "dim", "width", "layers", "context_length", "penultimate"):
        assert getattr(outline, name) == getattr(backbone, name)
    assert found["EVA02-B-16:merged2b_s8b_b131k"].outline.penultimate == 768
    assert outline.stamp is None  # no weights are read for it


@pytest.mark.parametrize(
    ("model", "tag", "because"),
    [
        ("ViT-B-16-SigLIP", "webli", "reads the tokens of timm/ViT-B-16-SigLIP, and it has no causal mask"),
        ("coca_ViT-B-32", "laion2b_s13b_b90k", "writes captions"),
        ("MobileCLIP-S1", "datacompdr", "no causal mask"),
        ("MobileCLIP-B", "datacompdr", "resized bilinear"),
        ("roberta-ViT-B-32", "laion2b_s12b_b32k", "a model of Hugging Face"),
        ("PE-Core-B-16", "meta", "'squash'"),
    ],
)
def test_other_families_are_told_apart_by_a_type_and_a_reason(listed, model, tag, because):
    (only,) = listed((model, tag)).values()
    assert only.outline is None and because in only.why
    for load in (load_outline, lambda name: load_backbone(name, "random:1")):
        with pytest.raises(UnsuitableModelError, match=f"no plug-in can be carried to or from {model}, because"):
            load(model)


def test_a_tag_of_another_activation_is_named_with_the_model_to_ask_for(listed):
    (only,) = listed(("ViT-B-16", "openai")).values()
    assert only.outline is None and "Ask for 'ViT-B-16-quickgelu'" in only.why


def test_an_outline_with_a_tag_that_its_backbone_would_refuse_is_refused_at_once():
    with pytest.raises(ValueError, match="were trained with QuickGELU"):
        load_outline("ViT-B-16", "openai")
    with pytest.raises(ValueError, match="neither a tag of EVA02-B-16 nor a file"):
        load_outline("EVA02-B-16", "openai")

"""Parts of a text tower by name, and towers with parts of another, against a transformer that works row by row."""

from __future__ import annotations

import pytest
import torch

from clipcompat.backbones.text.parts import ACTIVATION, part_names, part_of
from clipcompat.backbones.weights.fill import hash_weights
from clipcompat.common.errors import ConfigError, UnknownNameError
from tests.reference.text_transformer import _block, layer_norm
from tests.slow import ids_of, state_of
from tests.tiny import tiny_backbone

PROMPT = "a photo of a red fox."


def mixed_feature(old, new, parts) -> torch.Tensor:
    """The feature of a tower whose parts named here come from new, block by block."""
    states = {"old": state_of(old), "new": state_of(new)}
    activations = {"old": old.text.activation, "new": new.text.activation}

    def side(part):
        return "new" if part in parts else "old"

    x = states[side("tokens")]["token_embedding.weight"][ids_of(old, PROMPT)]
    x = list(x + states[side("positions")]["positional_embedding"][: len(x)])
    for number in range(old.layers):
        own = side(f"block {number + 1}")
        prefix = f"transformer.resblocks.{number}."
        block = {k.removeprefix(prefix): v for k, v in states[own].items() if k.startswith(prefix)}
        kind = activations["new" if ACTIVATION in parts else own]
        x = _block(x, block, old.text.heads, kind)
    head = states[side("head")]
    return layer_norm(x[-1], head["ln_final.weight"], head["ln_final.bias"]) @ head["text_projection"]


@pytest.mark.parametrize("parts", [("tokens",), ("positions",), ("block 1",), ("block 6", "head"), (ACTIVATION,)])
@pytest.mark.parametrize("turned", [False, True])
def test_a_mixed_tower_equals_the_reference(mini_old, mini_new, parts, turned):
    base, donor = (mini_new, mini_old) if turned else (mini_old, mini_new)
    found = base.with_text_parts(donor, parts).text_features([PROMPT])[0]
    torch.testing.assert_close(found, mixed_feature(base, donor, parts), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found, base.text_features([PROMPT])[0], atol=1e-4)


def test_all_parts_make_the_donors_tower_and_no_part_this_backbone_itself(mini_old, mini_new):
    whole = mini_old.with_text_parts(mini_new, part_names(6))
    assert torch.equal(whole.text_features([PROMPT]), mini_new.text_features([PROMPT]))
    assert whole.text.activation == "gelu" and mini_old.with_text_parts(mini_new, []) is mini_old


def test_neither_backbone_changes_and_the_image_tower_is_shared(mini_old, mini_new):
    before = [hash_weights(b._model) for b in (mini_old, mini_new)]
    mixed = mini_old.with_text_parts(mini_new, ["block 2", "head"])
    assert [hash_weights(b._model) for b in (mini_old, mini_new)] == before
    assert mini_old.text.activation == "quick_gelu" and mixed._model.visual is mini_old._model.visual
    assert mixed.stamp not in (mini_old.stamp, mini_new.stamp) and mixed.memory is not mini_old.memory
    assert mixed.stamp == mini_old.with_text_parts(mini_new, ("head", "block 2")).stamp
    assert mixed.name == "mini-old with block 2, head of mini-new"


def test_every_tensor_has_a_part_and_a_kind(mini_old, mini_new, full_size):
    for backbone in (mini_old, mini_new, full_size.old, full_size.new):
        found = [part_of(name) for name in backbone.text_state]
        assert dict.fromkeys(part for part, _ in sorted(found)).keys() == set(part_names(backbone.layers))
        assert {kind for _, kind in found} == {"tokens", "positions", "norms", "attention", "mlp", "projection"}
    assert list(full_size.old.text_state) and set(full_size.old.text_state) == set(full_size.new.text_state)


def test_unknown_parts_and_towers_of_another_shape_are_refused(mini_old, mini_new):
    with pytest.raises(UnknownNameError, match="'block 7'.*block 6"):
        mini_old.with_text_parts(mini_new, ["block 7"])
    with pytest.raises(ConfigError, match="positional_embedding is"):
        mini_old.with_text_parts(tiny_backbone(), ["head"])

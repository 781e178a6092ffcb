"""The residual stream that a text tower gives out, against a transformer that works row by row."""

from __future__ import annotations

import pytest
import torch

from clipcompat.backbones.load import load_backbone
from clipcompat.backbones.mini.models import ARCHITECTURES
from clipcompat.backbones.text.tower import TextTower
from clipcompat.common.errors import ConfigError
from tests.reference.text_transformer import layer_norm, residual_stream
from tests.slow import ids_of, state_of

TEXTS = ["a photo of a red fox.", "owl.", "a snow leopard cub in the snow."]


def embedded(backbone, texts=TEXTS):
    """Padded embeddings [prompt, token, width], and the rows of EOT."""
    ids = backbone.tokenize(texts)
    return backbone.text.embed(ids), ids.argmax(-1)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_every_state_of_every_mini_tower_equals_the_reference(name):
    backbone = load_backbone(name, "random:5", device="cpu", dtype="float32")
    tower, state = backbone.text, state_of(backbone)
    states = tower.hidden_states(*embedded(backbone))
    lengths = [len(ids_of(backbone, text)) for text in TEXTS]
    assert states.shape == (tower.layers + 1, len(TEXTS), max(lengths), tower.width)
    for i, text in enumerate(TEXTS):
        rows = state["token_embedding.weight"][ids_of(backbone, text)]
        expected = residual_stream(state, rows, tower.heads, tower.activation)
        expected = torch.stack([torch.stack(rows) for rows in expected])  # [layer + 1, token, width]
        torch.testing.assert_close(states[:, i, : lengths[i]], expected, rtol=1e-5, atol=2e-5)
        assert not states[:, i, lengths[i] :].any()


def test_the_towers_above_are_of_both_activations():
    assert {architecture.quick_gelu for architecture in ARCHITECTURES.values()} == {True, False}


@pytest.mark.parametrize("name", ["mini_old", "mini_new"])
def test_the_last_state_gives_the_feature(name, request):
    backbone = request.getfixturevalue(name)
    state, (x, eot) = state_of(backbone), embedded(backbone)
    last = backbone.text.hidden_states(x, eot)[-1, torch.arange(len(x)), eot]
    normed = torch.stack([layer_norm(row, state["ln_final.weight"], state["ln_final.bias"]) for row in last])
    torch.testing.assert_close(normed @ state["text_projection"], backbone.text(x, eot), rtol=1e-5, atol=2e-5)


def test_a_half_precision_tower_gives_its_stream_in_float32_and_no_gradient(mini_old):
    x, eot = embedded(mini_old)
    states = TextTower(mini_old._model, torch.bfloat16).hidden_states(x.requires_grad_(), eot)
    assert states.dtype == torch.float32 and not states.requires_grad
    assert 0 < (states - mini_old.text.hidden_states(x, eot)).abs().max() < 0.1


def test_prompts_longer_than_the_context_are_refused(mini_old):
    length = mini_old.context_length + 1
    with pytest.raises(ConfigError, match=f"{length} tokens does not fit"):
        mini_old.text.hidden_states(torch.zeros(1, length, mini_old.width), torch.tensor([length - 1]))

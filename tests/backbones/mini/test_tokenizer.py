"""The mini tokenizer is CLIP's, with fewer merges."""

from __future__ import annotations

import pytest

from clipcompat.backbones.mini.tokenizer import CONTEXT_LENGTH, mini_tokenizer
from clipcompat.data.mini.datasets import load_mini, mini_names


@pytest.fixture(scope="module")
def tokenizer():
    return mini_tokenizer()


def test_special_tokens_are_the_last_two_and_end_of_text_is_the_largest(tokenizer):
    assert (tokenizer.sot_token_id, tokenizer.eot_token_id) == (tokenizer.vocab_size - 2, tokenizer.vocab_size - 1)
    assert 512 + 600 <= tokenizer.vocab_size <= 512 + 1002


def test_text_comes_back_from_its_tokens(tokenizer):
    text = "a polka dotted hourglass , on a turquoise background ."
    assert tokenizer.decode(tokenizer.encode(text)).strip() == text


def test_common_words_are_one_token_and_rare_ones_several(tokenizer):
    assert len(tokenizer.encode("red circle .")) == 3
    assert len(tokenizer.encode("herringbone")) > 1


def test_sixteen_context_tokens_fit_around_every_class_name(tokenizer):
    for name in mini_names():
        for classname in load_mini(name).classnames:
            assert 1 + 16 + len(tokenizer.encode(f"{classname}.")) + 1 <= CONTEXT_LENGTH

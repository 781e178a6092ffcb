"""The prediction is the paper's own rows and what was measured here; it says what would refute it."""

from __future__ import annotations

from datetime import date

import pytest
import torch

from clipcompat.methods.contcoop import ContCoOp
from clipcompat.methods.parts.attention import Attention, attend
from clipcompat.runs.papers import paper_accuracy
from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.contcoop.anatomy import Anatomy
from clipcompat_book.chapters.contcoop.prediction import (
    ABLATION,
    DATE,
    TOKENS,
    class_share,
    predict,
    prediction_sentences,
    prediction_table,
)
from clipcompat_book.chapters.contcoop.sentences import anatomy_sentence
from clipcompat_book.chapters.contcoop.tables import anatomy_table, reach_table

UPGRADE = "clip-to-eva-vit-b-16"


def part(mean, interval):
    return Statistic(mean, 1.0, interval, 5)


def test_the_papers_ablation_ends_at_its_main_table():
    assert ABLATION[False, False] == paper_accuracy(UPGRADE, "dtd", "coop")
    assert ABLATION[True, True] == paper_accuracy(UPGRADE, "dtd", "contcoop")


def test_attention_that_does_nothing_leaves_what_distillation_alone_gives():
    found = predict(part(0.0, 0.3), part(0.0, 0.5))
    assert (found.old, found.new) == pytest.approx((0.85, 0.47)) and found.refuted_above == pytest.approx(0.97)
    assert found.printed_new == pytest.approx(6.67) and found.contradicts_paper
    assert not predict(part(0.0, 0.3), part(6.0, 0.5)).contradicts_paper


def test_the_class_s_share_is_that_of_random_names():
    names, n_ctx, width = 40, 16, 512
    generator = torch.Generator().manual_seed(1)
    p = torch.empty(n_ctx, width).normal_(std=0.02, generator=generator)
    c = torch.empty(names, 2, width).normal_(std=0.02, generator=generator)
    maps = Attention().parameters(width, generator)
    change = attend(ContCoOp().attention, maps, p, c, torch.ones(names, 2, dtype=torch.bool))
    own = (change - change.mean(0)).norm(dim=-1).mean() / p.norm(dim=-1).mean()
    assert float(own) == pytest.approx(class_share(2), rel=0.1)
    assert 0.01 < class_share(TOKENS) < 0.05


def test_the_prediction_holds_the_date_the_numbers_and_the_refutation():
    date.fromisoformat(DATE)
    predicted = predict(part(-0.1, 0.3), part(0.2, 0.5))
    table = prediction_table(predicted)
    rows = {row[0]: row[1:] for row in table.rows}
    assert DATE in table.caption
    assert rows["ContCoOp − CoOp on new, DTD"] == ("+0.7 ± 0.5", "+6.7", "interval above +1.2")
    assert rows["ContCoOp − CoOp on new, mean of 11"] == ("nearer to +0.4 than to +3.9", "+3.9", "above +2.1")
    assert rows["attention weights, above uniform"] == ("< 10 %", "–", "> 10 %")
    words = prediction_sentences(predicted, {"attention": part(0.2, 0.5)})
    for said in ("**Refuted** if", "outside of our", "+0.4 on new against CoOp", "(+0.2 ± 0.5 on new)"):
        assert said in words, said


def test_what_training_did_to_the_attention_is_read_from_both_measurements():
    before = Anatomy(1.5e-4, 0.0005, 0.233, 0.018, 0.0083, 2.5e-6)
    after = Anatomy(6.4e-4, 0.002, 0.488, 0.055, 0.0084, 2.4e-5)
    rows = {row[0]: row[1:] for row in anatomy_table(before, after).rows}
    assert rows["largest weight, above uniform"] == ("0.05 %", "0.20 %")
    assert rows["… as a share of a row of p"] == ("3.6 %", "1.7 %")
    words = anatomy_sentence(before, after)
    assert "**Attn grew**" in words and words.endswith("the class **did not grow**.")
    assert anatomy_sentence(before, Anatomy(6.4e-4, 0.002, 0.488, 0.055, 0.02, 2.4e-5)).endswith("class **grew**.")
    maps = {f"attn.{x}.weight": k for x, k in zip("qkvo", (0.0, 0.0, 0.01, 0.02), strict=True)}
    assert reach_table(maps, {n: 10 * v for n, v in maps.items()}).rows == (
        ("W_Q", "< 1e-6", "< 1e-6"),
        ("W_K", "< 1e-6", "< 1e-6"),
        ("W_V", "0.01", "0.1"),
        ("W_O", "0.02", "0.2"),
    )

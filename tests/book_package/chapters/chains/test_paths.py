"""Tables of upgrade paths, from outlines that are given."""

from __future__ import annotations

from dataclasses import replace

from clipcompat.backbones.outline import Outline
from clipcompat.backbones.published import Published
from clipcompat.runs.sweep.spec import load_spec
from clipcompat_book.chapters.chains import paths

B16 = Outline("B/16", dim=512, width=512, layers=12, context_length=77, penultimate=768)
KNOWN = [
    Published("B:one", B16),
    Published("C:x", None, "no plug-in can be carried …: it also writes captions (CoCa)"),
    Published("B:two", B16),
    Published("R:one", replace(B16, name="R", dim=1024, penultimate=None)),
    Published("L:one", replace(B16, name="L", width=768, dim=768, penultimate=1024)),
    Published("Q:openai", None, "the weights 'openai' were trained with QuickGELU, but …"),
]


def test_weights_of_equal_lengths_are_one_shape_and_the_most_frequent_comes_first():
    shapes = paths.shapes_of(KNOWN)
    assert [shape.names for shape in shapes] == [("B:one", "B:two"), ("R:one",), ("L:one",)]
    assert shapes[1].sizes == (512, 1024, None, 12) and shapes[0].models == ["B"]


def test_pairs_are_counted_in_order_and_no_weights_with_themselves():
    counts = paths.pair_counts(paths.shapes_of(KNOWN), ("zero_shot", "coop", "linear_probe", "tip_adapter"))
    assert counts == {"zero_shot": 12, "coop": 6, "linear_probe": 2, "tip_adapter": 2}
    rows = {row[0]: row for row in paths.pairs_table(paths.shapes_of(KNOWN)).rows}
    assert rows["CoOp"][1:] == ("6", "50 %")


def test_the_table_of_shapes_tells_where_prompts_lead():
    one, other, alone = paths.shapes_table(paths.shapes_of(KNOWN)).rows
    assert one[:6] == ("B", "512", "512", "768", "12", "2") and one[-1] == "1 of 1 rows"
    assert (other[3], other[-1], alone[-1]) == ("–", "2 of 1 rows", "none")


def test_weights_that_are_not_run_are_counted_by_reason():
    found = {row[0]: row[1:] for row in paths.reasons_table(KNOWN).rows}
    assert found["the text tower writes captions too (CoCa)"] == ("1", "C") and len(found) == 2


def test_every_step_of_the_shipped_families_carries_every_plugin():
    upgrades = load_spec("chain").scales["paper"]["upgrades"]
    rows = paths.families_table(upgrades).rows
    assert len(rows) == 8 and {row[-1] for row in rows} == {"every plug-in fits"}
    assert rows[0][:2] == ("ViT-B-16-quickgelu (openai)", "ViT-B-16 (laion2b_s34b_b88k)")

"""What the paper's setting should give, stated before anybody has run it here, and what would refute it.

The argument has two halves. The attention's scores start near 0 at any width (`anatomy.expected_score`), so its maps
W_Q and W_K get no gradient, and it adds one vector to all rows. And what it adds to distillation alone is measured on
the miniature. So in the paper's setting ContCoOp should be what distillation makes of CoOp. The paper's own row for
that, printed for one dataset, is the prediction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from clipcompat.data.load import dataset_names
from clipcompat.runs.papers import paper_accuracy
from clipcompat.runs.tables import Table
from clipcompat_book.chapters.contcoop.anatomy import GAINS, expected_score
from clipcompat_book.words import Spread, with_interval

DATE = "2026-11-29"
"""First stated a day earlier, when the part of the attention was known on three mini datasets only."""
ABLATION = {
    (False, False): (69.78, 65.41),
    (True, False): (70.27, 69.09),
    (False, True): (70.63, 65.88),
    (True, True): (71.95, 72.08),
}
"""ContCoOp's paper, DTD, CLIP to EVA-CLIP ViT-B/16: (attention, distillation) -> accuracy on old and on new."""

TOKENS = 1.96
"""Mean tokens of a DTD class name, in CLIP's tokens."""
_UPGRADE = "clip-to-eva-vit-b-16"
_N, _STD = 16, 0.02
_UNEVEN, _SHARE = 10, 20
"""Percent from which on the argument is wrong: weights above uniform, and the class's part of a row of p."""


@dataclass(frozen=True)
class Prediction:
    """ContCoOp minus CoOp on DTD, in points, on old and new: ours, and as printed. half: of the interval on new."""

    old: float
    new: float
    half: float
    printed_old: float
    printed_new: float

    @property
    def refuted_above(self) -> float:
        """The lead on new from which on the prediction is wrong."""
        return self.new + self.half

    @property
    def contradicts_paper(self) -> bool:
        return self.printed_new > self.refuted_above


def predict(attention_old: Spread, attention_new: Spread) -> Prediction:
    """attention_*: what the attention adds to distillation alone on the miniature (`lead.parts_of_lead`)."""
    plain, distilled, both = (ABLATION[key] for key in ((False, False), (False, True), (True, True)))
    return Prediction(
        old=distilled[0] - plain[0] + attention_old.mean,
        new=distilled[1] - plain[1] + attention_new.mean,
        half=attention_new.interval or 0.0,
        printed_old=both[0] - plain[0],
        printed_new=both[1] - plain[1],
    )


def class_share(tokens: float = TOKENS, n_ctx: int = _N, init: str = "linear_default", row: float = _STD) -> float:
    """Length of what Attn adds for a class before training, relative to a row of p, at any width.

    `tokens` of the n_ctx + tokens rows are the name's, independent, with numbers of size `row`; those of p have 0.02.
    """
    return GAINS[init] * math.sqrt(tokens) / (n_ctx + tokens) * row / _STD


def _printed_leads() -> tuple[float, float, int]:
    """The paper's mean of KgCoOp minus CoOp and of ContCoOp minus CoOp on new, and over how many datasets."""
    news = {
        m: [p[1] for d in dataset_names() if (p := paper_accuracy(_UPGRADE, d, m))]
        for m in ("coop", "kgcoop", "contcoop")
    }
    mean = {method: fmean(values) for method, values in news.items()}
    return mean["kgcoop"] - mean["coop"], mean["contcoop"] - mean["coop"], len(news["coop"])


def prediction_table(prediction: Prediction) -> Table:
    """What is predicted, what the paper prints, and what refutes it: one row per quantity."""
    kgcoop, both, eleven = _printed_leads()
    half = f"{prediction.new:+.1f} ± {prediction.half:.1f}"
    above = f"interval above {prediction.refuted_above:+.1f}"
    wide, rise = f"ContCoOp − CoOp on new, mean of {eleven}", f"nearer to {kgcoop:+.1f} than to {both:+.1f}"
    rows = (
        ("ContCoOp − CoOp on new, DTD", half, f"{prediction.printed_new:+.1f}", above),
        ("ContCoOp − CoOp on old, DTD", f"{prediction.old:+.1f}", f"{prediction.printed_old:+.1f}", "–"),
        (wide, rise, f"{both:+.1f}", f"above {(kgcoop + both) / 2:+.1f}"),
        ("attention weights, above uniform", f"< {_UNEVEN} %", "–", f"> {_UNEVEN} %"),
        ("class's part of a row of p, trained", f"< {_SHARE} %", "–", f"> {_SHARE} %"),
        ("the same before training", f"about {100 * class_share():.0f} %", "–", "–"),
        ("size of a score before training", f"{expected_score(_STD, _STD):.1e}", "–", "–"),
    )
    caption = (
        f"Predicted on {DATE}, for CLIP → EVA-CLIP ViT-B/16, λ = 1, CoOp's recipe, before it was run here. "
        "Accuracies in points; refuted over three seeds or more."
    )
    return Table(("", "predicted", "paper", "refuted if"), rows, caption)


def prediction_sentences(prediction: Prediction, parts: Mapping[str, Spread]) -> str:
    """Where the prediction comes from, and what its refutation would mean: Markdown."""
    kgcoop, _, eleven = _printed_leads()
    printed = "outside" if prediction.contradicts_paper else "inside"
    return (
        "- **Scores** do not depend on D. So W_Q and W_K stay where they start, but for weight decay.\n"
        "- **On DTD**, ContCoOp minus CoOp is what distillation alone gives in the paper, and what attention adds to "
        f"that here ({with_interval(parts['attention'], '+')} on new). The paper's number on new is {printed} of our "
        "interval.\n"
        f"- **Over its {eleven} datasets** the paper prints distillation alone only as KgCoOp, with other settings: "
        f"{kgcoop:+.1f} on new against CoOp. We expect ContCoOp to be nearer to that than to its printed lead.\n\n"
        "**Refuted** if one entry of the last column comes true. If the lead is there and the weights are uniform, the "
        "argument on the maps holds and the step from it to the lead is wrong."
    )

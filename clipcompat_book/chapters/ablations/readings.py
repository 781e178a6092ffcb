"""The switches of the figure, and what was done with each of the 42 questions that ContCoOp's paper leaves open.

The questions are numbered as in this project's method notes (6.2). A record belongs to a reading by the title of its
method, its shots and its number type.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from clipcompat.runs.records import Record

PLAIN = "ContCoOp"
SETS = ("mini/shapes", "mini/textures", "mini/backdrops", "mini/blueprints")
"""The datasets that every reading is measured on."""


@dataclass(frozen=True)
class Reading:
    """One changed setting.

    kind: of what. label: of its row. changes: as a record's title has them, "attention.heads=4"; "": none. method: its
    title. question: its number among the 42, or the table or figure of the paper. shots, dtype: of the run.
    """

    kind: str
    label: str
    changes: str
    question: str
    method: str = PLAIN
    shots: int = 16
    dtype: str = "float32"

    @property
    def variant(self) -> str:
        return f"{self.method} ({self.changes})" if self.changes else self.method

    def of(self, records: Iterable[Record]) -> list[Record]:
        """The records of this reading, one per dataset of `SETS`: the first one where there are several."""
        found: dict[str, Record] = {}
        for record in records:
            run = (record.titles.method, record.inputs["shots"], record.inputs["dtype"], record.inputs["classes"])
            if run == (self.variant, self.shots, self.dtype, "all") and record.dataset in SETS:
                found.setdefault(record.dataset, record)
        return list(found.values())

    @property
    def rival(self) -> Reading:
        """What it is compared with: the same method as published."""
        return Reading("", "as published", "", "", self.method)


_SHIP = (
    "recipe.lr=0.002, recipe.momentum=0.0, recipe.weight_decay=0.0, recipe.epochs=200, recipe.max_steps=None, "
    "recipe.batch_size=256, recipe.drop_last=False, recipe.crop=[0.5, 1.0], recipe.imagenet_crop=[0.08, 1.0]"
)
_EVERYTHING = "condition.include=['sos', 'period', 'eot']"

READINGS = (
    Reading("parts", "no attention", "Attn off", "Table 4"),
    Reading("parts", "no distillation", "λ = 0.0", "Table 4"),
    Reading("parts", "neither", "Attn off, λ = 0.0", "Table 4"),
    Reading("λ", "λ = 0.5", "λ = 0.5", "Table 5, 21"),
    Reading("λ", "λ = 2", "λ = 2.0", "Table 5"),
    Reading("heads", "2 heads", "attention.heads=2", "Table 6"),
    Reading("heads", "4 heads", "attention.heads=4", "Table 6"),
    Reading("heads", "8 heads", "attention.heads=8", "Table 6"),
    Reading("heads", "16 heads", "attention.heads=16", "Table 6"),
    Reading("heads", "4 heads, scores over √D", "attention.heads=4, attention.scale=model", "6"),
    Reading("condition", "no condition", "condition.pool=none", "control"),
    Reading("condition", "the name in a sentence", "condition.template=a photo of a {}", "Table 7"),
    Reading("condition", "mean of the name's tokens", "condition.pool=mean", "1"),
    Reading("condition", "first token", "condition.pool=first", "1"),
    Reading("condition", "last token", "condition.pool=last", "1"),
    Reading("condition", "text feature of the name", "condition.pool=text_feature", "1"),
    Reading("condition", "name and period", "condition.include=['period']", "2"),
    Reading("condition", "SOS, name, period, EOT", _EVERYTHING, "2"),
    Reading("condition", "all rows, with padding", "condition.source=suffix_full", "3"),
    Reading("layer", "causal mask", "attention.causal=True", "4"),
    Reading("layer", "positions added", "attention.pos=True", "5"),
    Reading("layer", "biases", "attention.bias=True", "7"),
    Reading("layer", "no residual", "attention.residual=False", "11"),
    Reading("maps", "start: Kaiming normal", "attention.init=kaiming_normal_relu", "8"),
    Reading("maps", "start: Kaiming uniform", "attention.init=kaiming_uniform_relu", "8"),
    Reading("maps", "start: Xavier", "attention.init=xavier", "8"),
    Reading("maps", "start: W_O = 0", "attention.out_zero=True", "9"),
    Reading("maps", "not trained", "attention.lr_scale=0.0", "16"),
    Reading("maps", "10 × the rate", "attention.lr_scale=10.0", "16"),
    Reading("maps", "100 × the rate", "attention.lr_scale=100.0", "16"),
    Reading("maps", "no weight decay", "attention.weight_decay=0.0", "32"),
    Reading("distance", "squared", "distillation.form=l2sq", "18"),
    Reading("distance", "1 − cosine", "distillation.form=cosine", "18"),
    Reading("distance", "raw vectors", "distillation.normalize=False", "17"),
    Reading("distance", "80 sentences as teacher", "distillation.templates=openai80", "19"),
    Reading("context", "4 tokens", "n_ctx=4", "Fig. 4"),
    Reading("context", "8 tokens", "n_ctx=8", "Fig. 4"),
    Reading("context", "starts as “a photo of a”", "ctx_init=a photo of a", "14"),
    Reading("training", "tau = 0.01", "tau=0.01", "23"),
    Reading("training", "SHIP's recipe", _SHIP, "15"),
    Reading("training", "towers in bf16", "", "22", dtype="bfloat16"),
    Reading("KgCoOp", "KgCoOp: 16 tokens, from noise", "n_ctx=16, ctx_init=None", "41", method="KgCoOp"),
)

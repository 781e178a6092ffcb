"""What became of each of the 42 questions that ContCoOp's paper leaves open: measured, or why not.

questions_table(effects)    # one row per question: the answer this project takes, and what was measured
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipcompat.runs.tables import Table
from clipcompat_book.chapters.ablations.readings import READINGS

FIELD, NO_FIELD, NO_CHOICE = "a field, not measured here", "no field", "nothing to choose"


@dataclass(frozen=True)
class Question:
    """ours: the answer this project takes. why: where no reading in the figure measures it; "" where one does."""

    number: int
    words: str
    ours: str
    why: str = ""


QUESTIONS = (
    Question(1, "c_i: one row, or one per token?", "one per token"),
    Question(2, "SOS, period, EOT in the condition?", "the name alone"),
    Question(3, "all rows of CoOp's suffix?", "no"),
    Question(4, "a mask inside the attention?", "none but the padding"),
    Question(5, "positions before the attention?", "not added"),
    Question(6, "scale of the scores with h heads?", "√(D/h)"),
    Question(7, "biases of the maps?", "none"),
    Question(8, "which Kaiming start?", "uniform, a = √5"),
    Question(9, "W_O from 0?", "no"),
    Question(10, "dropout, norm, MLP?", "none", f"{NO_FIELD}: the paper says a single attention layer"),
    Question(11, "p + Attn, or Attn?", "p + Attn"),
    Question(12, "queries for all rows?", "for p alone", f"{NO_CHOICE}: the result is the same"),
    Question(13, "which class tokens enter the tower?", "the name's own", f"{NO_FIELD}: attended ones could, too"),
    Question(14, "start of the context?", "noise"),
    Question(15, "optimiser, rate, epochs?", "CoOp's; mini has its own"),
    Question(16, "rate of the maps?", "the context's"),
    Question(17, "normalised vectors in the distance?", "yes"),
    Question(18, "norm, its square, 1 − cosine?", "the norm"),
    Question(19, "sentence of the teacher?", "zero-shot's"),
    Question(20, "teacher's backbone?", "the old one", f"{NO_FIELD}: the new one is not there in training"),
    Question(21, "λ of the main table?", "1, and 0.5 beside it"),
    Question(22, "precision?", "fp32 on a CPU"),
    Question(23, "tau?", "the stored scale"),
    Question(24, "does the token table learn?", "no", f"{NO_FIELD}: the paper freezes it"),
    Question(25, "16 pictures per class?", "yes"),
    Question(26, "which checkpoint?", "the last", f"{NO_FIELD}"),
    Question(27, "p carried as it is?", "yes", f"{NO_CHOICE}: required where widths agree"),
    Question(28, "names that end with a bracket?", "their fused token stays", f"{NO_FIELD}: no mini name has one"),
    Question(29, "which seeds?", "1, 2, 3, …", f"{NO_CHOICE}: intervals are over seeds"),
    Question(30, "H of means, or mean of H?", "of means", f"{NO_CHOICE}: computed from the same records"),
    Question(31, "attention per class?", "per class", f"{NO_FIELD}"),
    Question(32, "weight decay of the maps?", "as the context"),
    Question(33, "distillation on which classes?", "all", f"{NO_FIELD}"),
    Question(34, "w of the same forward pass?", "yes", f"{NO_CHOICE}"),
    Question(35, "sentences on new?", "as on old", f"{NO_FIELD}"),
    Question(36, "Tip-Adapter's α, β on new?", "those of old", f"{NO_FIELD}"),
    Question(37, "which EVA weights?", "open_clip's", f"{FIELD}: mini has one architecture"),
    Question(38, "settings of L/14?", "those of B/16", f"{FIELD}: mini-large has records of its own"),
    Question(39, "λ of the other ablations?", "1", f"{FIELD}: two switches at once"),
    Question(40, "settings of adapters on B/16?", "the official ones", f"{FIELD}: mini's were tuned"),
    Question(41, "N of CoCoOp and KgCoOp?", "4"),
    Question(42, "does Fig. 3 settle 1 to 3 and 13?", "not seen", f"{NO_CHOICE}: the figure was not at hand"),
)


def measured(number: int) -> list[str]:
    """The labels of the readings that answer a question."""
    return [reading.label for reading in READINGS if str(number) in reading.question.split(", ")]


def questions_table(labels: Sequence[str], shots: Sequence[int] = ()) -> Table:
    """One row per question. labels: of the readings that have records; shots: that were made, for question 25."""
    others = [str(k) for k in shots if k != 16]
    rows = []
    for q in QUESTIONS:
        own = [label for label in measured(q.number) if label in labels]
        own += [f"{', '.join(others)} shots"] if q.number == 25 and others else []
        rows.append((str(q.number), q.words, q.ours, ", ".join(own) or q.why or "not made yet"))
    return Table(("", "question", "here", "measured instead"), tuple(rows), "The 42 open questions of the paper.")

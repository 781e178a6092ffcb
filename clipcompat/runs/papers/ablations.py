"""The ContCoOp paper's Tables 4 to 7: ContCoOp with one part changed, carried from CLIP to EVA-CLIP, ViT-B/16.

Its Table 5 prints H = 72.21 at λ = 0.3, where its two accuracies give 82.21. Of the third row of its Table 7 only one
number could be read, so that the row is left out. Fig. 4 prints no numbers.
"""

import functools
from collections.abc import Mapping

from clipcompat.runs.papers import PaperCell, read_table

ABLATIONS = {
    "parts": ("dtd", "contcoop_table4_components_dtd.csv"),
    "lambda": ("ucf101", "contcoop_table5_lambda_ucf101.csv"),
    "heads": ("dtd", "contcoop_table6_heads_dtd.csv"),
    "condition": ("dtd", "contcoop_table7_condition_dtd.csv"),
}
"""Study -> the dataset of the paper's table, and its file."""


@functools.cache
def paper_ablation(study: str) -> Mapping[str, PaperCell]:
    """Label of a record, "contcoop (attention.heads=4)" -> what the paper prints, in the order of its table.

    study: one of `ABLATIONS`.
    """
    found = {}
    for row in read_table(ABLATIONS[study][1]):
        old, new, h = (float(row.pop(part)) for part in ("base", "new", "h"))
        changed = ", ".join(filter(None, (_change(name, value) for name, value in row.items())))
        found[f"contcoop ({changed})" if changed else "contcoop"] = PaperCell(old, new, h)
    return found


def _change(name: str, value: str) -> str:
    """What a cell changes in the plain ContCoOp, as a label says it; "" for nothing."""
    if name in ("attention", "distillation"):  # 1: it is there
        return "" if value == "1" else {"attention": "attention=None", "distillation": "distillation.weight=0.0"}[name]
    plain, setting = {
        "lambda": ("1.0", "distillation.weight"),
        "heads": ("1", "attention.heads"),
        "condition": ("{class}", "condition.template"),
    }[name]
    return "" if value == plain else f"{setting}={value.replace('{class}', '{}')}"

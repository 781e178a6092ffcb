"""Numbers printed in the papers, as shown beside ours; percent.

contcoop_table2_vit_b16.csv, contcoop_table8_vit_l14.csv: ContCoOp (arXiv 2412.20895), Tables 2 and 8.
"""

from __future__ import annotations

import csv
import functools
import importlib.resources

from clipcompat.data.layout import find_layout
from clipcompat.errors import UnknownNameError

_TABLES = {
    "clip-to-eva-vit-b-16": "contcoop_table2_vit_b16.csv",
    "clip-to-eva-vit-l-14": "contcoop_table8_vit_l14.csv",
}
_METHODS = {"zero_shot": "ZeroShot", "coop": "CoOp", "contcoop": "ContCoOp"}


def paper_accuracy(upgrade: str, dataset: str, method: str) -> tuple[float, float] | None:
    """(old, new) as the ContCoOp paper prints them, or None where it has no such cell (mini upgrades never do)."""
    if upgrade not in _TABLES:
        return None
    try:
        names = set(find_layout(dataset).aliases) | {dataset}
    except UnknownNameError:
        return None
    plain = {"".join(c for c in n.lower() if c.isalnum()) for n in names | {find_layout(dataset).name}}
    for row in _rows(_TABLES[upgrade]):
        if row["dataset"].lower() in plain and row["method"] == _METHODS.get(method):
            return float(row["base"]), float(row["new"])
    return None


@functools.cache
def _rows(file: str) -> list[dict[str, str]]:
    text = (importlib.resources.files(__package__) / file).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))

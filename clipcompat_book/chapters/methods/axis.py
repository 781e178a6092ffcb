"""Every plug-in of the records on one axis of depth, from the tokens of a prompt to the classifier.

    records = shipped_pair(committed_records("compatibility")) + committed_records("plugins_today")
    axis_table(records)

The places are those of the equations in each method's file.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from statistics import fmean, median

from clipcompat.backbones.mini.models import ARCHITECTURES
from clipcompat.common.config import from_config
from clipcompat.data.mini.sets import SETS
from clipcompat.methods import KNOWN
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.report import kept_gain
from clipcompat.studies.statistic import Statistic
from clipcompat_book.means import by_seed, groups, over_seeds, reports_of
from clipcompat_book.words import name_title, with_interval

AXIS = {
    "tokens": ("coop", "cocoop", "kgcoop", "contcoop"),
    "attention of both towers": ("clip_lora",),
    "text features": ("taskres",),
    "image projection": ("prolip",),
    "image features": ("clip_adapter", "tip_adapter", "tip_adapter_f"),
    "classifier, added to text": ("lp_plus_plus", "gda"),
    "classifier, without text": ("clap", "zs_lp", "linear_probe"),
}
"""Place -> the methods that act there, from the shallowest to the deepest."""

_LENGTH = 128
"""Text width, joint dim and hidden image width of every backbone of the mini upgrade."""
_BLOCKS = {"text block": ARCHITECTURES["mini-old"].text_layers, "image block": ARCHITECTURES["mini-old"].image_layers}


def axis_table(records: Sequence[Record]) -> Table:
    """One row per method with its default settings: accuracy on both backbones, kept gain, size, training time.

    records: of the mini upgrade. Zero-shot comes first, if it is among them. ± is half of the 95 % interval over seeds.
    numbers: those that are carried, mean over datasets. seconds: of a training on old, median over datasets
    and seeds.
    """
    rows = []
    plain = groups([record for record in records if record.is_plain], lambda record: record.method)
    for place, names in {"nothing": ("zero_shot",), **AXIS}.items():
        for name in names:
            if name in plain:
                trained = name != "zero_shot"
                rows.append((place, name_title(name), *_accuracies(plain[name]), _cost(plain[name], trained)))
    sets = {record.dataset for found in plain.values() for record in found}
    caption = (
        f"From shallow to deep: means over {len(sets)} datasets ± half of the 95 % interval over seeds; kept gain in "
        "percent. Numbers: those that are carried. Seconds: of a training on old, one thread; the papers' "
        "methods encode pictures in that time, and for the newer ones that was done before. Mini."
    )
    columns = ("acts on", "method", "old", "new", "retrained", "kept gain", "numbers / seconds")
    return Table(columns, tuple(rows), caption)


def _accuracies(records: Sequence[Record]) -> list[str]:
    """Old, new, retrained and kept gain of one method."""
    reports = reports_of(records)
    again = all(report.retrained is not None for report in reports)
    fields = ("old", "new", "retrained") if again else ("old", "new")
    means = [over_seeds(reports, attrgetter(field)) for field in fields]
    kept = kept_shares(records)
    share = "–" if kept is None else f"{kept.mean:.0f}" + ("" if kept.interval is None else f" ± {kept.interval:.0f}")
    return [*map(with_interval, [*means, *[None] * (3 - len(means))]), share]


def _cost(records: Sequence[Record], trained: bool) -> str:
    """Carried numbers / seconds of a training; "–" where nothing is trained."""
    if not trained:
        return "–"
    seconds = median(row["train"] for record in records for row in record.training_seconds)
    return f"{fmean(map(carried_numbers, records)):,.0f} / {seconds:.1f}"


def kept_shares(records: Sequence[Record]) -> Statistic | None:
    """Kept gain in percent of one method: from the means over datasets, seed by seed. None: it was not retrained."""
    reports = reports_of(records)
    if any(report.retrained is None for report in reports):
        return None
    new, zero_shot, retrained = (by_seed(reports, attrgetter(field)) for field in ("new", "zs_new", "retrained"))
    shares = [kept_gain(new[seed], zero_shot[seed], retrained[seed]) for seed in new]
    known = [100 * share for share in shares if share is not None]
    return Statistic.of(known) if known else None


def carried_numbers(record: Record) -> int:
    """How many numbers the plug-in of a record on a mini dataset holds, as its method's shapes tell."""
    about = record.inputs["method"]
    method, classes = from_config(KNOWN[about["name"]], about["config"]), len(SETS[record.dataset].classes)
    known = dict.fromkeys(("width", "dim", "penultimate"), _LENGTH)
    known |= {"image": classes * record.inputs["shots"], **_BLOCKS}
    total = 0
    for shape in method.shapes(classes).values():
        size = 1
        for length in shape:
            size *= length if isinstance(length, int) else _named(length, known, getattr(method, "n_ctx", 0))
        total += size
    return total


def _named(length: str, known: dict[str, int], n_ctx: int) -> int:
    """A length of a `Shape` in numbers."""
    name, _, share = length.partition("/")
    return n_ctx if name == "token" else known[name] // int(share or 1)

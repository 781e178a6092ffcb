"""Every plug-in of the records on one axis of depth, from the tokens of a prompt to the classifier.

    records = shipped_pair(committed_records("compatibility")) + committed_records("plugins_today")
    axis_table(records), survival_sentences(records)

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
from clipcompat_book.means import by_seed, change, groups, over_seeds, over_zero_shot, over_zero_shot_on_old, reports_of
from clipcompat_book.words import name_title, with_interval

AXIS = {
    "tokens": ("coop", "cocoop", "kgcoop", "contcoop"),
    "attention of both towers": ("clip_lora",),
    "text features": ("taskres",),
    "projection of image features": ("prolip",),
    "image features": ("clip_adapter", "tip_adapter", "tip_adapter_f"),
    "classifier, added to text": ("lp_plus_plus", "gda"),
    "classifier, without text": ("clap", "zs_lp", "linear_probe"),
}
"""Place -> the methods that act there, from the shallowest to the deepest."""

_AGAINST = {"higher": "above", "no difference seen": "not told apart from", "lower": "below"}
_LENGTH = 128
"""Text width, joint dim and hidden image width of every backbone of the mini upgrade."""
_BLOCKS = {"text block": ARCHITECTURES["mini-old"].text_layers, "image block": ARCHITECTURES["mini-old"].image_layers}


def axis_table(records: Sequence[Record]) -> Table:
    """One row per method with its default settings: accuracy on old and carried to new, kept gain, size, training time.

    records: of the mini upgrade. ± is half of the 95 % interval over seeds. numbers: carried, mean over datasets.
    seconds: of a training on old, median over datasets and seeds.
    """
    rows = []
    plain = groups([record for record in records if record.is_plain], lambda record: record.method)
    for place, names in AXIS.items():
        for name in names:
            if name not in plain:
                continue
            reports = reports_of(plain[name])
            old, new = (over_seeds(reports, attrgetter(field)) for field in ("old", "new"))
            kept = with_interval(kept_shares(plain[name]))
            numbers = fmean(carried_numbers(record) for record in plain[name])
            seconds = median(row["train"] for record in plain[name] for row in record.training_seconds)
            gain = with_interval(over_seeds(reports, over_zero_shot), "+")
            cells = with_interval(old), with_interval(new), gain, kept, f"{numbers:,.0f}", f"{seconds:.1f}"
            rows.append((place, name_title(name), *cells))
    sets = {record.dataset for found in plain.values() for record in found}
    caption = (
        f"From shallow to deep: means over {len(sets)} datasets ± half of the 95 % interval over seeds; kept gain in "
        "percent. Numbers: carried. Seconds: of a training on old, one thread; the papers' methods encode pictures in "
        "that time, and for the newer ones that was done before. Mini."
    )
    columns = ("acts on", "method", "old", "new", "new − zero-shot", "kept gain", "numbers", "seconds")
    return Table(columns, tuple(rows), caption)


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


def survival_sentences(records: Sequence[Record], names: Sequence[str]) -> str:
    """One sentence per method on what of its gain survives, and which methods have no records: Markdown, a list."""
    plain = groups([record for record in records if record.is_plain], lambda record: record.method)
    lines = []
    for name in names:
        if name not in plain:
            continue
        reports = reports_of(plain[name])
        on_old, on_new = (change(reports, measure) for measure in (over_zero_shot_on_old, over_zero_shot))
        kept = kept_shares(plain[name])
        share = f", {kept.mean:.0f} % of what retraining gains" if kept and kept.mean > 0 else ""
        lines.append(
            f"- **{name_title(name)}** gains {with_interval(on_old, '+')} points on old. Carried, it is "
            f"{_AGAINST[on_new.direction]} zero-shot on new ({with_interval(on_new, '+')}){share}."
        )
    missing = [name_title(name) for name in names if name not in plain]
    return "\n".join(lines + [f"\nNot made yet: {', '.join(missing)}."] * bool(missing))


def _named(length: str, known: dict[str, int], n_ctx: int) -> int:
    """A length of a `Shape` in numbers."""
    name, _, share = length.partition("/")
    return n_ctx if name == "token" else known[name] // int(share or 1)

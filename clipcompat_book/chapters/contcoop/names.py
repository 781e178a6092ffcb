"""Does the lead go with a property of the dataset? Statistics of class names and of the teacher, and rank correlations.

Eleven datasets differ in many ways at once. So a correlation points at a property; it does not single it out. Several
lists of names for the same pictures do: `lists_table`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import fmean

import torch
import torch.nn.functional as F

from clipcompat.backbones.upgrade import Upgrade
from clipcompat.methods.parts.condition import Condition
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.comparison import holm
from clipcompat.studies.statistic import Statistic
from clipcompat_book.chapters.compatibility.controls import shipped_pair
from clipcompat_book.chapters.contcoop.factors import PLAIN, RIVAL, lead_by_dataset
from clipcompat_book.chapters.shots.curves import name_lists
from clipcompat_book.means import by_dataset, by_seed, of_method, reports_of
from clipcompat_book.words import STARS, datasets, starred

_HALF = "ContCoOp (λ = 0.5)"
_N = 16  # context tokens; a row's place plays no part in what is measured


@dataclass(frozen=True)
class Names:
    """Of one class list. tokens: mean per name. alike: mean cosine of two names' mean embeddings on old. moved: 1 minus
    the mean cosine of a token's embeddings on old and new.
    """

    tokens: float
    alike: float
    moved: float


def name_statistics(upgrade: Upgrade, names: Sequence[str]) -> Names:
    """Names of a class list, in the tokens of both backbones."""
    (old, mask), (new, _) = (Condition().rows(b, names, _N) for b in (upgrade.old, upgrade.new))
    means = F.normalize((old * mask[..., None]).sum(1) / mask.sum(1, keepdim=True), dim=-1)  # [class, width]
    cosines = means @ means.T
    others = ~torch.eye(len(means), dtype=torch.bool, device=means.device)
    return Names(
        tokens=float(mask.sum(1).float().mean()),
        alike=float(cosines[others].mean()),
        moved=1 - float(F.cosine_similarity(old[mask], new[mask], dim=-1).mean()),
    )


@dataclass(frozen=True)
class Association:
    """Spearman's rank correlation of a property with the lead over datasets; p and Holm's p over all properties."""

    name: str
    rho: float
    p: float
    holm: float


def associations(lead: Mapping[str, float], properties: Mapping[str, Mapping[str, float]]) -> list[Association]:
    """Of every property with the lead. Each has a value for every dataset of `lead`; a constant has rho 0, p 1."""
    from scipy.stats import spearmanr

    found = {}
    for name, values in properties.items():
        own = [values[d] for d in lead]
        same = min(len(set(own)), len(set(lead.values()))) == 1
        rho, p = (0.0, 1.0) if same else spearmanr(own, list(lead.values()))
        found[name] = float(rho), float(p)
    corrected = holm({name: p for name, (_, p) in found.items()})
    return [Association(name, rho, p, corrected[name]) for name, (rho, p) in found.items()]


def properties(records: Sequence[Record], names: Mapping[str, Names]) -> dict[str, dict[str, float]]:
    """Property -> dataset -> value. names: by dataset.

    "teacher": zero-shot minus CoOp on old, what distillation pulls towards. "upgrade": zero-shot on new minus on old.
    """
    plain = by_dataset(reports_of(of_method(shipped_pair(records), RIVAL)), attrgetter("old"))
    reports = reports_of(of_method(shipped_pair(records), "zero-shot"))
    old, new = (by_dataset(reports, attrgetter(field)) for field in ("zs_old", "zs_new"))
    found = {field: {d: getattr(own, field) for d, own in names.items()} for field in ("tokens", "alike", "moved")}
    found["teacher"] = {d: old[d] - plain[d] for d in names}
    found["upgrade"] = {d: new[d] - old[d] for d in names}
    return found


_TITLES = {
    "tokens": "tokens per name",
    "alike": "names alike (mean cosine of two names)",
    "moved": "names moved (1 − cosine of old and new tokens)",
    "teacher": "teacher: zero-shot minus CoOp, on old",
    "upgrade": "zero-shot: new minus old",
}


def names_table(records: Sequence[Record], names: Mapping[str, Names]) -> Table:
    """One row per property: its correlation over the datasets with the lead on new, and with what λ does on old.

    That is λ = 1 minus λ = 0.5, and not the lead on old, which shares CoOp's accuracy with the property "teacher".
    """
    values = properties(records, names)
    columns = []
    for field, rival in (("new", RIVAL), ("old", _HALF)):
        lead = {d: x for d, x in lead_by_dataset(records, attrgetter(field), rival).items() if d in names}
        columns.append({a.name: f"{a.rho:+.2f} (p {a.holm:.2f})" for a in associations(lead, values)})
    rows = []
    for name, title in _TITLES.items():
        low, high = min(values[name].values()), max(values[name].values())
        digits = ".2f" if high < 1 else ".1f"
        span = f"{fmean(values[name].values()):{digits}} ({low:{digits}} … {high:{digits}})"
        rows.append((title, span, *(column[name] for column in columns)))
    caption = f"Spearman's correlation over {datasets(len(names))}; p with Holm's correction over the {len(rows)} rows."
    return Table(("property", "mean (range)", "with the lead on new", "with λ: 0.5 → 1, on old"), tuple(rows), caption)


def lists_table(records: Sequence[Record]) -> Table:
    """One row per list of names that the same pictures were tuned with: the teacher, and the lead with and without it.

    records: of CoOp, of CoOp at ContCoOp's rate, of ContCoOp and of ContCoOp without distillation, on one dataset under
    each list of `name_lists`.
    """
    rows = []
    for title, names in name_lists().items():
        own = {r.titles.method: r.reports for r in records if tuple(r.inputs["classnames"]) == names}
        old, new = ({m: by_seed(made, attrgetter(field)) for m, made in own.items()} for field in ("old", "new"))
        teacher = own[RIVAL][0].zs_old - fmean(old[RIVAL].values())
        pairs = (old, PLAIN), (new, PLAIN), (new, f"{PLAIN} (λ = 0.0)"), (new, f"{RIVAL} (recipe.lr=0.008)")
        leads = [Statistic.paired(side[variant], side[RIVAL]) for side, variant in pairs]
        rows.append((title, f"{teacher:+.1f}", *map(starred, leads)))
    columns = ("names", "teacher", "lead on old", "lead on new", "λ = 0", "CoOp at that rate")
    seeds = min(len(r.per_seed) for r in records)
    caption = (
        "The cloth samples, the same pictures under four lists of names. Teacher: zero-shot minus CoOp, on old. Then "
        "points above CoOp: ContCoOp on both backbones; on new, ContCoOp without distillation, and CoOp at ContCoOp's "
        f"learning rate. ± half of the 95 % interval over {seeds} seeds; {STARS.split(';')[0]}."
    )
    return Table(columns, tuple(rows), caption)

"""Tables of the chapter: results by learner and by dataset, the paper's numbers beside ours, ablations, channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from clipcompat.runs.papers import read_table
from clipcompat.runs.records import Record
from clipcompat.runs.tables import Table
from clipcompat.studies.report import harmonic_mean
from clipcompat_book.chapters.dual.rows import (
    WEIGHT,
    Dual,
    base_gain,
    by_learner,
    common,
    difference,
    duals_of,
    new_change,
)
from clipcompat_book.means import groups
from clipcompat_book.words import STARS, datasets, short_name, starred, with_interval

_NOT_RUN = "not run here"
_NAMED = 4
"""Of more datasets than these, a caption says only how many."""
PAPER_ABLATION = (  # the paper's poster, CoOp, mean of eleven datasets: base, new
    ("CoOp", 81.98, 68.84),
    ("two steps", 82.69, 68.39),
    ("two steps, hard negatives", 84.28, 64.12),
    ("two steps, hard negatives, weighting", 85.15, 65.88),
    ("two steps, weighting, decoupling", 82.23, 68.84),
    ("all: DPC", 85.15, 68.84),
)
_MADE = (  # hard negatives; weight of the parallel prompt for base and for new classes
    (True, 0.0, 0.0),
    (False, 1.0, 1.0),
    (True, 1.0, 1.0),
    (True, WEIGHT, WEIGHT),
    (False, WEIGHT, 0.0),
    (True, WEIGHT, 0.0),
)


def results_table(duals: Sequence[Dual]) -> Table:
    """One row per learner, without DPC → with it, on old: base, new, H and joint, means over datasets and seeds."""
    rows = []
    for name, own in by_learner(duals).items():
        joint = difference(own, lambda d: d.row["old_joint"] - d.row["old_joint_first"])
        rows.append(
            (
                _titled(name, own, duals),
                _arrow(own, lambda d: d.at("old", "base", 0.0), lambda d: d.at("old", "base", WEIGHT)),
                with_interval(difference(own, base_gain("old")), "+"),
                f"{_mean(own, lambda d: d.at('old', 'new', 0.0)):.1f}",
                _arrow(own, lambda d: d.harmonic("old", 0.0, 0.0), lambda d: d.harmonic("old", WEIGHT, 0.0)),
                with_interval(joint, "+"),
            )
        )
    columns = ("learner", "base", "difference", "new", "H", "joint, difference")
    sets, seeds = len({d.dataset for d in duals}), len({d.seed for d in duals})
    caption = f"Percent on old, without DPC → with it (ω_b = {WEIGHT}, ω_n = 0), mean of {sets} datasets and {seeds} "
    return Table(
        columns, tuple(rows), caption + "seeds ± half of the 95 % interval. New is the same with and without. Mini."
    )


def upgrade_table(duals: Sequence[Dual]) -> Table:
    """One row per learner: base and new classes on old and carried to new, the learner alone against zero-shot, and DPC
    against the learner.
    """
    rows = []
    for name, own in by_learner(duals).items():
        cells = []
        for side, zero_shot in (("old", "zs_old"), ("carried", "zs_new")):
            for half in ("base", "new"):
                alone = difference(own, lambda d, s=side, z=zero_shot, h=half: d.at(s, h, 0.0) - d.row[f"{z}_{h}"])
                cells.append(
                    f"{_mean(own, lambda d, s=side, h=half: d.at(s, h, 0.0)):.1f} | {with_interval(alone, '+')}"
                )
            cells.append(with_interval(difference(own, base_gain(side)), "+"))
        rows.append((_titled(name, own, duals), *cells))
    columns = (
        "learner",
        *(f"{what}, {where}" for where in ("old", "carried") for what in ("base", "new", "DPC on base")),
    )
    caption = (
        f"The learner alone: percent | points against zero-shot on the same backbone. DPC on base: what ω_b = "
        f"{WEIGHT} adds to the learner; on new classes DPC adds nothing (ω_n = 0). Means over datasets and seeds ± "
        "half of the 95 % interval. Mini."
    )
    return Table(columns, tuple(rows), caption)


def choices_table(duals: Sequence[Dual]) -> Table:
    """One row per learner: what the upgrade takes of DPC's gain, what P_b would do to new names, ω_b chosen again."""
    rows = []
    for name, own in by_learner(duals).items():
        lost = difference(own, lambda d: base_gain("carried")(d) - base_gain("old")(d))
        chosen = difference(
            own, lambda d: d.at("carried", "base", d.most_certain("carried")) - d.at("carried", "base", WEIGHT)
        )
        mixed = (difference(own, new_change(side)) for side in ("old", "carried"))
        rows.append((_titled(name, own, duals), *(with_interval(x, "+") for x in (lost, *mixed, chosen))))
    columns = ("learner", "DPC's gain, carried − old", "P_b on new, old", "P_b on new, carried", "ω_b by certainty")
    caption = (
        "Points ± half of the 95 % interval. P_b on new: new classes with P_b instead of P; below 0 decoupling helps, "
        f"above it hurts. By certainty: base classes on new, against ω_b = {WEIGHT}. Mini."
    )
    return Table(columns, tuple(rows), caption)


def dataset_table(duals: Sequence[Dual]) -> Table:
    """One row per dataset, one column per learner: base without → with DPC / new, on old, means over seeds."""
    mine = {name: groups(own, lambda d: d.dataset) for name, own in by_learner(duals).items()}
    names = list(dict.fromkeys(d.dataset for d in duals))
    rows = [(short_name(name), *(_cell(own.get(name, [])) for own in mine.values())) for name in names]
    return Table(
        ("dataset", *mine), tuple(rows), "Base without → with DPC / new, percent on old, means over seeds. Mini."
    )


def _cell(own: Sequence[Dual]) -> str:
    if not own:
        return "–"
    without, with_it = (fmean(d.at("old", "base", omega) for d in own) for omega in (0.0, WEIGHT))
    return f"{without:.1f} → {with_it:.1f} / {fmean(d.at('old', 'new', 0.0) for d in own):.1f}"


def paper_table(duals: Sequence[Dual]) -> Table:
    """Without DPC → with it: the paper's averages for its four learners, and ours with the interval of the gain."""
    printed = {row["method"]: row for row in read_table("dpc_base_to_new.csv") if row["dataset"] == "Average"}
    mine = by_learner(duals)
    learners = [name for name in printed if not name.endswith("+DPC")]
    rows = []
    for name in (*learners, *(n for n in mine if n not in learners)):
        paper, ours = ["not in the paper", "", ""], [_NOT_RUN, "", ""]
        if name in printed:
            alone, dual = printed[name], printed[f"{name}+DPC"]
            gain = f"{float(dual['base']) - float(alone['base']):+.1f}"
            paper = [f"{_to(alone, dual, 'base')} ({gain})", f"{float(alone['new']):.2f}", _to(alone, dual, "h")]
        if own := mine.get(name):
            base = _arrow(own, lambda d: d.at("old", "base", 0.0), lambda d: d.at("old", "base", WEIGHT))
            hs = _arrow(own, lambda d: d.harmonic("old", 0.0, 0.0), lambda d: d.harmonic("old", WEIGHT, 0.0))
            gain = with_interval(difference(own, base_gain("old")), "+")
            ours = [f"{base} ({gain})", f"{_mean(own, lambda d: d.at('old', 'new', 0.0)):.1f}", hs]
        rows.append((_titled(name, own, duals) if own else name, *paper, *ours))
    what = ("base (gain)", "new", "H")
    columns = ("learner", *(f"paper: {x}" for x in what), *(f"ours: {x}" for x in what))
    caption = "Percent, without DPC → with it. The paper: ViT-B/16, eleven datasets, 3 seeds; not run here. Ours: the "
    return Table(columns, tuple(rows), caption + "miniature, gain ± half of the 95 % interval. Compare patterns.")


def _to(alone: Mapping[str, str], dual: Mapping[str, str], what: str) -> str:
    return f"{float(alone[what]):.2f} → {float(dual[what]):.2f}"


def ablation_table(records: Sequence[Record]) -> Table:
    """The paper's ablation of DPC over CoOp with ours beside it, on the datasets that have both trainings."""
    hard, plain = (by_learner(duals_of(records, setting))["CoOp"] for setting in ("", "hard_negatives=False"))
    own = {True: common(hard, plain), False: common(plain, hard)}
    rows = []
    for (name, base, new), (negatives, omega_base, omega_new) in zip(PAPER_ABLATION, _MADE, strict=True):
        ours = own[negatives]
        change = difference(ours, lambda d, w=omega_base: d.at("old", "base", w) - d.at("old", "base", 0.0))
        lost = difference(ours, lambda d, w=omega_new: d.at("old", "new", w) - d.at("old", "new", 0.0))
        rows.append(
            (
                name,
                f"{base:.1f} / {new:.1f} (H {harmonic_mean(base, new):.1f})",
                f"{base - PAPER_ABLATION[0][1]:+.1f} / {new - PAPER_ABLATION[0][2]:+.1f}",
                f"{with_interval(change, '+')} / {with_interval(lost, '+')}" if omega_base else "+0.0 / +0.0",
            )
        )
    caption = (
        f"Base / new on old. Ours: points against CoOp alone ± half of the 95 % interval, {_on(own[True])}; mini. "
    )
    return Table(
        ("", "the paper, percent", "the paper, points against CoOp", "ours, points against CoOp"), tuple(rows), caption
    )


def second_training_table(records: Sequence[Record]) -> Table:
    """One row per learner: a second training with its own loss, and hard negatives against that; base classes, old."""
    hard, rows = by_learner(duals_of(records)), []
    for name, plain in by_learner(duals_of(records, "hard_negatives=False")).items():
        own = {(d.dataset, d.seed): base_gain("old")(d) for d in plain}
        more = difference(common(hard[name], plain), lambda d, own=own: base_gain("old")(d) - own[d.dataset, d.seed])
        rows.append((name, starred(difference(plain, base_gain("old"))), starred(more)))
    count = datasets(len({d.dataset for d in duals_of(records, "hard_negatives=False")}))
    caption = (
        f"Base classes on old, {count}, ω_b = {WEIGHT}: what a second training with the learner's own loss adds, "
        f"and what hard negatives add to that, in points, ± half of the 95 % interval; {STARS}. Mini."
    )
    return Table(("learner", "own loss again", "hard negatives instead"), tuple(rows), caption)


def top_k_table(records: Sequence[Record]) -> Table:
    """How many of the first classes give negatives: base classes with ω_b, on datasets with every K of the records."""
    known = {r.titles.label for r in records}
    own = {8: by_learner(duals_of(records))["CoOp"]}
    own |= {k: duals_of(records, f"top_k={k}") for k in (1, 2, 4) if f"dpc (top_k={k})" in known}
    shared = min(own.values(), key=len)
    rows = []
    for k in sorted(own):
        mine = common(own[k], shared)
        gain, alone = (difference(mine, base_gain("old", weight)) for weight in (WEIGHT, 1.0))
        rows.append((str(k), with_interval(gain, "+"), with_interval(alone, "+")))
    caption = f"Base classes on old, points against CoOp alone ± half of the 95 % interval, {_on(shared)}; mini."
    return Table(("K", f"P_b, ω_b = {WEIGHT}", "P′ alone"), tuple(rows), caption)


def preset_table(records: Sequence[Record]) -> Table:
    """What the paper describes against what the released code does, over each learner of both: base and joint."""
    as_described, as_released, rows = by_learner(duals_of(records)), duals_of(records, "preset=released"), []
    for learner, released in by_learner(as_released).items():
        described = as_described[learner]
        for name, own, weight in (
            ("described", common(described, released), WEIGHT),
            ("released", common(released, described), 1.0),
        ):
            gain = difference(own, base_gain("old", weight))
            carried = difference(own, base_gain("carried", weight))
            joint = difference(own, lambda d: d.row["old_joint"] - d.row["old_joint_first"])
            rows.append((f"{learner}, {name}", *(with_interval(x, "+") for x in (gain, carried, joint))))
    caption = f"Points against the learner alone ± half of the 95 % interval, {_on(as_released)}; mini."
    return Table(("preset", "base, on old", "base, carried to new", "joint, on old"), tuple(rows), caption)


def channels_table(duals: Sequence[Dual]) -> Table:
    """Channel correlation and overlap of P and P', beside a random step of equal length."""
    rows = []
    for name, own in by_learner(duals).items():
        cells = [f"{100 * _mean(own, lambda d: d.row['step']):.0f} % of P"]
        for what in ("correlation", "overlap"):
            gap = difference(own, lambda d, w=what: 100 * (d.row[w] - d.row[f"random_{w}"]))
            trained, random = (_mean(own, lambda d, w=w: d.row[w]) for w in (what, f"random_{what}"))
            cells += [f"{trained:.3f}, random {random:.3f}", with_interval(gap, "+")]
        rows.append((name, *cells))
    columns = ("learner", "length of the step", "correlation", "difference · 100", "overlap", "difference · 100")
    caption = "Of P and P′, means over tokens, datasets and seeds; beside it a random step of equal length. Mini."
    return Table(columns, tuple(rows), caption)


def _titled(name: str, own: Sequence[Dual], duals: Sequence[Dual]) -> str:
    """The learner, with the number of its datasets where others have more."""
    mine, most = (len({d.dataset for d in some}) for some in (own, duals))
    return name if mine == most else f"{name} ({mine} of {most} sets)"


def _on(own: Sequence[Dual]) -> str:
    """ "on tints, textures", or how many where naming them would fill the line."""
    names = dict.fromkeys(d.dataset for d in own)
    return "on " + (", ".join(map(short_name, names)) if len(names) <= _NAMED else datasets(len(names)))


def _mean(own: Sequence[Dual], measure) -> float:
    """Mean over datasets of the means over seeds."""
    return fmean(fmean(map(measure, same)) for same in groups(own, lambda d: d.dataset).values())


def _arrow(own: Sequence[Dual], first, second) -> str:
    return f"{_mean(own, first):.1f} → {_mean(own, second):.1f}"

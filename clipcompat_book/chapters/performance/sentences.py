"""Sentences on time and memory, and one table, computed from measurements; they change when those do."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat.methods.coop import CoOp
from clipcompat.runs.tables import Table
from clipcompat.training.loop import DEFAULT_VIEWS
from clipcompat_book.chapters.performance.measurements import Performance, Point, Training
from clipcompat_book.words import name_title


def duration(seconds: float) -> str:
    """ "85 ms", "1.6 s", "53 min", "16.4 h": what a reader can imagine."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """ "0.2 MB", "37 MB", "5.6 GB"."""
    if count < 1e9:
        return f"{count / 1e6:.0f} MB" if count >= 1e7 else f"{count / 1e6:.1f} MB"
    return f"{count / 1e9:.1f} GB"


def devices_sentence(measured: Sequence[Performance]) -> str:
    """On what it was measured, and what is missing: Markdown."""
    devices = "; ".join(f"{p.device}, torch {p.torch}" for p in measured)
    words = f"Measured on: {devices}."
    if all("CPU" in p.device for p in measured):
        words += (
            " **Rows of a GPU are missing, as none was at hand.** What this page says of speed, it says of that "
            "processor."
        )
    return words


def speed_table(measured: Performance) -> Table:
    """Every step at the text side, pass of pictures and whole training: plain, fast, and their ratio."""
    rows = []
    for r in measured.rows:
        if r.kind == "step":
            what, plain = f"step, {r.title}, {r.dtype}", "plain"
        elif r.kind == "towers":
            what, plain = f"step from pixels, {r.title}, {r.dtype}", "plain"
        elif r.kind == "images":
            what, plain = f"pictures forward, {r.title}, {r.dtype}", r.reference
        elif r.kind == "training":
            what, plain = (
                f"whole training, {r.title}",
                "plain, extrapolated" if r.extrapolated else "plain, run to its end",
            )
        else:
            continue
        rows.append((what, f"{duration(r.reference_s)} ({plain})", duration(r.fast_s), f"{r.ratio:.1f} ×"))
    caption = "A step is forward and backward at the text side, or from pixels in both towers. "
    caption += "Extrapolated: steps were timed and multiplied."
    return Table(("what", "compared with", "here", "as fast"), tuple(rows), caption)


def limit_sentence(measured: Performance, method: str) -> str:
    """How near a step is to the time that its multiplications alone take: Markdown."""
    points = measured.sweep("classes", method)
    share = {p.classes: p.seconds / p.limit_s for p in points}
    shown = 1000 if 1000 in share else max(share)
    near, far = min(share, key=share.get), max(share, key=share.get)
    return (
        f"**{name_title(method)}** takes **{share[shown]:.1f} times** the arithmetic limit with {shown:,} classes: "
        f"{duration(_at(points, shown).seconds)}, where the multiplications alone would take "
        f"{duration(_at(points, shown).limit_s)}. It is nearest with {near:,} classes ({share[near]:.1f} times), and "
        f"farthest with {far:,} ({share[far]:.1f} times)."
    )


def growth_sentence(measured: Performance, method: str) -> str:
    """From the fewest classes to the most: Markdown."""
    points = measured.sweep("classes", method)
    first, last = points[0], points[-1]
    return (
        f"**{name_title(method)}:** {_grown(last.classes / first.classes)} as many classes ({first.classes:,} → "
        f"{last.classes:,}) take {_grown(last.seconds / first.seconds)} as long; the arithmetic limit became "
        f"{_grown(last.limit_s / first.limit_s)} as long."
    )


def context_sentence(measured: Performance, method: str) -> str:
    """From the shortest context to the longest: Markdown."""
    points = measured.sweep("context", method)
    first, last = points[0], points[-1]
    return (
        f"**{name_title(method)}**, {first.classes} classes: with {last.n_ctx} context tokens instead of {first.n_ctx} "
        f"a step takes {_grown(last.seconds / first.seconds)} as long ({duration(first.seconds)} → "
        f"{duration(last.seconds)}); the arithmetic limit became {_grown(last.limit_s / first.limit_s)} as long."
    )


def memory_sentence(measured: Performance, method: str) -> str:
    """The largest step that was run, and where both ways were, their difference: Markdown."""
    fast = measured.sweep("classes", method)
    plain = [p for p in measured.points if (p.sweep, p.method, p.way) == ("classes", method, "plain")]
    last, parts = fast[-1], sum(fast[-1].kept.values())
    again = parts - last.kept.get("everything", 0)
    where = "in one part" if parts == 1 else f"in {parts} parts"
    words = (
        f"**{name_title(method)}:** the largest step, with {last.classes:,} classes, took {size(last.memory_bytes)} "
        f"beyond what was held before, {where}; backward ran {again or 'none'} of them again."
    )
    if plain:
        most = max(plain, key=lambda p: p.classes)
        words += (
            f" With {most.classes} classes the plain way took {size(most.memory_bytes)}, the fast one "
            f"{size(_at(fast, most.classes).memory_bytes)}."
        )
    return words


def chunks_sentence(measured: Performance) -> str:
    """What a budget costs in time, and whether it was kept: Markdown."""
    texts = []
    for row in (r for r in measured.rows if r.kind == "chunks"):
        parts = row.parts or {}
        over = " (**more than it was given**)" if row.peak > row.budget else ""
        texts.append(
            f"**{row.title}** with a budget of {size(row.budget)}: the process took {size(row.peak)} at most{over}; "
            f"a class took {1 / row.ratio:.2f} times as long as where everything is kept, as "
            f"{sum(parts.values()) - parts.get('everything', 0)} of {sum(parts.values())} parts were run again; "
            f"features differ by {row.features:.0e} at most, gradients by {row.gradients:.0e} of the largest"
        )
    return "; ".join(texts) + "."


def exact_sentence(measured: Performance) -> str:
    """The largest difference of both ways, for each number type: Markdown."""
    parts = []
    for dtype in dict.fromkeys(r.dtype for r in measured.rows):
        rows = [r for r in measured.rows if (r.kind, r.dtype) == ("step", dtype)]
        if rows:
            most = [max(getattr(r, what) or 0 for r in rows) for what in ("features", "gradients", "largest")]
            parts.append(
                f"{dtype} features by {most[0]:.0e} (the largest is {most[2]:.1f}), gradients by {most[1]:.0e} of the "
                "largest gradient"
            )
    return f"In the steps of the first figure, fast and plain differ at most: {'; '.join(parts)}."


def shots_sentence(measured: Performance, method: str) -> str:
    """Time from the fewest shots to the most: Markdown."""
    first, last = (measured.shots(method)[i] for i in (0, -1))
    share = last.seconds / last.limit_s
    return (
        f"**{name_title(method)}:** {duration(first.seconds)} with {_shots(first)} per class, {duration(last.seconds)} "
        f"with {last.shots}, **{share:.1f} times** the arithmetic limit; of them {duration(first.pictures_s)} and "
        f"{duration(last.pictures_s)} for the pictures, which another training finds encoded. The steps grew from "
        f"{first.steps:,} to {last.steps:,}."
    )


def shots_memory_sentence(measured: Performance, method: str) -> str:
    """Memory from the fewest shots to the most: Markdown."""
    first, last = (measured.shots(method)[i] for i in (0, -1))
    return (
        f"**{name_title(method)}:** with {_shots(first)} per class encoding took {size(first.pictures_bytes)} at most "
        f"and training {size(first.steps_bytes)}; with {_shots(last)} {size(last.pictures_bytes)} and "
        f"{size(last.steps_bytes)}. Meanwhile what is kept of the pictures grew from {size(first.views_bytes)} to "
        f"{size(last.views_bytes)}."
    )


def training_table(measured: Performance) -> Table:
    """Where the time of a whole training of CoOp goes, 47 classes and 16 shots: pictures, text, both."""
    method, pictures = CoOp(), 16 * 47
    steps = method.recipe.epochs_for("dtd", 16, pictures) * method.recipe.steps_for(pictures)
    whole, step = measured.row("coop-training"), measured.row("coop-47")
    ways = {
        "official loop": (steps * method.recipe.batch_size, whole.reference_s, steps * step.reference_s),
        "here": (DEFAULT_VIEWS * pictures, whole.fast_s, steps * step.fast_s),
    }
    rows = [
        (way, f"{seen:,}", duration(total - text), duration(text), duration(total), f"{1 - text / total:.0%}")
        for way, (seen, total, text) in ways.items()
    ]
    columns = ("", "pictures encoded", "time for them", f"{steps:,} text steps", "together", "share of pictures")
    caption = "A training of CoOp, 47 classes of 16 pictures. Extrapolated: the parts were timed and multiplied."
    return Table(columns, tuple(rows), caption)


def _shots(training: Training) -> str:
    return f"{training.shots} shot{'s' * (training.shots > 1)}"


def _at(points: Sequence[Point], classes: int) -> Point:
    return next(p for p in points if p.classes == classes)


def _grown(factor: float) -> str:
    return f"{factor:,.0f} times" if factor >= 10 else f"{factor:.1f} times"

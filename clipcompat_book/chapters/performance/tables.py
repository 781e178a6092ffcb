"""Tables of time and memory, computed from measurements; they change when those do.

cpu = committed_performance()[0]
growth_table(cpu)                   # a step by the number of classes, beside the arithmetic limit
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clipcompat.methods.coop import CoOp
from clipcompat.runs.tables import Table
from clipcompat.training.loop import DEFAULT_VIEWS
from clipcompat_book.chapters.performance.measurements import Performance, Point, Training
from clipcompat_book.chapters.performance.sentences import duration, size
from clipcompat_book.words import name_title

_METHODS = ("coop", "contcoop")
_KINDS = {"step": "step", "towers": "step from pixels", "images": "pictures forward", "training": "whole training"}
"""Kind of a row -> how the first table calls it."""


def speed_table(measured: Performance) -> Table:
    """Every step at the text side, pass of pictures and whole training: plain, fast, and their ratio.

    On hover a row says what it is compared with.
    """
    rows, hover = [], []
    for r in measured.rows:
        if r.kind not in _KINDS:
            continue
        what = f"{_KINDS[r.kind]}, {r.title}" + f", {r.dtype}" * (r.kind != "training")
        plain = duration(r.reference_s) + " *" * r.extrapolated
        rows.append((what, plain, duration(r.fast_s), f"{r.ratio:.1f} ×"))
        hover.append(f"compared with {r.reference if r.kind == 'images' else 'the plain way'}")
    caption = (
        "A step is forward and backward at the text side, or from pixels in both towers. Pictures are compared with "
        "open_clip, and steps and trainings with the plain way. *: steps were timed and multiplied; a training without "
        "it was run to its end."
    )
    return Table(("what", "plain", "here", "as fast"), tuple(rows), caption, tuple(hover))


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


def growth_table(measured: Performance, sweep: str = "classes") -> Table:
    """Seconds of a step of both methods, and how many times the arithmetic limit they are.

    sweep: what grows, "classes" or "context".
    """

    def cells(point: Point) -> tuple[str, str]:
        return duration(point.seconds), f"{point.seconds / point.limit_s:.1f} ×"

    columns = ("classes" if sweep == "classes" else "context tokens",)
    for method in _METHODS:
        columns += (name_title(method), "of the limit")
    fixed = "" if sweep == "classes" else f", {measured.sweep(sweep, _METHODS[0])[0].classes} classes"
    caption = f"A step{fixed}: its time, and that time over what its multiplications alone would take. –: not run."
    return Table(columns, _by_size(measured, sweep, cells), caption)


def memory_table(measured: Performance) -> Table:
    """What a step of each size took beyond what the process held before: the plain way, and both methods."""

    def cells(point: Point) -> tuple[str, str]:
        parts = sum(point.kept.values())
        again = parts - point.kept.get("everything", 0)
        return _memory(point), f"{parts}" + f" ({again} again)" * bool(again)

    plain = {f"{p.classes:,}": p for p in measured.sweep("classes", "coop", "plain")}
    rows = tuple(
        (count, _memory(plain[count]) if count in plain else "–", *rest)
        for count, *rest in _by_size(measured, "classes", cells)
    )
    columns = ("classes", "CoOp, plain", *(words for m in _METHODS for words in (name_title(m), "parts")))
    caption = (
        "The most memory of a step, beyond what was held before. Parts: into how many the prompts were divided; again: "
        "so many of them ran a second time in backward. –: not run."
    )
    return Table(columns, rows, caption)


def _memory(point: Point) -> str:
    return size(point.memory_bytes) if point.memory_bytes else "–"


def chunks_table(measured: Performance) -> Table:
    """What a budget costs in time, and whether it was kept: one column per measurement."""
    found = [row for row in measured.rows if row.kind == "chunks"]
    parts = [row.parts or {} for row in found]
    lines = {
        "budget": [size(row.budget) for row in found],
        "the process took": [size(row.peak) + " (more)" * (row.peak > row.budget) for row in found],
        "time of a class, to everything kept": [f"{1 / row.ratio:.2f} ×" for row in found],
        "parts run again": [f"{sum(p.values()) - p.get('everything', 0)} of {sum(p.values())}" for p in parts],
        "features differ by": [f"{row.features:.0e}" for row in found],
        "gradients differ by": [f"{row.gradients:.0e}" for row in found],
    }
    caption = "Gradients: of the largest one. (more): than the budget."
    rows = tuple((what, *cells) for what, cells in lines.items())
    return Table(("", *(row.title for row in found)), rows, caption)


def exact_table(measured: Performance) -> Table:
    """The largest difference of both ways in the steps of the first figure, for each number type."""
    rows = []
    for dtype in dict.fromkeys(r.dtype for r in measured.rows):
        own = [r for r in measured.rows if (r.kind, r.dtype) == ("step", dtype)]
        if own:
            features, gradients, largest = (
                max(getattr(r, what) or 0 for r in own) for what in ("features", "gradients", "largest")
            )
            rows.append((dtype, f"{features:.0e}", f"{largest:.1f}", f"{gradients:.0e}"))
    columns = ("numbers", "features differ by", "largest feature", "gradients differ by")
    caption = "Fast against plain in the steps of the first figure, at most. Gradients: of the largest one."
    return Table(columns, tuple(rows), caption)


def shots_table(measured: Performance) -> Table:
    """A whole training with the fewest shots and with the most: time, and what it is made of."""
    return _shots(
        measured,
        "A whole training of ten classes. Another one finds the pictures encoded.",
        {
            "from pictures to a plug-in": lambda t: duration(t.seconds),
            "of it for pictures": lambda t: duration(t.pictures_s),
            "of the arithmetic limit": lambda t: f"{t.seconds / t.limit_s:.1f} ×",
            "steps": lambda t: f"{t.steps:,}",
        },
    )


def shots_memory_table(measured: Performance) -> Table:
    """The same for memory, beyond what the process held before."""
    return _shots(
        measured,
        "The most memory in encoding and in training, and what is kept of the pictures.",
        {
            "encoding": lambda t: size(t.pictures_bytes),
            "training": lambda t: size(t.steps_bytes),
            "kept of pictures": lambda t: size(t.views_bytes),
        },
    )


def _shots(measured: Performance, caption: str, lines: dict[str, Callable[[Training], str]]) -> Table:
    ends = [training for method in _METHODS for training in (measured.shots(method)[i] for i in (0, -1))]
    columns = (f"{name_title(t.method)}, {t.shots} shot{'s' * (t.shots > 1)}" for t in ends)
    return Table(("", *columns), tuple((what, *map(tell, ends)) for what, tell in lines.items()), caption)


def _by_size(
    measured: Performance, sweep: str, cells: Callable[[Point], tuple[str, str]]
) -> tuple[tuple[str, ...], ...]:
    """One row per size of any method, with the two cells of each."""
    place = {"classes": "classes", "context": "n_ctx"}[sweep]
    own = [{getattr(p, place): p for p in measured.sweep(sweep, method)} for method in _METHODS]
    sizes: Sequence[int] = sorted(set().union(*own))
    return tuple(
        (f"{n:,}", *(cell for points in own for cell in (cells(points[n]) if n in points else ("–", "–"))))
        for n in sizes
    )

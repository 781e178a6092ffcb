"""The decision guide: questions to click through, each recommendation computed from the records; it has no script."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clipcompat_book.chapters.chains.warm import ALL, WarmRun
from clipcompat_book.chapters.repair.rows import ENOUGH, Repaired, verdict_of
from clipcompat_book.means import groups
from clipcompat_book.words import datasets, points

_DO = {
    "keep": "Keep it. Nothing has to be done.",
    "repair": "Repair it: <code>clipcompat repair</code>, some 200 pictures of the task, no label.",
    "warm-start": "Train it again with labels, from the carried plug-in (a warm start).",
    "retrain": "Train it again with labels.",
}


@dataclass(frozen=True)
class Guide:
    """Shows as nested boxes that open on a click; prints as text. steps: (question, ((answer, what to do), …))."""

    steps: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]

    def _repr_html_(self) -> str:
        boxes = []
        for question, answers in self.steps:
            inner = "".join(_box(html.escape(answer), f"<p>{what}</p>") for answer, what in answers)
            boxes.append(_box(f"<b>{html.escape(question)}</b>", inner))
        return "".join(boxes)

    def __str__(self) -> str:
        return "\n".join(
            f"{question}\n" + "\n".join(f"  {a}: {w}" for a, w in answers) for question, answers in self.steps
        )


def guide(methods: Mapping[str, Repaired], warm: Mapping[str, Sequence[WarmRun]]) -> Guide:
    """What to do with plug-ins of each method after this upgrade, by how the plug-in's tensors can be taken along.

    warm: runs of `warm_runs`; a method that they have is told where its training should start.
    """
    by_how = groups(methods.items(), lambda named: named[1].how)
    questions = {
        "map": "The plug-in is rows over image features: a linear probe, a cache of keys",
        "imitate": "The plug-in is a prompt, or a small network",
    }
    steps = [
        (question, tuple((title, _advice(method, warm.get(title, ()))) for title, method in by_how[how]))
        for how, question in questions.items()
        if how in by_how
    ]
    return Guide((*steps, _audited()))


def _advice(method: Repaired, warm: Sequence[WarmRun]) -> str:
    shares = {name: f"{100 * method.share(name):.0f} %" for name in ("carried", "repaired")}
    flips = {
        name: f"{method.mean(method.column(name) + '_flips'):.1f}" for name in ("carried", "repaired", "retrained")
    }
    sets = len(method.gain("carried").by_dataset)
    told = [
        _DO[verdict_of(method, warm)],
        f"Of what retraining adds to zero-shot it has {shares['carried']} carried and {shares['repaired']} repaired "
        f"({datasets(sets)} of the miniature). {100 * ENOUGH:.0f} % would be enough.",
        f"Pictures right before and wrong after: {flips['carried']} % carried, {flips['repaired']} % repaired, "
        f"{flips['retrained']} % retrained.",
    ]
    if warm:
        gap, few = (value(warm, "carried") - value(warm, "scratch") for value in (_mean, _few))
        sets, seeds = (len({getattr(run, part) for run in warm}) for part in ("dataset", "seed"))
        told.append(
            f"Training from the carried plug-in ends {points(gap, 'above', 'below')} training from scratch, and is "
            f"{points(few, 'above', 'below')} it after two epochs ({datasets(sets)}, "
            f"{seeds} seed{'s' * (seeds != 1)})."
        )
    return " ".join(told)


def _mean(warm: Sequence[WarmRun], start: str) -> float:
    return sum(run.value(start, "shots", ALL) for run in warm) / len(warm)


def _few(warm: Sequence[WarmRun], start: str) -> float:
    return sum(run.value(start, "epochs", "2") for run in warm) / len(warm)


def _audited() -> tuple[str, tuple[tuple[str, str], ...]]:
    command = "<code>clipcompat audit plugins/*.safetensors --new BACKBONE{}</code>"
    return (
        "You want it measured on your own plug-ins",
        (
            ("With labelled pictures", f"{command.format(' --images DIR --labels CSV')}: accuracies are measured."),
            ("With pictures alone", f"{command.format(' --images DIR')}: accuracies are predicted, with an interval."),
            ("With nothing", f"{command.format('')}: tensors and stamps are compared, and it says so."),
        ),
    )


def _box(summary: str, inner: str) -> str:
    style = "border:1px solid #8886;border-radius:.4rem;padding:.3rem .8rem;margin:.4rem 0"
    return f'<details style="{style}"><summary style="cursor:pointer">{summary}</summary>{inner}</details>'

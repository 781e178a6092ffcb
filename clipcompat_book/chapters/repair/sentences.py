"""What repairs give, in sentences that change with the records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clipcompat.methods import METHODS
from clipcompat_book.chapters.chains.warm import WarmRun
from clipcompat_book.chapters.repair.rows import ENOUGH, VERDICTS, Repaired, verdict_of
from clipcompat_book.words import by_direction, datasets


def records_sentence(methods: Mapping[str, Repaired]) -> str:
    """Which methods the records have, and which that can be repaired are not made yet."""
    missing = [kind.title for name, kind in METHODS.items() if kind.title not in methods and name != "zero_shot"]
    rest = f" Not made yet: {', '.join(missing)}." if missing else ""
    return f"In the records: {', '.join(methods)}.{rest}"


def answer_sentence(methods: Mapping[str, Repaired], warm: Mapping[str, Sequence[WarmRun]]) -> str:
    """Which methods to keep, repair, warm-start and retrain. warm: runs of `warm_runs`."""
    found = {title: verdict_of(method, warm.get(title, ())) for title, method in methods.items()}
    verdicts = {v: [title for title, own in found.items() if own == v] for v in VERDICTS}
    told = "; ".join(f"**{verdict}**: {', '.join(titles)}" for verdict, titles in verdicts.items() if titles)
    sets = len(next(iter(methods.values())).gain("carried").by_dataset)
    seeds = len({row["seed"] for _, row in next(iter(methods.values())).rows})
    return (
        f"The cheapest step that keeps {100 * ENOUGH:.0f} % of what retraining adds to zero-shot ({datasets(sets)}, "
        f"{seeds} seeds): {told}."
    )


def needless_sentence(sizes: Mapping[str, Mapping[str, Repaired]]) -> str:
    """What a repair does to plug-ins that need none, on the control in which nothing changes; "" without records."""
    gaps = {title: method.behind("repaired", "carried") for title, method in sizes.get("nothing", {}).items()}
    return f"**Where nothing changes, repaired against carried:** {by_direction(gaps)}." if gaps else ""


def controls_sentence(controls: Mapping[str, Mapping[str, Repaired]]) -> str:
    """What repairs give where new is not made from old: the least and the most of what retraining adds there."""
    told = []
    for words, control in controls.items():
        shares = {title: 100 * method.share("repaired") for title, method in control.items()}
        ends = dict.fromkeys((min(shares, key=shares.get), max(shares, key=shares.get)))
        told.append(f"**{words.capitalize()}:** {' to '.join(f'{shares[t]:.0f} % ({t})' for t in ends)}.")
    return "Of what retraining adds, repaired plug-ins have: " + " ".join(told)

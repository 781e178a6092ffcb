"""What the study of depth says, in sentences and tables made from records: they change when these do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

from clipcompat.runs.tables import Table
from clipcompat.studies.comparison import Verdict, agrees
from clipcompat.studies.statistic import DIRECTIONS, Statistic
from clipcompat_book.chapters.drift.depth import NOISE, Depth, Measure, lost, old_gain
from clipcompat_book.chapters.drift.first_steps import Steps
from clipcompat_book.means import compared, groups
from clipcompat_book.words import apart, datasets, short_name, starred, with_interval

PAPER_CLAIM = "the deeper the context enters, the lower its accuracy on the new backbone (Fig. 2d; DTD alone)"
_VERDICTS: Mapping[Verdict, str] = {
    "agrees": "agrees with the paper's direction",
    "disagrees": "contradicts the paper's direction",
    "undecided": "decides nothing",
}


def paper_sentence(found: Depth, way: str = NOISE) -> str:
    """The paper's claim, and the deepest layer against layer 0 on new, over all datasets and on each: Markdown."""
    gap, last = _deepest(found.against_layer_0(way, attrgetter("new")))
    where = _each(found, way, attrgetter("new"), last)
    wide = compared(found.reports[way][last], found.reports[way][0], attrgetter("new"))
    return (
        f"**The paper:** {PAPER_CLAIM}. **On the miniature** ({way}), on new, layer {last} against layer 0: "
        f"{apart(gap)}. On these datasets, this {_VERDICTS[agrees(gap, -1)]}. Dataset by dataset: {where}. With an "
        f"interval over datasets too, for what others would do: {apart(wide)}. ({_basis(found, gap)})"
    )


def layers_table(found: Depth, way: str) -> Table:
    """Every deeper layer against layer 0, on old, carried to new and retrained on new."""
    rows = []
    for name, field in (("old", "old"), ("carried to new", "new"), ("retrained on new", "retrained")):
        gaps = found.against_layer_0(way, attrgetter(field))
        ways = [", ".join(str(n) for n, gap in gaps.items() if gap.direction == how) or "–" for how in DIRECTIONS]
        rows.append((name, *ways, starred(_deepest(gaps)[0])))
    last = max(found.reports[way])
    columns = ("accuracy", *(f"{how} at" for how in DIRECTIONS), f"layer {last} − layer 0")
    caption = f"Layers against layer 0, {way}. Points ± half of the 95 % interval over seeds; * it leaves 0 out. Mini."
    return Table(columns, tuple(rows), caption)


def headroom_table(found: Depth) -> Table:
    """Per way of training, layer 0 and the deepest layer where something can be gained: gains, losses and their share.

    Ways without such a deeper layer have no row. On hover, a row says on which datasets more or less is lost there.
    """
    rows, hover = [], []
    for way in found.reports:
        kept = found.kept_by_seed(way)
        if 0 not in kept or not set(kept) - {0}:
            continue
        last, shares = max(kept), found.kept(way)
        gains, losses = found.over_seeds(way, old_gain), found.over_seeds(way, lost)
        for layer in (0, last):
            more = starred(found.against_layer_0(way, lost)[layer]) if layer else ""
            row = (with_interval(gains[layer], "+"), with_interval(losses[layer]), more, with_interval(shares[layer]))
            rows.append((f"{way}, layer {layer}", *row))
            hover.append(_each(found, way, lost, layer, {"higher": "more", "lower": "less"}) if layer else "")
    columns = ("context", "gain on old", "lost by carrying", "more than at 0", "kept, %")
    caption = (
        "Layer 0, and the deepest layer where retraining on new gains something. Points ± half of the 95 % interval "
        "over seeds; * it leaves 0 out. Kept: share of retraining's gain. Mini."
    )
    return Table(columns, tuple(rows), caption, tuple(hover))


def headroom_sentence(found: Depth) -> str:
    """Where nothing can be gained, and whether carrying loses more at a deeper layer than at layer 0: Markdown."""
    none, verdicts = {}, {}
    for way in found.reports:
        kept = found.kept_by_seed(way)
        none[way] = _beyond([*found.reports[way]], kept)
        verdicts[way] = _verdict(found, way, kept)
    told = [f"{where} ({'; '.join(ways)})" for where, ways in groups(none, none.__getitem__).items() if where]
    words = ["Retraining on new gains nothing over zero-shot, so that nothing could be kept, " + ", ".join(told) + "."]
    words *= bool(told)
    for verdict, ways in groups(verdicts, verdicts.__getitem__).items():
        words.append(f"**{_capital('; '.join(ways))}.** {verdict}.")
    return " ".join(words)


def _beyond(layers: Sequence[int], kept: Mapping[int, object]) -> str:
    """The layers that are not among `kept`: "beyond layer 1" if these are all deeper ones, else each; "" for none."""
    none, last = [layer for layer in layers if layer not in kept], max(kept, default=0)
    whole = none == [layer for layer in layers if layer > last]
    return "" if not none else f"beyond layer {last}" if whole else f"at {_layers(none)}"


def _verdict(found: Depth, way: str, kept: Mapping[int, Mapping[int, float]]) -> str:
    """Of the points lost, and not of a share of less."""
    if 0 not in kept or not set(kept) - {0}:
        return "There is no deeper layer on which a loss could be compared"
    last = max(kept)
    more, less = found.against_layer_0(way, lost)[last], Statistic.paired(kept[last], kept[0])
    verdict = {
        "higher": "More is lost by carrying at this depth",
        "lower": "Less is lost by carrying at this depth",
        "no difference seen": "A larger loss by carrying is not seen",
    }[more.direction]
    if more.direction != "higher" and less.direction == "lower":
        verdict += "; the share that is kept is smaller, because there is less to gain"
    return verdict


def steps_table(steps: Steps, lr: float, start: str, tuned: Mapping[int, float]) -> Table:
    """Layer, norms, share of the first step, why it is smaller than at layer 0, and the rate that was tuned.

    The share is lr · pull / norm². A column "by …" says how many times smaller that factor makes it.
    """
    own = steps[start]
    rows = [
        (
            str(layer),
            f"{step.stream:.1f}",
            f"{step.context:.1f}",
            f"{step.share(lr):.1e}",
            f"{(step.context / own[0].context) ** 2:,.1f} ×",
            f"{own[0].pull / step.pull:,.1f} ×",
            f"{tuned[layer]:g}" if layer in tuned else "–",
        )
        for layer, step in own.items()
    ]
    head = (
        "layer",
        "norm replaced",
        "norm of the context",
        "share of one step",
        "smaller by norm",
        "by pull",
        "rate tuned",
    )
    return Table(head, tuple(rows))


def _each(found: Depth, way: str, measure: Measure, layer: int, words: Mapping[str, str] | None = None) -> str:
    """ "lower on textures; no difference seen on satellite": of this layer against layer 0, dataset by dataset."""
    each: dict[str, list[str]] = {}
    for name in found.datasets:
        gap = found.on(name).against_layer_0(way, measure)[layer]
        each.setdefault(gap.direction, []).append(short_name(name))
    return "; ".join(f"{(words or {}).get(how, how)} on {', '.join(each[how])}" for how in DIRECTIONS if how in each)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _deepest(gaps: Mapping[int, Statistic]) -> tuple[Statistic, int]:
    return gaps[max(gaps)], max(gaps)


def _layers(numbers: Sequence[int]) -> str:
    return ("layer " if len(numbers) == 1 else "layers ") + ", ".join(map(str, numbers))


def _basis(found: Depth, gap: Statistic) -> str:
    return (
        f"Mini data. Mean of {datasets(len(found.datasets))}, {gap.n} seeds; 95 % intervals, paired; over seeds, "
        "where nothing else is said."
    )

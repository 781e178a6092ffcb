"""The verdict: the cheapest of keep, repair, warm-start and retrain that leaves enough of what retraining adds.

What retraining reaches on new is not known before it is done. Its stand-in is the plug-in's accuracy on old: on the
mini upgrades of the records, retraining is 3.7 points from it on average.

    share(x) = (x - zero-shot on new) / (accuracy on old - zero-shot on new)

Constants are chosen on the records of this version, and `tests/book_package/test_audit_records.py` computes them again.
"""

from dataclasses import dataclass, replace
from typing import Literal

Verdict = Literal["keep", "repair", "warm-start", "retrain"]
VERDICTS: tuple[Verdict, ...] = ("keep", "repair", "warm-start", "retrain")
"""From the cheapest to the dearest."""

ENOUGH = 0.75
"""The share from which on a plug-in is kept or repaired. Of 0.6, 0.65, … 0.9 it agrees most often (for 84 % of some
3,100 plug-ins on eight mini upgrades) with the rule of the book: keep at least 80 % of what retraining was measured to
add."""

SMALLEST_GAIN = 1.0
"""Points that retraining must add to zero-shot. Below, a plug-in is kept if it is as good as zero-shot."""

IMITATED = {"clip_adapter": 0.56, "coop": 0.74, "kgcoop": 0.56, "contcoop": 0.72}
"""Method -> the mean share, of what retraining adds, that an imitation of 200 pictures has on the upgrade mini. An
audit does not train, so it can only expect this."""


@dataclass(frozen=True)
class MapShares:
    """Of one method: the share that a map of 200 pictures without labels leaves. mean, least, most: over upgrades."""

    mean: float
    least: float
    most: float


MAPPED = {
    "linear_probe": MapShares(0.78, 0.69, 0.91),
    "tip_adapter": MapShares(0.87, 0.72, 1.19),
    "tip_adapter_f": MapShares(0.74, 0.44, 0.94),
}
"""Method -> on the mini upgrades of the audit's records, eleven sets each, one seed; without upgrades that leave the
image tower's weights as they are, and without random weights. An audit without pictures can only expect this."""

MAPPED_ON_MINI = {"gda": 0.82, "zs_lp": 0.64, "clap": 0.15, "lp_plus_plus": 0.53}
"""Method -> the mean share, of what retraining adds, that such a map leaves on the upgrade mini alone."""


@dataclass(frozen=True)
class Case:
    """What is known of one plug-in on new; accuracies in percent, measured or expected.

    carried: unchanged; None if it cannot act on new. repaired: by a map; None if there is none. old: on its own
    backbone; None if that is unknown. zero_shot: on new. trains: its training can go on from the carried tensors.
    imitated: the share that an imitation is expected to have; None if the method has none.
    """

    carried: float | None
    zero_shot: float
    old: float | None = None
    repaired: float | None = None
    trains: bool = True
    imitated: float | None = None


def judge(case: Case) -> tuple[Verdict, float | None, str]:
    """The verdict, the accuracy on new after its step (None if nothing tells), and a sentence on why."""
    again: Verdict = "warm-start" if case.trains else "retrain"
    misfit = case.carried is None
    if misfit:
        case = replace(case, carried=0.0)
    if case.old is None:
        if case.carried >= case.zero_shot + SMALLEST_GAIN:
            return "keep", case.carried, _above(case) + " What retraining adds is unknown without the old backbone."
        return again, None, _above(case) + " Give the old backbone to learn what a repair gives back."
    gain = case.old - case.zero_shot
    if gain < SMALLEST_GAIN:
        why = f"Zero-shot on new ({case.zero_shot:.1f} %) is about as good as the plug-in was ({case.old:.1f} %)"
        if case.carried >= case.zero_shot - SMALLEST_GAIN:
            return "keep", case.carried, f"{why}, and the carried plug-in is not worse. It may be dropped."
        return again, None, f"{why}; the carried one is worse. Drop the plug-in, or train it for the new backbone."
    kept = (case.carried - case.zero_shot) / gain
    if kept >= ENOUGH:
        return "keep", case.carried, f"Carried, it has {_share(kept)} of what the plug-in added to zero-shot."
    lost = (
        f"Carried, it has {_share(kept)} of what the plug-in added to zero-shot; {100 * ENOUGH:.0f} % would be enough."
    )
    if misfit:
        enough = f"{100 * ENOUGH:.0f} % of what the plug-in added to zero-shot would be enough"
        lost = f"Carried, it cannot act on new; {enough}."
    if case.repaired is not None:
        back = (case.repaired - case.zero_shot) / gain
        if back >= ENOUGH:
            return "repair", case.repaired, f"{lost} A map gives {_share(back)}."
        lost += f" A map gives {_share(back)}."
    elif case.imitated is not None:
        if case.imitated >= ENOUGH:
            return (
                "repair",
                case.zero_shot + case.imitated * gain,
                f"{lost} An imitation gives about {100 * case.imitated:.0f} %.",
            )
        lost += f" An imitation without labels gives about {100 * case.imitated:.0f} % (records of the miniature)."
    return again, case.old, lost


def could_be(case: Case, off: float) -> tuple[Verdict, ...]:
    """The other verdicts that the case gets if its accuracies on new are `off` points wrong, cheapest first.

    Tried are the plug-in and its map together, and zero-shot, each higher and lower. None: the verdict is firm.
    """
    found = set()
    for shift in (-off, off):
        moved = {name: None if (x := getattr(case, name)) is None else x + shift for name in ("carried", "repaired")}
        for other in (replace(case, **moved), replace(case, zero_shot=case.zero_shot + shift)):
            found.add(judge(other)[0])
    return tuple(verdict for verdict in VERDICTS if verdict in found - {judge(case)[0]})


def how_firm(case: Case, off: float) -> str:
    """`could_be` in words, for accuracies that are predicted; off: points that they are wrong on average."""
    others = could_be(case, off)
    if not others:
        return f"The verdict stays the same if the expected accuracies are {off:.1f} points off."
    return (
        f"If the expected accuracies are {off:.1f} points off, as they are on average, it could be "
        f"{' or '.join(others)}: give labels for some of the pictures (on the command line: --labels)."
    )


def expect(method: str, maps: bool, trains: bool) -> tuple[Verdict, str]:
    """The verdict of an audit without pictures, and a sentence on what a repair is expected to leave.

    method: its name. maps: a map can repair it. trains: its training can go on from the carried tensors.
    """
    again: Verdict = "warm-start" if trains else "retrain"
    if shares := MAPPED.get(method):
        spread = f"{100 * shares.least:.0f} to {100 * shares.most:.0f} %, by upgrade"
        why = (
            f"On mini upgrades a map of 200 pictures without labels left {_share(shares.mean)} ({spread}) of what such "
            f"plug-ins added to zero-shot; {100 * ENOUGH:.0f} % would be enough."
        )
        return "repair" if shares.mean >= ENOUGH else again, why
    if maps and (share := MAPPED_ON_MINI.get(method)):
        why = (
            f"On the upgrade mini a map of 200 pictures without labels left {_share(share)} of what retraining adds to "
            f"zero-shot; {100 * ENOUGH:.0f} % would be enough."
        )
        return "repair" if share >= ENOUGH else again, why
    if maps:
        return again, "A map of pictures without labels can repair it; what that leaves was not measured."
    if share := IMITATED.get(method):
        why = (
            f"On the upgrade mini an imitation of 200 pictures without labels left {_share(share)} of what retraining "
        )
        return again, f"{why}adds to zero-shot; {100 * ENOUGH:.0f} % would be enough."
    return again, "What a repair without labels leaves was not measured for this method."


def _above(case: Case) -> str:
    return f"Carried, it has {case.carried:.1f} %; zero-shot on new has {case.zero_shot:.1f} %."


def _share(share: float) -> str:
    return "nothing" if share <= 0 else f"{100 * share:.0f} %"

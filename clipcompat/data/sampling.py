"""The community's few-shot draw, exactly.

Source: Dassl's `generate_fewshot_dataset` with CoOp's data sets on top. Deviations:

* the draw comes from a private `random.Random(seed)`. Upstream seeds Python's global generator just before the draw
  and nothing else uses it in between, so the images are the same;
* seed 0 is a seed. Upstream's command line reads it as "unseeded", so its runs with seed 0 cannot be drawn again;
* a data set without a validation list (ImageNet) gets one from the training images that were not drawn. Upstream
  validates on test images there; the training draw is the same.
"""

import logging
import operator
import random
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from clipcompat.common.errors import ConfigError, DataError

Shots = int | Literal["all"] | None
VAL_SHOTS = 4  # upstream draws at most 4 validation images per class

_log = logging.getLogger(__name__)


def few_shot(
    train_labels: Sequence[int], val_labels: Sequence[int] | None, shots: Shots, seed: int, *, repeat: bool = False
) -> tuple[list[int], list[int]]:
    """Positions of the drawn training and validation images, in the order in which upstream lists them.

    Classes are drawn in order of first appearance. A class gives `shots` images without replacement; if it has fewer,
    it gives all, in order. Validation gives min(shots, 4) per class from the same random stream.

    Args:
        train_labels: [image], the label of every training image, in the order of the split file.
        val_labels: [image], likewise; None if there is no validation list. The second result then holds positions in
            the *training* list, none of which is in the first result.
        shots: images per class; None or "all" takes everything and draws nothing (validation too).
        seed: 0, 1, 2, …
        repeat: the variant of the Tip-Adapter, SHIP, CraFT and GDA code: a class with too few images is drawn
            with replacement up to `shots`, and validation is the whole list.

    Raises:
        ConfigError: `shots` or `seed` is out of range.
    """
    shots, seed = parse_shots(shots), parse_seed(seed)
    if shots is None:
        return list(range(len(train_labels))), list(range(len(val_labels or ())))
    rng = random.Random(seed)
    train = _draw(_groups(train_labels), shots, rng, repeat)
    if val_labels is None:
        drawn = set(train)
        groups = [[i for i in group if i not in drawn] for group in _groups(train_labels)]
    elif repeat:
        return train, list(range(len(val_labels)))
    else:
        groups = _groups(val_labels)
    return train, _draw(groups, min(shots, VAL_SHOTS), rng, repeat=False)


def parse_shots(shots: Shots | str) -> int | None:
    """A number of images per class, or None for all of them; takes a command line's "16" and "all" too.

    Raises:
        ConfigError: anything else.
    """
    if shots is None or shots == "all":
        return None
    try:
        number = int(shots) if isinstance(shots, str) else operator.index(shots)
    except (TypeError, ValueError):
        number = 0
    if isinstance(shots, bool) or number < 1:
        raise ConfigError(f'shots must be a whole number of images per class, at least 1, or "all"; got {shots!r}.')
    return number


def parse_seed(seed: int) -> int:
    """The seed, if it is one; else a ConfigError."""
    # random.Random(-1) silently equals random.Random(1), and 1.5 is hashed: only 0, 1, 2, … are seeds.
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or operator.index(seed) < 0:
        raise ConfigError(f"seed must be a whole number from 0 on; got {seed!r}.")
    return operator.index(seed)


def check_shots(
    labels: Sequence[int], classnames: Sequence[str], shots: Shots, name: str, allow_fewer: bool = False, hint: str = ""
) -> None:
    """Refuse a request for more images than some class has; with `allow_fewer`, log it instead.

    Raises:
        DataError: some class has fewer than `shots` training images and `allow_fewer` is False,
            or every class has fewer. `hint` ends the message.
    """
    shots = parse_shots(shots)
    counts = Counter(labels)
    if shots is None:
        return
    short = sorted((counts[label], classname) for label, classname in enumerate(classnames) if counts[label] < shots)
    if not short:
        return
    listed = ", ".join(f"{classname!r} has {count}" for count, classname in short[:5])
    more = f" and {len(short) - 5} more classes" if len(short) > 5 else ""
    most = max(counts.values(), default=0)
    told = f"{name}: {shots} shots were asked for, but {listed}{more}"
    least = f"Ask for at most {short[0][0]} shots"
    if most < shots:
        raise DataError(f"{told}; no class has more than {most}. {least}.{hint}")
    if not allow_fewer:
        again = "pass allow_fewer=True (command line: --allow-fewer), as the official sampler does"
        raise DataError(f"{told}. {least}, or {again}.{hint}")
    _log.warning("%s; such classes give all they have.", told)


def _groups(labels: Sequence[int]) -> list[list[int]]:
    """Positions by label; labels in order of first appearance."""
    groups: dict[int, list[int]] = {}
    for position, label in enumerate(labels):
        groups.setdefault(label, []).append(position)
    return list(groups.values())


def _draw(groups: list[list[int]], shots: int, rng: random.Random, repeat: bool) -> list[int]:
    drawn = []
    for group in groups:
        if len(group) >= shots:
            drawn += rng.sample(group, shots)
        else:
            drawn += rng.choices(group, k=shots) if repeat and group else group
    return drawn

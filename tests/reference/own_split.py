"""What CoOp does where a split file is missing, written again from its description, entry by entry and slowly.

Pure standard library; shares nothing with the package, not even `random.shuffle`: it asks the Mersenne Twister for bits
and swaps by hand.
"""

from __future__ import annotations

import random


def halves(groups, seed):
    """groups: list of (label, name, sorted paths). 50 % train, 20 % val, the rest test, of every class in order."""
    bits = random.Random(seed).getrandbits
    parts = {"train": [], "val": [], "test": []}
    for label, name, paths in groups:
        mixed = _mixed(paths, bits)
        train, val = _rounded(len(paths), 50), _rounded(len(paths), 20)
        for number, path in enumerate(mixed):
            part = "train" if number < train else "val" if number < train + val else "test"
            parts[part].append([path, label, name])
    return parts


def fifths(trainval, test, seed):
    """trainval, test: lists of [path, label, name]. A fifth of each class of trainval validates."""
    bits = random.Random(seed).getrandbits
    labels = []
    for _, label, _ in trainval:
        if label not in labels:
            labels.append(label)
    parts = {"train": [], "val": [], "test": test}
    for wanted in labels:
        mixed = _mixed([entry for entry in trainval if entry[1] == wanted], bits)
        for number, entry in enumerate(mixed):
            parts["val" if number < _rounded(len(mixed), 20) else "train"].append(entry)
    return parts


def _mixed(entries, bits):
    """Fisher and Yates from the end, each index by rejection, as CPython's shuffle."""
    mixed = list(entries)
    for last in range(len(mixed) - 1, 0, -1):
        width = (last + 1).bit_length()
        other = bits(width)
        while other > last:
            other = bits(width)
        mixed[last], mixed[other] = mixed[other], mixed[last]
    return mixed


def _rounded(count, percent):
    """count · percent / 100, halves to the even neighbour."""
    whole, rest = divmod(count * percent, 100)
    return whole + (rest > 50 or (rest == 50 and whole % 2 == 1))

"""Dassl's few-shot draw, written again from its description and from CPython's algorithm for random.sample.

Pure standard library, on the entries themselves, one class at a time and slowly; shares nothing with the
package, not even `random.sample`: it asks the Mersenne Twister for bits and does the rest by hand.
"""

from __future__ import annotations

import math
import random


def dassl_draw(train, val, shots, seed, repeat=False):
    """(train entries, val entries) for lists of (key, label)."""
    bits = random.Random(seed).getrandbits
    return _part(train, shots, bits, repeat), _part(val, min(shots, 4), bits, repeat=False)


def _part(entries, shots, bits, repeat):
    drawn = []
    for label in _labels_by_first_appearance(entries):
        members = [entry for entry in entries if entry[1] == label]
        if len(members) >= shots:
            drawn.extend(members[i] for i in _sample(len(members), shots, bits))
        elif repeat:
            drawn.extend(members[_uniform_choice(len(members), bits)] for _ in range(shots))
        else:
            drawn.extend(members)
    return drawn


def _labels_by_first_appearance(entries):
    seen = []
    for _, label in entries:
        if label not in seen:
            seen.append(label)
    return seen


def _below(n, bits):
    """A whole number below n: as many bits as n has, again until they are small enough."""
    width = n.bit_length()
    while (number := bits(width)) >= n:
        pass
    return number


def _uniform_choice(n, bits):
    """random.choices takes floor(u * n) with u of 53 bits: 27 high ones, then 26 low ones."""
    high, low = bits(32) >> 5, bits(32) >> 6
    return math.floor((high * 67108864 + low) / 9007199254740992 * n)


def _sample(n, k, bits):
    """Positions without repetition: from a shrinking pool if n is small, else drawn again when taken."""
    table = 21
    if k > 5:
        table += 4 ** math.ceil(math.log(k * 3, 4))
    if n <= table:
        pool, taken = list(range(n)), []
        for left in range(n, n - k, -1):
            at = _below(left, bits)
            taken.append(pool[at])
            pool[at] = pool[left - 1]
        return taken
    taken = []
    while len(taken) < k:
        at = _below(n, bits)
        if at not in taken:
            taken.append(at)
    return taken

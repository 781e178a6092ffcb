"""Random damage to files: bytes and JSON values, changed as disks, editors and scripts change them."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

VALUES = [None, True, 0, -1, 5, 1.5, 10**30, 1e308, "", "abc", "../x", "\x1b[2J", [], [1, 2], {}, {"a": [None]}]


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """One accident: flipped bits, bytes lost, added, repeated, exchanged or overwritten, or the end cut off."""
    at, length = rng.randrange(len(data) + 1), rng.choice((1, 2, 7, 64))
    part, rest = data[at : at + length], data[at + length :]
    match rng.randrange(8):
        case 0 | 1:
            if not part:
                return data + b"\0"
            return data[:at] + bytes([part[0] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 2:
            return data[:at] + rest
        case 3:
            return data[:at] + rng.randbytes(length) + part + rest
        case 4:
            return data[:at] + part + part + rest
        case 5:
            return data[:at] + rest[:length] + part + rest[length:]
        case 6:
            return data[:at] + rng.randbytes(len(part)) + rest
        case _:
            return data[:at]


def mutate_table(data: bytes, rng: random.Random) -> bytes:
    """A separator, quote, line end or byte-order mark too many, a line or cell twice or elsewhere, or an accident."""
    lines = data.decode().splitlines(keepends=True)
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(6):
        case 0 | 1:
            place = rng.randrange(len(data) + 1)
            return (
                data[:place]
                + rng.choice([",", ";", "\t", "|", '"', "\n", "\r\n", "\ufeff", ",x"]).encode()
                + data[place:]
            )
        case 2:
            lines.insert(at, lines[other])
        case 3:
            lines[at], lines[other] = lines[other], lines[at]
        case 4:
            column = rng.choice(lines[at].strip().split(","))
            lines[at] = lines[at].rstrip("\n") + f",{column}\n"
        case _:
            return mutate_bytes(data, rng)
    return "".join(lines).encode()


def mutate_json(value: Any, rng: random.Random) -> Any:
    """A copy in which one value is another, is gone, stands twice, bears another key, or lies very deep."""
    value = copy.deepcopy(value)
    places = list(_places(value))
    if not places:
        return rng.choice(VALUES)
    holder, key = rng.choice(places)
    match rng.randrange(6):
        case 0 | 1:
            holder[key] = copy.deepcopy(rng.choice(VALUES))
        case 2:
            del holder[key]
        case 3 if isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        case 3:
            holder[f"{key} "] = holder.pop(key)
        case 4:
            other, place = rng.choice(places)
            holder[key] = copy.deepcopy(other[place])
        case _:
            for _ in range(rng.choice((1, 90))):
                holder[key] = [holder[key]]
    return value


def mutate_text_of_json(value: Any, rng: random.Random) -> bytes:
    """The JSON of a value: damaged as a value, as text, or nested deeper than parsers go."""
    match rng.randrange(20):
        case 0:
            return b"[" * 100_000
        case 1:
            return b'{"a":' * 100_000 + b"1" + b"}" * 100_000
        case n if n < 12:
            return json.dumps(mutate_json(value, rng)).encode()
        case _:
            return mutate_bytes(json.dumps(value).encode(), rng)


def _places(value: Any):
    """Every (holder, key or position) of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)

"""How the table of merges of the mini tokenizer was made."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from clipcompat.backbones.mini.tokenizer import MERGES_FILE
from clipcompat.common.files import write_atomic


def learn_merges(counts: dict[str, float], size: int) -> list[tuple[str, str]]:
    """Byte-pair merges of lower-case words, most frequent pair first, ties by spelling; `</w>` ends a word.

    Args:
        counts: how often each word occurs; words that are not ASCII are ignored.
    """
    words = {(*word[:-1], word[-1] + "</w>"): float(n) for word, n in counts.items() if word.isascii()}
    merges = []
    while len(merges) < size:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, n in words.items():
            for pair in zip(word, word[1:], strict=False):
                pairs[pair] += n
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = {_merged(word, best): n for word, n in words.items()}
    return merges


def write_merges(merges: Iterable[tuple[str, str]], path: Path = MERGES_FILE) -> None:
    """Write the file that SimpleTokenizer reads: gzip, one header line, one merge per line, no newline at the end."""
    text = "\n".join(["#version: clipcompat mini", *(" ".join(pair) for pair in merges)])
    write_atomic(path, gzip.compress(text.encode(), mtime=0))


def _merged(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out, i = [], 0
    while i < len(word):
        if word[i : i + 2] == pair:
            out.append(pair[0] + pair[1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return tuple(out)

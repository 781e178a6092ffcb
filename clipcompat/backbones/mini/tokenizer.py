"""The tokenizer of the mini backbones: CLIP's byte-pair encoding with a small table of merges."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CONTEXT_LENGTH = 40
"""Tokens per text: SOS, 16 context vectors, a class name of up to 21 tokens, "." and EOT."""

MERGES_FILE = Path(__file__).with_name("merges.txt.gz")


def mini_tokenizer() -> Any:
    """open_clip's SimpleTokenizer with this package's merges."""
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer(bpe_path=str(MERGES_FILE), context_length=CONTEXT_LENGTH)


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
    from clipcompat.common.files import write_atomic

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

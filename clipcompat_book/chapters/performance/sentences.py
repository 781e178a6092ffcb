"""How the chapter writes seconds and bytes, and on what devices they were measured."""

from __future__ import annotations

from collections.abc import Sequence

from clipcompat_book.chapters.performance.measurements import Performance


def duration(seconds: float) -> str:
    """ "85 ms", "1.6 s", "53 min", "16.4 h": what a reader can imagine."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """ "0.2 MB", "37 MB", "5.6 GB"."""
    if count < 1e9:
        return f"{count / 1e6:.0f} MB" if count >= 1e7 else f"{count / 1e6:.1f} MB"
    return f"{count / 1e9:.1f} GB"


def devices_sentence(measured: Sequence[Performance]) -> str:
    """On what it was measured, and what is missing: Markdown."""
    devices = "; ".join(f"{p.device}, torch {p.torch}" for p in measured)
    words = f"Measured on: {devices}."
    if all("CPU" in p.device for p in measured):
        words += (
            " **Rows of a GPU are missing, as none was at hand.** What this page says of speed, it says of that "
            "processor."
        )
    return words

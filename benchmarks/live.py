"""How long the live upgrade of the book's first page takes to answer: `python -m benchmarks.live`, after `make book`.

Milliseconds in Chromium, from the reader's deed to the first frame that shows the new answers. Times, not ratios, since
a reader waits for a time: 300 ms is what the book promises itself. A busy machine lengthens them, so its load is
recorded beside them, and so is what the page's own thread computed, which is what a core with nothing else to do needs.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from book.tools.runs.screenshot import chromium
from clipcompat.common.files import to_json, write_atomic

PROMISED = 300
RESULTS = Path(__file__).parent / "results" / "live-cpu.json"
_READY = "document.querySelectorAll('[data-part=answers] tr').length === 6"
# A deed, then the change of the answers, then two frames: the second one begins when the first was drawn.
_TIMED = """async ([deed, index, value]) => {
    const part = (name) => document.querySelector(`#live-upgrade [data-part=${name}]`);
    const answers = part('answers');
    const changed = new Promise((done) => {
        const watch = new MutationObserver(() => { watch.disconnect(); done(); });
        watch.observe(answers, { childList: true });
    });
    const frame = () => new Promise(requestAnimationFrame);
    const start = performance.now();
    if (deed === 'picture') part('pictures').querySelectorAll('button')[index].click();
    if (deed === 'colour') part('fill').click();
    if (deed === 'plugin') {
        const menu = part('plugin');
        menu.value = value;
        menu.dispatchEvent(new Event('change'));
    }
    if (deed === 'name') {
        const input = part('names').querySelectorAll('input')[index];
        input.value = value;
        input.dispatchEvent(new Event('input'));
    }
    await changed;
    await frame();
    await frame();
    return performance.now() - start;
}"""


def measure_live(html: Path, repeats: int = 24) -> dict[str, Any]:
    """Milliseconds of every kind of deed, each done `repeats` times; the first one of each is not counted."""
    deeds = {
        "picture": [("picture", i % 24, None) for i in range(repeats)],
        "colour": [("colour", 0, None)] * repeats,
        "plugin": [("plugin", 0, ("linear_probe", "coop")[i % 2]) for i in range(repeats)],
        "name": [("name", i % 6, f"a word {i}") for i in range(repeats)],
    }
    with chromium() as browser:
        page = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True).new_page()
        page.goto((html / "book" / "intro.html").resolve().as_uri())
        page.get_by_role("button", name="Try it here").click()
        page.wait_for_function(_READY, timeout=600_000)
        clock = page.context.new_cdp_session(page)
        clock.send("Performance.enable", {"timeDomain": "threadTicks"})
        rows = {deed: [_one(page, clock, [*one]) for one in all_of_it] for deed, all_of_it in deeds.items()}
        version = browser.version
    return {
        "machine": f"{platform.machine()} CPU, {os.cpu_count()} cores",
        "browser": f"Chromium {version}, headless",
        "load": round(os.getloadavg()[0], 1),
        "promised_ms": PROMISED,
        "milliseconds": {deed: summary([waited for waited, _ in times[1:]]) for deed, times in rows.items()},
        "computed": {deed: summary([computed for _, computed in times[1:]]) for deed, times in rows.items()},
    }


def _one(page: Any, clock: Any, deed: list[Any]) -> tuple[float, float]:
    """Milliseconds on the clock, and those that the page's thread computed."""

    def computed() -> float:
        metrics = {m["name"]: m["value"] for m in clock.send("Performance.getMetrics")["metrics"]}
        return 1000 * metrics["TaskDuration"]

    before = computed()
    waited = page.evaluate(_TIMED, deed)
    return waited, computed() - before


def summary(times: Sequence[float]) -> dict[str, float]:
    """The smallest, the median and the largest of some times, rounded to a millisecond, and how many there are."""
    least, middle, most = min(times), statistics.median(times), max(times)
    return {"least": round(least), "median": round(middle), "most": round(most), "count": len(times)}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__.partition("\n")[0])
    parser.add_argument("--html", type=Path, default=Path("_build/html"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    found = measure_live(options.html)
    write_atomic(options.out, to_json(found) + "\n")
    for deed, times in found["milliseconds"].items():
        computed = found["computed"][deed]["median"]
        print(f"{deed}: {times['median']} ms ({times['least']} to {times['most']}), {computed} of them computed")
    print(f"{found['machine']}, load {found['load']}: {options.out}")


if __name__ == "__main__":
    main()

"""Measurements of a machine that does not exist, as `make bench` and `benchmarks.growth` would write them."""

from __future__ import annotations

from typing import Any

from clipcompat_book.chapters.performance.measurements import Performance, parse_performance

SPREAD = {"fused": [1.5, 2.5], "plain": [3.0, 4.0], "fast": [0.1, 0.25]}


def bench() -> dict[str, Any]:
    exact = {"max_abs_diff": 2e-6, "max_rel_grad_diff": 1e-6, "largest_feature": 3.0}
    step = {"dtype": "fp32", "reference": "fused", **exact}
    chunks = {"budget_bytes": 6e9, "peak_bytes": 5.5e9, "parts": {"nothing": 3, "everything": 1}}
    rows = [
        step | {"name": "coop-47", "reference_s": 2.0, "fast_s": 0.125, "spread": SPREAD},
        step | {"name": "contcoop-1000", "reference_s": 40.0, "fast_s": 10.0, "spread": SPREAD, "max_abs_diff": 4e-6},
        step | {"name": "coop-47-bf16", "reference_s": 1.0, "fast_s": 2.0, "dtype": "bf16", "max_abs_diff": 0.02},
        {
            "name": "coop-training",
            "reference_s": 72_000.0,
            "fast_s": 3600.0,
            "dtype": "fp32",
            "reference": "4600 steps",
            "max_abs_diff": None,
            "extrapolated": True,
            "spread": {"official step": [1, 2]},
        },
        {"name": "coop-training-mini", "reference_s": 30.0, "fast_s": 3.0, "dtype": "fp32", "reference": "60 epochs"},
        step | chunks | {"name": "classes-10000", "reference_s": 20.0, "fast_s": 25.0},
        {
            "name": "images-32",
            "reference_s": 4.0,
            "fast_s": 2.0,
            "dtype": "fp32",
            "reference": "open_clip, one by one",
            "max_abs_diff": 3e-6,
            "largest_feature": 4.0,
            "spread": {"fast": [1.9, 2.1]},
            "limit_s": 1.6,
        },
        {"name": "utilisation-1000-b16", "fast_s": 0.1, "share": 0.4},
    ]
    return {"device": "test CPU, 2 threads", "model": "ViT-B-16-quickgelu", "rows": rows}


def growth() -> dict[str, Any]:
    points = []
    for method, slow in (("coop", 1.0), ("contcoop", 4.0)):
        for n in (10, 100, 1000):
            fast = {"sweep": "classes", "method": method, "way": "fast", "classes": n, "n_ctx": 16}
            kept = {"everything": 1} if n < 1000 else {"blocks": 2, "everything": 1}
            size = 0 if n == 10 else n * 1e6
            time = {"seconds": 0.01 * n * slow + 0.1, "limit_s": 0.005 * n * slow}
            points.append(fast | time | {"memory_bytes": size, "kept": kept})
            if n < 1000 and method == "coop":
                points.append(
                    fast
                    | {"way": "plain", "seconds": 0.05 * n, "limit_s": 0.04 * n, "memory_bytes": n * 4e7, "kept": {}}
                )
        for n in (4, 56):
            point = {"sweep": "context", "method": method, "way": "fast", "classes": 100, "n_ctx": n, "kept": {}}
            seconds = 0.1 * (1 + n * (method == "contcoop"))
            points.append(point | {"seconds": seconds, "limit_s": 0.05, "memory_bytes": 1e9})
        for k in (1, 16):
            points.append(
                {
                    "sweep": "shots",
                    "method": method,
                    "classes": 10,
                    "shots": k,
                    "views": 10,
                    "steps": 50 * k,
                    "pictures_s": 16.0 * k,
                    "steps_s": slow * k,
                    "limit_s": 8.5 * k + slow,
                    "pictures_bytes": 7e8,
                    "steps_bytes": 4e8 * slow,
                    "views_bytes": 204_800 * k,
                }
            )
    return {"device": "test CPU, 2 threads", "model": "ViT-B-16-quickgelu", "torch": "2.99", "rows": points}


def performance() -> Performance:
    return parse_performance(bench(), growth())

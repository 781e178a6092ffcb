"""A check accepts what is right, says in a sentence what is not, and never raises."""

from __future__ import annotations

import importlib
import itertools
import math
import pkgutil
import re
import statistics

import pytest
import torch
import torch.nn.functional as F

from clipcompat_book import exercises

CHECKS = {
    name: check
    for chapter in pkgutil.iter_modules(exercises.__path__, f"{exercises.__name__}.")
    for name, check in vars(importlib.import_module(chapter.name)).items()
    if name.startswith("check_")
}


def attention(p, c, w_q, w_k, w_v, w_o, add=0.0):
    rows = torch.cat([p, c])
    weights = (p @ w_q.T @ (rows @ w_k.T).T / math.sqrt(p.shape[1])).softmax(-1)
    return weights @ (rows @ w_v.T) @ w_o.T + add * p


def gain(new, zs_new, retrained):
    return (new - zs_new) / (retrained - zs_new) if retrained - zs_new >= 1 else None


def pull(w, zs):
    return (F.normalize(w, dim=-1) - F.normalize(zs, dim=-1)).norm(dim=-1).mean()


def unsaid(words, captions):
    return sum(not any(re.search(rf"\b{w}\b", c) for c in captions) for w in words)


def headroom(zero_shot, probes, by=statistics.fmean, points=5):
    return sum(by(p) - z >= points for z, p in zip(zero_shot, probes, strict=True))


def by_place(one, two):
    return [a - b for a, b in zip(one.values(), two.values(), strict=True)]


def half(gaps, quantile=2.7764451):
    return quantile * statistics.stdev(gaps) / math.sqrt(len(gaps))


def gap(affinity, images, keys):
    same = images[:, None] == keys
    return affinity[same].mean() - affinity[~same].mean()


def gap_of_means(affinity, images, keys):
    return statistics.fmean(float(gap(affinity[i : i + 1], images[i : i + 1], keys)) for i in range(len(images)))


def divided(n):
    test, val = max(1, round(0.3 * n + 1e-9)), max(1, round(0.2 * n + 1e-9))
    return n - val - test, val, test


def twins(names):
    read = [" ".join(name.replace("_", " ").lower().split()) for name in names]
    return sum(read.count(name) > 1 for name in read)


def enough(curve, size=lambda missing: missing):
    few = max(curve)
    for k in sorted(curve, reverse=True):
        if size(curve[max(curve)] - curve[k]) > 1:
            break
        few = k
    return few


def shared_rows(position, n_ctx, csc):
    return 1 if csc else 1 + {"end": n_ctx, "middle": n_ctx // 2, "front": 0}[position]


def flop_ratio(classes, rows, layers, context, last=2):
    return 12 * layers * classes * context / (12 * (layers - 1) * rows + last * rows + 10 * classes)


def chunk_time(rows, blocks=8 / 3, forward=2):
    price = {"everything": 2, "blocks": blocks, "nothing": 3}
    return sum(price[keep] * n for keep, n in rows.items()) / sum(rows.values()) / forward


def restricted(logits, labels, kept, columns=True):
    chosen = logits[:, kept].argmax(-1) if columns else logits.argmax(-1)
    return 100 * (chosen == (labels if columns else kept[labels])).float().mean()


def equal_gain(xy, xz, yz):
    return (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))


def shortfalls(a, first=1):
    return [a[j][j] - a[0][j] for j in range(first, len(a))]


def excess(a, step=lambda a, j: a[j + 1][j + 1] - a[j][j + 1]):
    return shortfalls(a)[-1] - sum(step(a, j) for j in range(len(a) - 1))


def plan(a, trainings, later=None):
    plans = [p for p in itertools.chain(*(itertools.combinations(range(len(a)), k + 1) for k in range(trainings)))]
    serves = {p: [a[max(i for i in p if i <= j)][j] for j in range(len(a))] for p in plans if p[0] == 0}
    return list(max(serves, key=lambda p: (sum(serves[p][-1:] if later else serves[p]), -len(p))))


NEEDS = (("coop", "width"), ("clip_adapter", "dim"), ("linear_probe", "penultimate"))


def carried(old, new):
    return {name for name, length in NEEDS if old[length] == new[length] is not None}


def cka(x, y, centre=True, whole=True):
    x, y = (x - x.mean(0), y - y.mean(0)) if centre else (x, y)
    among = (x.T @ y).norm() / (y.T @ y).norm()
    return among * (x.T @ y).norm() / (x.T @ x).norm() if whole else among


def paired(on, off, by_dataset=True):
    both = sorted(on.keys() & off.keys())
    of = {d: [on[k] - off[k] for k in both if k[0] == d] for d, _ in both}
    return statistics.fmean(map(statistics.fmean, of.values()) if by_dataset else sum(of.values(), []))


def holm(p, monotone=True, most=1.0):
    found, largest = [0.0] * len(p), 0.0
    for k, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest * monotone, min(most, (len(p) - k) * p[place]))
        found[place] = largest
    return found


def ranks(x):
    return torch.tensor(x).argsort().argsort().double()


def negatives(logits, labels, top, shared=True, own=True):
    seen, found = set(labels.tolist()) if own else set(), []
    for ranked in logits.topk(top).indices.tolist():
        found.append([c for c in ranked if c not in seen])
        seen |= set(ranked) if shared else set()
    return found


def both_ways(z):
    target = torch.arange(len(z))
    return (F.cross_entropy(z, target) + F.cross_entropy(z.T, target)) / 2


def rotation(x, y):
    u, _, v = torch.linalg.svd(y.T @ x)
    return u @ v


def loudness(text, added, first=None, ahead=lambda own, gained: own / gained):
    first = int(text.argmax()) if first is None else first
    found = [math.inf]
    for j in range(len(text)):
        own, gained = float(text[first] - text[j]), float(added[j] - added[first])
        if gained > 0:
            found.append(ahead(own, gained))
    return min(found)


def best_rate(trials, by=statistics.fmean):
    return max(sorted(trials), key=lambda rate: by(trials[rate]))


RIGHT = {
    "check_paired_effect": paired,
    "check_kept": lambda old, new, old_on, new_on: (new_on - old_on) - (new - old),
    "check_holm": holm,
    "check_score_by_heads": lambda h, whole: h**-0.5 if whole else 1.0,
    "check_mixture": lambda first, parallel, omega: omega * parallel + (1 - omega) * first,
    "check_negatives": negatives,
    "check_symmetric": both_ways,
    "check_weight_of": lambda name, base, omega_b, omega_n: omega_b if name in base else omega_n,
    "check_class_map": lambda source, shifted: [source.index(name) for name in shifted],
    "check_restricted": restricted,
    "check_lost": lambda source, zs_source, shifted, zs_shifted: (source - zs_source) - (shifted - zs_shifted),
    "check_equal_gain": equal_gain,
    "check_shortfalls": shortfalls,
    "check_excess": excess,
    "check_plan": plan,
    "check_fits": carried,
    "check_harmonic_mean": lambda a, b: 2 * a * b / (a + b) if a + b else 0,
    "check_kept_gain": gain,
    "check_negative_flips": lambda a, b: 100 * (a & ~b).float().mean(),
    "check_attention": attention,
    "check_distillation": pull,
    "check_score_size": lambda d, p, c: p * c / 3,
    "check_lead": lambda one, two: half([one[seed] - two[seed] for seed in one]),
    "check_relative_change": lambda old, new: (new - old).abs().sum() / old.abs().sum(),
    "check_cka": cka,
    "check_rank_correlation": lambda x, y: torch.corrcoef(torch.stack([ranks(x), ranks(y)]))[0, 1],
    "check_unsaid": unsaid,
    "check_headroom": headroom,
    "check_rate": best_rate,
    "check_cache_count": lambda classes, shots, dim: classes * shots * (dim + classes) + 2,
    "check_residual": lambda t, x, a: F.normalize(t + a * x, dim=-1),
    "check_loudness": loudness,
    "check_affinity_gap": gap,
    "check_rotated_probe": lambda w, r: w @ r.T,
    "check_masked_change": lambda w, d, g: w + d * (d * g < 0),
    "check_hold_out": divided,
    "check_twins": twins,
    "check_enough": enough,
    "check_row_count": lambda lengths, shared: shared + sum(n - shared for n in lengths),
    "check_shared_rows": shared_rows,
    "check_flop_ratio": flop_ratio,
    "check_chunk_time": chunk_time,
    "check_folded_bias": lambda w, b, c: b + w @ c,
    "check_rotation": rotation,
    "check_share": lambda zs, there, retrained: 100 * (there - zs) / (retrained - zs),
}
WRONG = [
    ("check_paired_effect", lambda on, off: paired(on, off, False), "mean of all pairs"),
    ("check_paired_effect", lambda on, off: statistics.fmean(on.values()) - statistics.fmean(off.values()), "no pairs"),
    ("check_paired_effect", lambda on, off: paired(off, on), "off minus on"),
    ("check_kept", lambda old, new, old_on, new_on: new_on - new, "a point of what it won is lost"),
    ("check_kept", lambda old, new, old_on, new_on: new_on - old_on, "a point of what it won is lost"),
    ("check_kept", lambda old, new, old_on, new_on: min(0.0, (new_on - old_on) - (new - old)), "less to keep"),
    ("check_holm", lambda p: [min(1.0, len(p) * x) for x in p], "Bonferroni"),
    ("check_holm", lambda p: holm(p, monotone=False), "carry the largest along"),
    ("check_holm", lambda p: holm(p, most=9.0), "at most 1"),
    ("check_holm", lambda p: sorted(holm(p)), "the order in which they came"),
    ("check_score_by_heads", lambda h, whole: 1 / h if whole else 1.0, "not 4 times"),
    ("check_score_by_heads", lambda h, whole: h**-0.5, "half as large"),
    ("check_mixture", lambda first, parallel, omega: omega * first + (1 - omega) * parallel, "weighs P with ω"),
    ("check_mixture", lambda first, parallel, omega: first + omega * parallel, "it should be ω P′ + (1 − ω) P"),
    ("check_mixture", lambda first, parallel, omega: first[0], "of P's shape [4, 8]"),
    ("check_negatives", lambda *a: negatives(*a, own=False), "is no negative, whichever image it is"),
    ("check_negatives", lambda *a: negatives(*a, shared=False), "taken twice"),
    ("check_negatives", lambda x, y, k: negatives(x, y, 5), "own first K classes"),
    ("check_negatives", lambda *a: [mine[::-1] for mine in negatives(*a)], "in their order"),
    ("check_symmetric", lambda z: F.cross_entropy(z, torch.arange(len(z))), "take the mean"),
    ("check_symmetric", lambda z: F.cross_entropy(z.T, torch.arange(len(z))), "take the mean"),
    ("check_symmetric", lambda z: 2 * both_ways(z), "take the mean"),
    ("check_weight_of", lambda name, base, omega_b, omega_n: omega_n, "'owl' with base names"),
    ("check_weight_of", lambda name, base, omega_b, omega_n: omega_b, "'lynx' with base names"),
    ("check_class_map", lambda source, shifted: list(range(len(shifted))), "numbers the shifted list itself"),
    ("check_class_map", lambda source, shifted: [i for i, n in enumerate(source) if n in shifted], "source's order"),
    ("check_class_map", lambda source, shifted: [shifted.index(n) for n in source if n in shifted], "[4, 1, 3] exp"),
    ("check_class_map", lambda source, shifted: len(shifted), "A list of labels"),
    ("check_restricted", lambda *a: restricted(*a, columns=False), "With all five columns it would be 25"),
    ("check_restricted", lambda *a: restricted(*a) / 100, "in percent"),
    ("check_restricted", lambda x, y, kept: 100 * (x[:, kept].argmax(-1) == kept[y]).float().mean(), "shifted numb"),
    ("check_lost", lambda source, zs_source, shifted, zs_shifted: source - shifted, "drop in accuracy"),
    ("check_lost", lambda s, z, there, z_there: (there - z_there) - (s - z), "compare the two gains"),
    ("check_lost", lambda s, z, there, z_there: max(0.0, (s - z) - (there - z_there)), "do not clip"),
    ("check_equal_gain", lambda xy, xz, yz: xy - xz * yz, "Divide by both roots"),
    ("check_equal_gain", lambda xy, xz, yz: (xy - xz * yz) / math.sqrt(1 - xz**2), "Divide by both roots"),
    ("check_equal_gain", lambda xy, xz, yz: xy, "comes through z"),
    ("check_shortfalls", lambda a: [a[0][0] - x for x in a[0][1:]], "the drop in accuracy"),
    ("check_shortfalls", lambda a: shortfalls(a, 0), "begin with j = 1"),
    ("check_shortfalls", lambda a: [max(0.0, x) for x in shortfalls(a)], "do not clip"),
    ("check_excess", lambda a: -excess(a), "together 37"),
    ("check_excess", lambda a: excess(a, lambda a, j: a[0][j] - a[0][j + 1]), "together 37"),
    ("check_plan", lambda a, n: list(range(n)), "that of the best"),
    ("check_plan", lambda a, n: list(range(len(a))), "more trainings than can be paid"),
    ("check_plan", lambda a, n: [len(a) - 1], "Generation 0 has to be tuned"),
    ("check_plan", lambda a, n: plan(a, n, later=True), "that of the best"),
    ("check_fits", lambda old, new: carried(old, new) | {"linear_probe"}, "Only the width"),
    ("check_fits", lambda old, new: carried(old, new) | {"coop"}, "no token of a text tower"),
    ("check_fits", lambda old, new: {k for k, n in NEEDS if old[n] == new[n]}, "None is no length"),
    ("check_relative_change", lambda old, new: (new - old).sum() / old.abs().sum(), "absolute values"),
    ("check_relative_change", lambda old, new: ((new - old) / old).abs().mean(), "must not be divided by"),
    ("check_relative_change", lambda old, new: (new - old).abs().mean(), "moved by its own size"),
    ("check_cka", lambda x, y: cka(x, y, centre=False), "subtract every column's mean"),
    ("check_cka", lambda x, y: cka(x, y, whole=False), "divide by"),
    ("check_cka", lambda x, y: 1.0, "independent noise"),
    ("check_rank_correlation", lambda x, y: torch.corrcoef(torch.tensor([x, y]))[0, 1], "Only the order counts"),
    ("check_rank_correlation", lambda x, y: 1.0, "The opposite order"),
    ("check_row_count", lambda lengths, shared: sum(lengths), "17 rows once"),
    ("check_row_count", lambda lengths, shared: (shared or 9) + sum(n - shared for n in lengths), "no padding"),
    ("check_shared_rows", lambda position, n_ctx, csc: n_ctx, "SOS and the whole context"),
    ("check_shared_rows", lambda position, n_ctx, csc: 1 + n_ctx, "half of the context"),
    ("check_shared_rows", lambda position, n_ctx, csc: shared_rows(position, n_ctx, False), "only SOS is the same"),
    ("check_flop_ratio", lambda c, rows, layers, context: c * context / rows, "2 D² for each of the 77 rows"),
    ("check_flop_ratio", lambda c, r, n, k: flop_ratio(c, r, n, k) if n == 1 else c * k / r, "Eleven blocks"),
    ("check_chunk_time", lambda rows: chunk_time(rows, forward=1), "over the same"),
    ("check_chunk_time", lambda rows: chunk_time(rows, blocks=3), "two thirds"),
    ("check_chunk_time", lambda rows: max(chunk_time({k: 1}) for k in rows), "Half of the rows"),
    ("check_hold_out", lambda n: [n - 3 * n // 10 - 2 * n // 10, 2 * n // 10, 3 * n // 10], "Of 3 pictures"),
    ("check_hold_out", lambda n: (3 * n // 10, 2 * n // 10, n // 2), r"(5, 2, 3) are for training"),
    ("check_twins", lambda names: len(names) - len(set(names)), "one prompt"),
    ("check_twins", lambda names: twins([n.replace("_", "-") for n in names]), "read as a space"),
    ("check_twins", lambda names: twins([n.replace("  ", "-") for n in names]), "Two spaces"),
    ("check_enough", lambda curve: min(curve), "half a point"),
    ("check_enough", lambda curve: enough(curve) if len(curve) > 2 else 1, "Nothing smaller"),
    ("check_enough", lambda curve: min(k for k in curve if curve[k] >= curve[max(curve)] - 1), "lucky draw"),
    ("check_enough", lambda curve: enough(curve, abs), "only what is missing"),
    ("check_harmonic_mean", lambda a, b: (a + b) / 2, "ordinary mean"),
    ("check_harmonic_mean", lambda a, b: 2 * a * b / (a + b), "raised ZeroDivisionError"),
    ("check_kept_gain", lambda new, zs, re: (new - zs) / (re - zs), "Return None"),
    ("check_kept_gain", lambda new, zs, re: max(0.0, gain(new, zs, re) or 0), "less than nothing"),
    ("check_negative_flips", lambda a, b: (a & ~b).float().mean(), "25 expected, yours is 0.25"),
    ("check_negative_flips", lambda a, b: 100 * (a ^ b).float().mean(), "not the one that was mended"),
    ("check_negative_flips", lambda a, b: 100 * (b & ~a).float().mean(), "none broke"),
    ("check_negative_flips", lambda a, b: 100 * (~b).float().mean(), "One answer of four broke"),
    ("check_attention", lambda *a: attention(*a, add=1.0), "return Attn(p, c) alone"),
    ("check_attention", lambda p, c, *maps: torch.cat([p, c]), "one row for each of the 3 context rows"),
    ("check_attention", lambda *a: 2 * attention(*a), "The shape is right"),
    ("check_distillation", lambda w, zs: pull(w, zs) ** 2, "squared"),
    ("check_distillation", lambda w, zs: (w - zs).norm(dim=-1).mean(), "normalise both"),
    ("check_score_size", lambda d, p, c: p * c / 3 * math.sqrt(d), "√D too much"),
    ("check_score_size", lambda d, p, c: p * c, "the variance a²/3"),
    ("check_score_size", lambda d, p, c: p * c / math.sqrt(3), "two maps"),
    ("check_score_size", lambda d, p, c: p * c / 3 / math.sqrt(d), "which is divided out"),
    ("check_lead", lambda one, two: math.hypot(half([*one.values()]), half([*two.values()])), "differences first"),
    ("check_lead", lambda one, two: half(by_place(one, two)), "same seed"),
    ("check_lead", lambda one, two: statistics.stdev(one[s] - two[s] for s in one), "standard deviation"),
    ("check_lead", lambda one, two: half([one[s] - two[s] for s in one], 1.96), "2.7764"),
    ("check_unsaid", lambda words, captions: sum(not any(w in c for c in captions) for w in words), "whole words"),
    ("check_unsaid", lambda words, captions: len({*words} - {w for c in captions for w in c.split()}), "full stop"),
    (
        "check_unsaid",
        lambda words, captions: sum({*w.split()}.isdisjoint(" ".join(captions).split()) for w in words),
        "in one piece",
    ),
    ("check_headroom", lambda zero_shot, probes: headroom(zero_shot, probes, max), "mean first"),
    ("check_headroom", lambda zero_shot, probes: headroom(zero_shot, probes, points=5.1), "at least 5"),
    ("check_rate", lambda trials: best_rate(trials, max), "may be lucky"),
    ("check_rate", lambda trials: best_rate(trials, sum), "a sum grows"),
    ("check_rate", lambda trials: best_rate(trials, lambda x: statistics.fmean(filter(None, x))), "diverged"),
    ("check_rate", lambda trials: max(trials, key=lambda rate: statistics.fmean(trials[rate])), "smaller rate"),
    ("check_cache_count", lambda classes, shots, dim: classes * shots * (dim + 1) + 2, "40 + 100 + 2"),
    ("check_cache_count", lambda classes, shots, dim: classes * shots * (dim + classes), "α and β"),
    ("check_cache_count", lambda classes, shots, dim: classes * (dim + classes) + 2, "each of the 12 · 16 pictures"),
    ("check_residual", lambda t, x, a: t + a * x, "the length 1"),
    ("check_residual", lambda t, x, a: F.normalize(t + x, dim=-1), "how much of x"),
    ("check_residual", lambda t, x, a: F.normalize(F.normalize(t, dim=-1) + a * x, dim=-1), "t as it comes"),
    ("check_residual", lambda t, x, a: (t + a * x)[0], "One row per class"),
    ("check_loudness", lambda *a: loudness(*a, ahead=lambda own, gained: own), "Who overtakes first"),
    ("check_loudness", lambda *a: loudness(*a) if a[1][0] >= 0 else 1.0, "never overtakes"),
    ("check_loudness", lambda *a: min(9.0, loudness(*a)), "no α is too large"),
    ("check_loudness", lambda *a: loudness(*a, first=0), "not class 0"),
    ("check_masked_change", lambda w, d, g: w + d, "carries all"),
    ("check_masked_change", lambda w, d, g: w + d * (d * g > 0), "what goes uphill"),
    ("check_masked_change", lambda w, d, g: w - g * (d * g < 0), "1 or 0"),
    ("check_masked_change", lambda w, d, g: d[0], "keep their shape"),
    ("check_affinity_gap", lambda a, images, keys: a[images[:, None] == keys].mean(), "Other keys: 0.1"),
    ("check_affinity_gap", gap_of_means, "mean over pairs"),
    ("check_rotated_probe", lambda w, r: w @ r, "wrong direction"),
    ("check_rotated_probe", lambda w, r: w.T, "shape of W"),
    ("check_rotated_probe", lambda w, r: w, "numbers are not"),
    ("check_folded_bias", lambda w, b, c: b, "what does not depend on x"),
    ("check_folded_bias", lambda w, b, c: w @ c, "old bias is still needed"),
    ("check_folded_bias", lambda w, b, c: w.T @ b, "One number per class"),
    ("check_rotation", lambda x, y: rotation(y, x), "its transpose"),
    ("check_rotation", lambda x, y: y.T @ x, "must become 1"),
    ("check_rotation", lambda x, y: y, "A square matrix"),
    ("check_share", lambda zs, there, retrained: (there - zs) / (retrained - zs), "answer in percent"),
    ("check_share", lambda zs, there, retrained: 100 * there / retrained, "25 are there"),
    ("check_share", lambda zs, there, retrained: max(0, 100 * (there - zs) / (retrained - zs)), "do not clip"),
]


def test_every_check_is_tried_here():
    assert set(RIGHT) == set(CHECKS)


@pytest.mark.parametrize("name", RIGHT)
def test_every_check_is_tried_with_two_typical_wrong_answers(name):
    assert sum(tried == name for tried, _, _ in WRONG) >= 2


def test_every_check_is_asked_for_in_a_chapter(project):
    chapters = "".join(path.read_text(encoding="utf-8") for path in sorted((project / "notebooks").glob("*.ipynb")))
    assert [name for name in CHECKS if f".{name}(" not in chapters] == []


@pytest.mark.parametrize("name", RIGHT)
def test_the_right_answer_is_told_so(name):
    found = CHECKS[name](RIGHT[name])
    assert found and repr(found).startswith("✓ Right. ")


@pytest.mark.parametrize(("name", "answer", "words"), WRONG)
def test_a_wrong_answer_gets_a_sentence_that_helps(name, answer, words):
    found = CHECKS[name](answer)
    assert not found and words in found.words and repr(found).startswith("○ Not yet. ")


@pytest.mark.parametrize("name", RIGHT)
def test_an_empty_function_is_called_empty_and_no_line_is_wider_than_a_page(name):
    assert "returns nothing yet" in CHECKS[name](lambda *a: None).words
    assert all(len(line) <= 68 for line in repr(CHECKS[name](lambda *a: 10**6)).splitlines())


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("answer", [lambda *a: None, lambda *a: ..., lambda: 1, lambda *a: "?", lambda *a: [1]])
def test_an_empty_or_strange_answer_is_not_an_error(name, answer):
    assert not CHECKS[name](answer)

"""Drift of parameters and features, and linear CKA, one number at a time.

CKA here goes through the n × n matrices of inner products; the unbiased estimate of HSIC is the mean over all ordered
choices of different rows, which is its definition, and not the formula in sums.
"""

from __future__ import annotations

import itertools
import math

import torch


def parameter_change(before, after):
    """Lists of tensors -> mean |Δ|, Σ|Δ| / Σ|θ|, ‖Δ‖ / ‖θ‖."""
    old = [x for tensor in before for x in tensor.flatten().tolist()]
    new = [x for tensor in after for x in tensor.flatten().tolist()]
    change = [b - a for a, b in zip(old, new, strict=True)]
    total = sum(abs(d) for d in change)
    lengths = math.sqrt(sum(d * d for d in change)), math.sqrt(sum(a * a for a in old))
    return total / len(old), total / sum(abs(a) for a in old), lengths[0] / lengths[1]


def feature_change(old, new):
    """Lists of rows -> mean |Δ| of all numbers, mean of ‖Δ‖ / ‖h‖ over rows."""
    numbers = [abs(b - a) for h, g in zip(old, new, strict=True) for a, b in zip(h.tolist(), g.tolist(), strict=True)]
    ratios = [
        math.sqrt(sum((g - h).tolist()[i] ** 2 for i in range(len(h)))) / math.sqrt(sum(x * x for x in h.tolist()))
        for h, g in zip(old, new, strict=True)
    ]
    return sum(numbers) / len(numbers), sum(ratios) / len(ratios)


def linear_cka(x, y):
    """[n, d], [n, e] -> Kornblith et al. 2019, equation 4 with linear kernels: HSIC from centred matrices."""
    n = len(x)
    centre = torch.eye(n, dtype=torch.float64) - torch.full((n, n), 1 / n, dtype=torch.float64)
    k, ell = (centre @ (m.double() @ m.double().T) @ centre for m in (x, y))
    return float(torch.trace(k @ ell) / torch.sqrt(torch.trace(k @ k) * torch.trace(ell @ ell)))


def debiased_cka(x, y):
    """The same with the unbiased HSIC, a mean over all ordered choices of 2, 3 and 4 different rows."""
    k, ell = (m.double() @ m.double().T for m in (x, y))
    return _hsic(k, ell) / math.sqrt(_hsic(k, k) * _hsic(ell, ell))


def _hsic(k, ell):
    """E[k_ij l_ij] + E[k_ij l_qr] − 2 E[k_ij l_iq], each over different i, j, q, r."""
    n = len(k)
    two = [k[i, j] * ell[i, j] for i, j in itertools.permutations(range(n), 2)]
    three = [k[i, j] * ell[i, q] for i, j, q in itertools.permutations(range(n), 3)]
    four = [k[i, j] * ell[q, r] for i, j, q, r in itertools.permutations(range(n), 4)]
    return float(sum(two) / len(two) + sum(four) / len(four) - 2 * sum(three) / len(three))

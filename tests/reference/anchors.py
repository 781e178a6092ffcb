"""A context row found again by its cosines to shared tokens, searched by gradient steps as arXiv 2310.01691 does it."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def cosines(row, tokens):
    """[width], [token, width] -> [token], one at a time."""
    return torch.stack([row @ token / (row.norm() * token.norm()) for token in tokens])


def search(row, old_tokens, new_tokens, steps=3000, seed=0):
    """The row whose cosines to the new tokens point most nearly where the old row's cosines do, of any length."""
    wanted = cosines(row, old_tokens)
    start = torch.randn(new_tokens.shape[1], generator=torch.Generator().manual_seed(seed), dtype=row.dtype)
    found = start.requires_grad_()
    optimiser = torch.optim.Adam([found], lr=0.02)
    directions = F.normalize(new_tokens, dim=-1)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = 1 - F.cosine_similarity(directions @ F.normalize(found, dim=0), wanted, dim=0)
        loss.backward()
        optimiser.step()
    return found.detach()

"""A map that is affine plus a small network: y = A x + c + W₂ gelu(W₁ (x − m) / d + b₁) + b₂.

A and c are ridge's, in closed form. The network learns what they leave, from 0 (W₂ and b₂ start there), so that it
starts as ridge's map. m and d are the mean and the root mean square deviation of all channels, so that W₁ sees inputs
of size 1; both are folded into W₁ and b₁ at the end.

Source: the MLP adapter of Drift-Adapter, arXiv 2509.23471. It trains its skip connection with the network, in batches;
here the skip is fixed, all pictures are one batch, and there are 200 steps.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

HIDDEN, STEPS, RATE, DECAY = 256, 200, 1e-3, 0.01
"""Width as in Drift-Adapter; the rest is our choice, not tuned. AdamW, DECAY on all four tensors."""


@dataclass(frozen=True)
class ResidualMap:
    """y = affine(x) + w2 gelu(w1 x + b1) + b2. w1: [hidden, dim of x]. w2: [dim of y, hidden].

    It is no matrix: it cannot be folded into a linear classifier. Rows that are features can be moved by it.
    """

    affine: Callable[[Tensor], Tensor]
    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """[row, dim of x] -> [row, dim of y]."""
        return self.affine(features) + F.linear(F.gelu(F.linear(features, self.w1, self.b1)), self.w2, self.b2)


def train_residual(x: Tensor, rest: Tensor, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """w1, b1, w2, b2 that take x to what the affine map leaves, in the dtype and on the device of x.

    x: [picture, dim of x]. rest: [picture, dim of y]. The loss is the sum over channels of squares, meaned over
    pictures. seed: of w1, normal with variance 1 / dim of x; drawn on the CPU.
    """
    mean, deviation = x.mean(0), (x - x.mean(0)).square().mean().sqrt()
    z = (x - mean) / deviation
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(HIDDEN, x.shape[1], generator=generator, dtype=torch.float64).to(x) / x.shape[1] ** 0.5
    starts = (first, x.new_zeros(HIDDEN), x.new_zeros(rest.shape[1], HIDDEN), x.new_zeros(rest.shape[1]))
    w1, b1, w2, b2 = learned = [t.requires_grad_() for t in starts]
    optimizer = torch.optim.AdamW(learned, lr=RATE, weight_decay=DECAY)
    with torch.enable_grad():
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = (F.linear(F.gelu(F.linear(z, w1, b1)), w2, b2) - rest).square().sum(1).mean()
            loss.backward()
            optimizer.step()
    w1, b1, w2, b2 = (t.detach() for t in learned)
    return w1 / deviation, b1 - w1 @ mean / deviation, w2, b2

"""How Dassl trains: its learning rates, found by running torch's own schedulers, and SGD by hand."""

from __future__ import annotations

import torch


def learning_rates(epochs, lr=0.002, warmup_epochs=1, warmup_lr=1e-5):
    """The rate of every epoch: a constant warm-up that holds back a cosine of `epochs` periods, then lets it start.

    Both are stepped once at the end of an epoch. The cosine is not told of the epochs it missed ("recount").
    """
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=lr)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, float(epochs))
    warm_up = _ConstantWarmUp(optimizer, cosine, warmup_epochs, warmup_lr)
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        parameter.grad = torch.zeros(1)
        optimizer.step()
        warm_up.step()
    return rates


class _ConstantWarmUp(torch.optim.lr_scheduler.LRScheduler):
    def __init__(self, optimizer, successor, epochs, rate):
        self.successor, self.epochs, self.rate = successor, epochs, rate
        super().__init__(optimizer)

    def get_lr(self):
        if self.last_epoch >= self.epochs:
            return self.successor.get_last_lr()
        return [self.rate for _ in self.base_lrs]

    def step(self):
        if self.last_epoch >= self.epochs:
            self.successor.step()
            self._last_lr = self.successor.get_last_lr()
        else:
            super().step()


def cosine_per_step(steps, lr):
    """The rate of every step of a plain cosine over all steps (the SHIP recipe)."""
    parameter = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=lr)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        parameter.grad = torch.zeros(1)
        optimizer.step()
        cosine.step()
    return rates


def batches(order, size, drop_last=True):
    """An epoch's images in batches; an incomplete last one is left out, unless it is the only one."""
    found = [order[at : at + size] for at in range(0, len(order), size)]
    if drop_last and len(found) > 1 and len(found[-1]) < size:
        found.pop()
    return found


def sgd_step(value, gradient, buffer, rate, momentum=0.9, weight_decay=5e-4):
    """One step of SGD: the new value and the new buffer. buffer is None before the first step; no dampening."""
    gradient = gradient + weight_decay * value
    buffer = gradient if buffer is None else momentum * buffer + gradient
    return value - rate * buffer, buffer

"""Steps as CUDA graphs: the same numbers, recorded once; and plain steps where there is no GPU."""

from __future__ import annotations

import pytest
import torch

from clipcompat.training.cuda_graphs import Steps


def problem(device: str):
    """A step that leaves gradients: which rows of a table, by number."""
    generator = torch.Generator().manual_seed(1)
    table = torch.randn(6, 3, generator=generator).to(device)
    weight = torch.zeros(3, device=device, requires_grad=True)
    calls = []

    def run(inputs):
        calls.append(1)
        loss = (table[inputs[0]] @ weight - 1).square().sum()
        loss.backward()
        return loss.detach()

    return weight, run, calls


def train(weight, steps, device, sizes=(2, 2, 3)):
    losses = []
    for number in range(12):
        size = sizes[number % len(sizes)]
        rows = (torch.arange(size) + number) % 6
        losses.append(float(steps([rows.to(device)])))
        weight.data -= 0.1 * weight.grad
    return losses


def test_without_a_gpu_steps_simply_run_and_gradients_start_anew():
    weight, run, calls = problem("cpu")
    steps = Steps(run, [weight], torch.device("cpu"))
    first = float(steps([torch.tensor([0, 1])]))
    once = weight.grad.clone()
    assert float(steps([torch.tensor([0, 1])])) == first and torch.equal(weight.grad, once)
    assert len(calls) == 2


@pytest.mark.cuda
def test_recorded_steps_are_those_that_run():
    found = []
    for device in (torch.device("cuda"), None):  # None: nothing is recorded
        weight, run, calls = problem("cuda")
        steps = Steps(run, [weight], device)
        found.append((train(weight, steps, "cuda"), weight.detach().cpu()))
        recorded = device is not None
        assert len(steps._recorded) == (2 if recorded else 0)
        assert len(calls) < 12 if recorded else len(calls) == 12
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-5, atol=1e-5)


@pytest.mark.cuda
def test_a_step_that_cannot_be_recorded_still_runs(caplog):
    weight, run, _ = problem("cuda")

    def waits(inputs):
        loss = run(inputs)
        float(loss)  # a recorded step may not wait for a value
        return loss

    steps = Steps(waits, [weight], torch.device("cuda"))
    losses = train(weight, steps, "cuda")
    assert losses[-1] < losses[0] and "without CUDA graphs" in caplog.text


@pytest.mark.cuda
def test_forgetting_records_anew():
    weight, run, _ = problem("cuda")
    steps = Steps(run, [weight], torch.device("cuda"))
    train(weight, steps, "cuda", sizes=(2,))
    steps.forget()
    assert not steps._recorded
    train(weight, steps, "cuda", sizes=(2,))
    assert steps._recorded

"""Forward and backward of small training steps as CUDA graphs.

A GPU does a step of a few dozen classes faster than Python can ask for its kernels. A graph is asked for once: it is
recorded from a step, and replayed for all that follow. What a step reads is copied into fixed places first; its
gradients appear in fixed places too, and the optimiser, whose rate changes, goes on as usual. On other devices, and
where recording fails or would take much memory, steps simply run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

log = logging.getLogger(__name__)

_WARM_UP = 3  # steps that run before one is recorded: kernels are chosen and memory is laid out in them
_SHARE = 0.25  # of the free memory, that a recorded step may hold for good


@dataclass(frozen=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor]
    outputs: Tensor
    gradients: list[Tensor | None]


class Steps:
    """`run(inputs)` for steps of a training, recorded where that helps.

    Args:
        run: reads tensors of indices on the device, leaves gradients with the parameters, returns a tensor.
        parameters: whose gradients `run` leaves.
        device: where it all lies; None: some of it does not, and nothing is recorded.
    """

    def __init__(
        self, run: Callable[[Sequence[Tensor]], Tensor], parameters: Sequence[Tensor], device: torch.device | None
    ):
        self._run, self._parameters, self._device = run, list(parameters), device
        self._seen: dict[tuple, int] = {}
        self._recorded: dict[tuple, _Recording] = {}
        self._records = device is not None and device.type == "cuda"

    def __call__(self, inputs: Sequence[Tensor], key: tuple = ()) -> Tensor:
        """One step. key: whatever else than the inputs' shapes makes steps differ."""
        key = (*key, *(tuple(x.shape) for x in inputs))
        if key not in self._recorded:
            self._seen[key] = self._seen.get(key, 0) + 1
            if not self._records or self._seen[key] <= _WARM_UP:
                return self._eager(inputs)
            self._record(key, inputs)
        if key not in self._recorded:
            return self._eager(inputs)
        recording = self._recorded[key]
        for place, value in zip(recording.inputs, inputs, strict=True):
            place.copy_(value, non_blocking=True)
        recording.graph.replay()
        for parameter, gradient in zip(self._parameters, recording.gradients, strict=True):
            parameter.grad = gradient
        return recording.outputs

    def forget(self) -> None:
        """Drop what is recorded: memory ran out, or steps are made differently from now on."""
        self._recorded.clear()
        self._seen.clear()

    def _eager(self, inputs: Sequence[Tensor]) -> Tensor:
        for parameter in self._parameters:
            parameter.grad = None
        return self._run(inputs)

    def _record(self, key: tuple, inputs: Sequence[Tensor]) -> None:
        stream = torch.cuda.Stream(self._device)
        stream.wait_stream(torch.cuda.current_stream(self._device))
        before = torch.cuda.memory_allocated(self._device)
        torch.cuda.reset_peak_memory_stats(self._device)
        with torch.cuda.stream(stream):
            self._eager(inputs)  # once more beside the main stream, as recording demands; its gradients are dropped
        torch.cuda.current_stream(self._device).wait_stream(stream)
        size = torch.cuda.max_memory_allocated(self._device) - before
        if size > _SHARE * torch.cuda.mem_get_info(self._device)[0]:
            self._records = False
            log.info("steps of %.1f GB are not recorded as CUDA graphs", size / 1e9)
            return
        for parameter in self._parameters:
            parameter.grad = None  # so that the recorded backward writes gradients instead of adding to them
        places, graph = [x.clone() for x in inputs], torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                outputs = self._run(places)
        except RuntimeError as error:
            self._records = False
            log.warning("training goes on without CUDA graphs: a step could not be recorded (%s)", error)
            return
        self._recorded[key] = _Recording(graph, places, outputs, [p.grad for p in self._parameters])

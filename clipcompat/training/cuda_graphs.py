"""Forward and backward of small training steps as CUDA graphs.

With a few dozen classes, launching a step's kernels takes longer than running them. A CUDA graph launches all at once:
it is recorded from one step and replayed for the following ones. A replay reads its inputs from fixed tensors, so they
are copied there first, and it leaves gradients in fixed tensors. The optimiser, whose learning rate changes, is not
part of the graph. Steps run without a graph on other devices, and if recording fails or would take too much memory.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

log = logging.getLogger(__name__)

_WARM_UP = 3  # steps before one is recorded, in which libraries choose kernels; as torch.cuda.make_graphed_callables
_SHARE = 0.25  # of free memory that one recorded step may hold until training ends; our choice


@dataclass(frozen=True)
class _Recording:
    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor]
    outputs: Tensor
    gradients: list[Tensor | None]


class Steps:
    """Calls of `run(inputs)`, recorded on a GPU.

    Args:
        run: reads index tensors on the device, leaves gradients with the parameters, and returns a tensor.
        parameters: those that get gradients.
        device: of all tensors of a step; None if some are elsewhere, and then nothing is recorded.
    """

    def __init__(
        self, run: Callable[[Sequence[Tensor]], Tensor], parameters: Sequence[Tensor], device: torch.device | None
    ):
        self._run, self._parameters, self._device = run, list(parameters), device
        self._seen: dict[tuple, int] = {}
        self._recorded: dict[tuple, _Recording] = {}
        self._records = device is not None and device.type == "cuda"

    def __call__(self, inputs: Sequence[Tensor], key: tuple = ()) -> Tensor:
        """One step: inputs -> what `run` returns. key: what makes steps differ, besides the inputs' shapes."""
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
        """Drop all recordings: memory ran out, or steps will run differently from now on."""
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
            self._eager(inputs)  # recording demands a run on a side stream; its gradients are dropped
        torch.cuda.current_stream(self._device).wait_stream(stream)
        size = torch.cuda.max_memory_allocated(self._device) - before
        if size > _SHARE * torch.cuda.mem_get_info(self._device)[0]:
            self._records = False
            log.info("steps of %.1f GB are not recorded as CUDA graphs", size / 1e9)
            return
        for parameter in self._parameters:
            parameter.grad = None  # the recorded backward must write gradients, not add to them
        places, graph = [x.clone() for x in inputs], torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                outputs = self._run(places)
        except RuntimeError as error:
            self._records = False
            log.warning("training goes on without CUDA graphs: a step could not be recorded (%s)", error)
            return
        self._recorded[key] = _Recording(graph, places, outputs, [p.grad for p in self._parameters])

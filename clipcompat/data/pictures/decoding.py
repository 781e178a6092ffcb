"""Pictures decoded in parallel, a few blocks ahead of their use.

Threads, not processes: PIL releases the interpreter while it decodes and resizes, and nothing is pickled or forked
beside torch's threads. Pictures per second, from JPEGs of 224 to 500 pixels a side (53 kB) on two idle cores, medians
of four rounds in turns, test transform (views in brackets): one thread 478 (579); two threads 892 (1,041); torch's
DataLoader with two forked workers 862 (1,033); two spawned processes 820 (944), after more than a second of start.
With the mini tower behind: threads 1,053, DataLoader 955. Python itself takes 0.10 ms per picture (0.17), so one
interpreter can feed about sixteen cores.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import torch
from torch import Tensor

from clipcompat.data.pictures.opening import workers

BLOCK = 64
"""Pictures decoded, encoded and kept together."""

_AHEAD = 2  # blocks in the queue, so that no worker waits for the last picture of a block


def decode(jobs: Iterable[tuple], draw: Callable[..., Tensor], pin: bool = False) -> Iterator[Tensor]:
    """Blocks of pixels [block, 3, size, size], in the order of `jobs`, decoded ahead.

    jobs: arguments of `draw`, which gives the pixels of one picture; they are taken as needed, not listed.
    pin: in page-locked memory, from which a GPU copies while it computes.

    Raises:
        Whatever `draw` raises, after the blocks before it.
    """
    jobs, waiting = iter(jobs), deque()
    pool = ThreadPoolExecutor(max_workers=workers())
    try:
        while True:
            while len(waiting) <= _AHEAD and (block := list(islice(jobs, BLOCK))):
                waiting.append(_submit(pool, block, draw))
            if not waiting:
                return
            pixels = torch.cat([part.result() for part in waiting.popleft()])
            yield pixels.pin_memory() if pin else pixels
    finally:
        pool.shutdown(cancel_futures=True)


def _submit(pool: ThreadPoolExecutor, block: list[tuple], draw: Callable[..., Tensor]) -> list[Future[Tensor]]:
    """A block in parts of a few pictures: enough for all workers, with less overhead than one job per picture."""

    def stacked(part: list[tuple]) -> Tensor:
        return torch.stack([draw(*job) for job in part])

    size = -(-len(block) // (2 * workers()))
    return [pool.submit(stacked, block[at : at + size]) for at in range(0, len(block), size)]

"""The hard negatives of DPC: for a batch of images, the classes that its stage-1 model confuses with theirs.

Paper: DPC (arXiv 2503.13443), Dynamic Hard Negative Optimizer; JREion/DPC trainers/sple_coop.py.
Pure index arithmetic: it sees logits and labels, and names training images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LEAST = 2
"""Negatives that an image gets at least, if there are so many unused classes: the constant of the released code."""


@dataclass(frozen=True)
class Negatives:
    """Draws negatives from the training images.

    of_class: for every class, its training images, by index. top_k: so many of the stage-1 model's first classes count.
    as_released: fill up as the released code does, which never draws the first and the last class, and may give up.
    draws_last: as its variant over PromptKD, which leaves out the first class alone.
    """

    of_class: Sequence[Sequence[int]]
    top_k: int
    as_released: bool = False
    draws_last: bool = False

    @staticmethod
    def of(
        labels: Tensor, classes: int, top_k: int, as_released: bool = False, draws_last: bool = False
    ) -> "Negatives":
        """labels: [image], of all training images."""
        of_class: list[list[int]] = [[] for _ in range(classes)]
        for image, label in enumerate(labels.tolist()):
            of_class[label].append(image)
        return Negatives(of_class, top_k, as_released, draws_last)

    def draw(self, logits: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Logits [batch, class] of the stage-1 model, labels [batch] -> [negative], int64, training images.

        No class comes twice in a batch, so an image that comes first has the first choice (`classes`).
        """
        chosen = [label for negatives in self.classes(logits, labels, generator) for label in negatives]
        images = [self.of_class[label][_below(len(self.of_class[label]), generator)] for label in chosen]
        return torch.tensor(images, dtype=torch.int64)

    def classes(self, logits: Tensor, labels: Tensor, generator: torch.Generator) -> list[list[int]]:
        """The negative classes of every image of the batch."""
        count = logits.shape[1]
        ranked = logits.topk(min(self.top_k, count)).indices.tolist()  # [batch][k]
        seen, found = set(labels.tolist()), []
        for candidates in ranked:
            mine = [label for label in candidates if label not in seen]  # its own label is seen already
            seen.update(mine)
            if len(mine) < LEAST:
                mine += self._filled(LEAST - len(mine), seen, count, generator)
                seen.update(mine)
            found.append(mine)
        return found

    def _filled(self, missing: int, seen: set[int], count: int, generator: torch.Generator) -> list[int]:
        """So many classes that are not in `seen`, as far as there are any."""
        if not self.as_released:
            unused = [label for label in range(count) if label not in seen]
            return [unused[i] for i in torch.randperm(len(unused), generator=generator)[:missing].tolist()]
        drawn: list[int] = []
        span = count - 1 if self.draws_last else count - 2
        for _ in range(span):
            label = 1 + _below(span, generator)
            if label not in seen and label not in drawn:
                drawn.append(label)
            if len(drawn) == missing:
                break
        return drawn


def _below(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))

"""Protocols: which pictures a method may look at to choose among its own results.

"no-validation": none; all settings are fixed beforehand, as CLAP (arXiv 2312.12730) asks of few-shot methods.
"validation": validation pictures. "official": what the official code does, where that looks at test pictures.
"""

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from clipcompat.common.errors import unknown_name
from clipcompat.training.task import Task

NO_VALIDATION, VALIDATION, OFFICIAL = "no-validation", "validation", "official"


def check_protocol(protocol: str, known: Collection[str] = (NO_VALIDATION, VALIDATION)) -> None:
    """Refuse a protocol that a method does not have.

    Raises:
        UnknownNameError: it is none of `known`.
    """
    if protocol not in known:
        raise unknown_name("protocol", protocol, known)


class BestEpoch:
    """The tensors of the epoch with the most hits on validation pictures; of equals the last, as in LP++'s code.

    parameters: those in training. logits: (parameters, image features [image, width]) -> [image, class].
    kind: of the image features. features: of the validation pictures as a method that changes the image tower sees them
        now, [image, width], in their order; None: the tower is frozen, and they are encoded once.
    """

    def __init__(
        self,
        task: Task,
        parameters: Mapping[str, Tensor],
        logits: Callable[[Mapping[str, Tensor], Tensor], Tensor],
        kind: str = "projected",
        features: Callable[[], Tensor] | None = None,
    ):
        task.require_validation("the epoch that is kept")
        self.tensors: dict[str, Tensor] = {}
        self._parameters, self._logits, self._most = parameters, logits, -1
        self._labels = task.data.val.labels.to(task.backbone.device)
        if features is None:
            frozen, _ = task.validation(kind)
        self._features = features or (lambda: frozen)

    @torch.no_grad()
    def look(self, epoch: int = 0) -> None:
        """Measure the parameters as they are now, and keep a copy of them if none before had more hits."""
        hits = int((self._logits(self._parameters, self._features()).argmax(-1) == self._labels).sum())
        if hits >= self._most:
            self._most = hits
            self.tensors = {name: value.detach().clone() for name, value in self._parameters.items()}

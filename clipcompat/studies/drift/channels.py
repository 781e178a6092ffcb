"""Do the channels of a prompt keep their structure in training? The claim that DPC's linear mixing rests on.

Paper: DPC (arXiv 2503.13443), feature-channel invariance. Any small step keeps the channels nearly as they are,
whatever its direction. So each number stands beside a control: the same prompt after a random step of equal length per
token. The claim says more than "the step is small" only where the trained step keeps more than the random one.
"""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from clipcompat.common.errors import ConfigError

_TOP = 8
"""A token's largest channels: an eighth of them, as 64 of 512."""
_DRAWS = 50
_SEED = 0


@dataclass(frozen=True)
class ChannelInvariance:
    """Two prompts, channel by channel; means over tokens.

    step: length of the difference, relative to the first prompt. correlation: Pearson's, between the channels of both.
    overlap: share of the largest channels, by absolute value, that are the same in both. random_correlation,
    random_overlap: the same after a random step as long as the trained one, mean of 50 draws.
    """

    step: float
    correlation: float
    overlap: float
    random_correlation: float
    random_overlap: float

    def to_dict(self) -> dict[str, float]:
        return asdict(self)


def channel_invariance(first: Tensor, second: Tensor) -> ChannelInvariance:
    """Prompts before and after a training, both [token, width].

    Raises:
        ConfigError: the shapes differ, or the prompts are equal, so that there is no step.
    """
    if first.shape != second.shape or first.ndim != 2:
        raise ConfigError(
            f"two prompts of one shape [token, width] are needed, not {list(first.shape)} and {list(second.shape)}."
        )
    first, second = first.double(), second.double()
    step = (second - first).norm(dim=1, keepdim=True)  # [token, 1]
    if not step.any():
        raise ConfigError("the two prompts are equal: no training came between them.")
    generator = torch.Generator().manual_seed(_SEED)
    directions = torch.randn((_DRAWS, *first.shape), generator=generator, dtype=first.dtype)
    random = first + step * torch.nn.functional.normalize(directions, dim=-1)  # [draw, token, width]
    return ChannelInvariance(
        step=float((step.squeeze(1) / first.norm(dim=1)).mean()),
        correlation=float(_correlation(first, second)),
        overlap=float(_overlap(first, second)),
        random_correlation=float(_correlation(first.expand_as(random), random)),
        random_overlap=float(_overlap(first.expand_as(random), random)),
    )


def _correlation(first: Tensor, second: Tensor) -> Tensor:
    """[…, token, width] twice -> the mean of all tokens."""
    first, second = (x - x.mean(-1, keepdim=True) for x in (first, second))
    return torch.nn.functional.cosine_similarity(first, second, dim=-1).mean()


def _overlap(first: Tensor, second: Tensor) -> Tensor:
    """[…, token, width] twice -> the mean share of common largest channels."""
    count = max(1, first.shape[-1] // _TOP)
    one, two = (torch.zeros_like(x).scatter(-1, x.abs().topk(count).indices, 1.0) for x in (first, second))
    return (one * two).sum(-1).mean() / count

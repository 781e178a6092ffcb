"""Published estimates of accuracy without labels, as the audit's own is compared with them.

ATC  average thresholded confidence (arXiv 2201.04234): the share of target pictures that are surer than a threshold,
     at which the share of labelled source pictures is their accuracy. Score: the largest probability, or minus the
     entropy.
DoC  difference of confidences (arXiv 2107.03315): source accuracy plus the mean largest probability on the target minus
     that on the source.
FRAP fused reference alignment prediction (arXiv 2606.06335, without released code; written from its abstract): a
     reference model's temperature is set so that its probabilities are nearest to the tested model's in
     Jensen-Shannon divergence; both are averaged with their confidences as weights; the estimate is how closely the
     tested model agrees with the average: here the mean probability that the average gives to its answers. The other
     reading, the share of pictures with the same answer, was 33 points off where this was 14 (138 plug-ins). The
     reference is zero-shot on the new backbone.

Source: the plug-in on its old backbone, with labelled pictures. Target: the plug-in on new, without labels.
All probabilities are [image, class], and all results are shares of 1.
"""

import torch
from torch import Tensor

_TEMPERATURES = torch.logspace(-2, 2, 81)


def atc(source: Tensor, labels: Tensor, target: Tensor, score: str = "confidence") -> float:
    """score: "confidence" (the largest probability) or "entropy"."""
    of_source, of_target = (_confidence(p) if score == "confidence" else -_entropy(p) for p in (source, target))
    wrong = int((source.argmax(-1) != labels).sum())
    below = of_source.sort().values
    threshold = below[wrong - 1] if wrong else below[0] - 1
    return float((of_target > threshold).double().mean())


def doc(source: Tensor, labels: Tensor, target: Tensor) -> float:
    """Between 0 and 1."""
    accuracy = (source.argmax(-1) == labels).double().mean()
    found = accuracy + _confidence(target).double().mean() - _confidence(source).double().mean()
    return float(found.clamp(0, 1))


def frap(target: Tensor, reference_logits: Tensor) -> float:
    """target: probabilities. reference_logits: [image, class], before their temperature."""
    nearest = min(_TEMPERATURES.tolist(), key=lambda t: _divergence(target, (reference_logits / t).softmax(-1)))
    reference = (reference_logits / nearest).softmax(-1)
    weights = [_confidence(p)[:, None] for p in (target, reference)]
    fused = (weights[0] * target + weights[1] * reference) / (weights[0] + weights[1])
    return float(fused.gather(1, target.argmax(-1)[:, None]).double().mean())


def _confidence(probabilities: Tensor) -> Tensor:
    return probabilities.max(-1).values


def _entropy(probabilities: Tensor) -> Tensor:
    return torch.special.entr(probabilities).sum(-1)


def _divergence(p: Tensor, q: Tensor) -> float:
    """The mean over pictures of the Jensen-Shannon divergence, in nats."""
    return float((_entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2).mean())

"""What the answers of a plug-in show without labels, once its confidence on old is that of its accuracy there.

The plug-in on its old backbone is the teacher. Its temperature is set so that its mean largest probability equals its
accuracy (temperature scaling without labels needs this one number). Then the mean probability that it gives to the
answers on new estimates how many of them are right:

    held    the mean probability, on old, of the class that is answered on new
    old     the accuracy on old; if it is not known, the mean largest probability at the plug-in's own temperature
    same    the share of pictures with the same answer on both
"""

from torch import Tensor

SIGNS = ("held", "old", "same")

_MOST = 0.999  # no temperature makes every picture certain
_COLDEST, _HOTTEST, _HALVINGS = 1e-3, 1e4, 60


def teacher(logits: Tensor, accuracy: float | None = None) -> Tensor:
    """Probabilities [image, class] of a plug-in's logits on old. accuracy: a share of 1; None leaves its confidence."""
    logits = logits.double()
    if accuracy is None:
        return logits.softmax(-1)
    aim = min(max(accuracy, 1 / logits.shape[1]), _MOST)
    low, high = _COLDEST, _HOTTEST
    for _ in range(_HALVINGS):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if _confidence((logits / middle).softmax(-1)) > aim else (low, middle)
    return (logits / high).softmax(-1)


def signs(on_old: Tensor, on_new: Tensor) -> dict[str, float]:
    """The signs of answers on new, of the carried plug-in or of anything else.

    on_old: what `teacher` returns, [image, class]. on_new: the classes answered on new, [image].
    """
    held = on_old.gather(1, on_new[:, None]).mean()
    return {
        "held": float(held),
        "old": _confidence(on_old),
        "same": float((on_old.argmax(-1) == on_new).double().mean()),
    }


def _confidence(probabilities: Tensor) -> float:
    return float(probabilities.max(-1).values.mean())

"""The expected accuracy of a plug-in from its signs alone."""

from collections.abc import Mapping

from clipcompat.common.errors import DataError


def expected_accuracy(found: Mapping[str, float], pictures: int | None = None) -> tuple[float, tuple[float, float]]:
    """Percent, and the 95 % interval. found: see `clipcompat.audits.signs`. pictures: how many they are of."""
    raise DataError("accuracies cannot be predicted without labels yet; give labels, or no pictures.")

"""What a study of compatibility says of one plug-in; needs no torch, so that tables print fast."""

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from clipcompat.common.frames import to_dataframe
from clipcompat.studies.details import Details

if TYPE_CHECKING:
    import pandas

_SMALLEST_GAIN = 1.0  # points; a share of a smaller gain is noise


@dataclass(frozen=True)
class Compatibility:
    """One plug-in, one upgrade, one dataset; accuracies in percent.

    old, new: the same plug-in on both backbones. zs_old, zs_new: zero-shot. retrained: the same method, shots and seed
    trained on new; None if that was not asked for. negative_flips: images right on old and wrong on new, percent.
    seed: of the training; None for an imported plug-in that does not know it.
    details: the prediction for every test picture, with accuracies per class, confusion matrices and flips; None in a
    report that was read from a record. Two reports with the same numbers are equal.
    """

    method: str
    dataset: str
    seed: int | None
    old: float
    new: float
    zs_old: float
    zs_new: float
    retrained: float | None
    negative_flips: float
    details: Details | None = field(default=None, compare=False, repr=False)

    @property
    def h_upgrade(self) -> float:
        """Harmonic mean of old and new."""
        return harmonic_mean(self.old, self.new)

    @property
    def kept_gain(self) -> float | None:
        """(new - zs_new) / (retrained - zs_new); None where retraining gains less than 1 point."""
        return None if self.retrained is None else kept_gain(self.new, self.zs_new, self.retrained)

    def to_dict(self) -> dict[str, Any]:
        """Fields, but for the details, and derived numbers, as JSON values."""
        derived = {"h_upgrade": self.h_upgrade, "kept_gain": self.kept_gain}
        return {name: getattr(self, name) for name in MEASURED} | derived

    def to_dataframe(self) -> "pandas.DataFrame":
        """`to_dict` as a table of pandas with one row; `details.to_dataframe()` has one row per test picture.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        return to_dataframe([self.to_dict()])


MEASURED = tuple(f.name for f in fields(Compatibility) if f.name != "details")
"""The fields that a record keeps."""


def kept_gain(new: float, zs_new: float, retrained: float) -> float | None:
    """Share of what retraining gains over zero-shot that the carried plug-in keeps; None below a gain of 1 point."""
    gain = retrained - zs_new
    return (new - zs_new) / gain if gain >= _SMALLEST_GAIN else None


def harmonic_mean(a: float, b: float) -> float:
    """2ab / (a + b), 0 where both are 0: the H of both papers."""
    return 2 * a * b / (a + b) if a + b else 0.0

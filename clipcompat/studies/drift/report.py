"""What a study of drift says of one upgrade."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from clipcompat.common.frames import to_dataframe
from clipcompat.studies.drift.features import FeatureChange
from clipcompat.studies.drift.parameters import ParameterChange

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Drift:
    """How far a text tower moved from one generation to another.

    old, new: the backbones' names. prompts: how many prompts went through both towers.
    parameters: by part and kind of tensor, from input to output; empty for towers of two widths.
    features: by layer and place, from input to output.
    """

    old: str
    new: str
    prompts: int
    parameters: tuple[ParameterChange, ...]
    features: tuple[FeatureChange, ...]

    def parameters_of(self, kind: str = "all") -> dict[str, ParameterChange]:
        """Part -> the change of one kind of its tensors, from input to output."""
        return {change.part: change for change in self.parameters if change.kind == kind}

    def features_at(self, place: str = "eot") -> dict[str, FeatureChange]:
        """Layer -> the change at one place, from input to output."""
        return {change.layer: change for change in self.features if change.place == place}

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON values."""
        return asdict(self) | {
            part: [asdict(row) for row in getattr(self, part)] for part in ("parameters", "features")
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Drift":
        """What `to_dict` gave; other keys, as in a row of a record, are left out."""
        lists = {"parameters": ParameterChange, "features": FeatureChange}
        made = {name: tuple(kind(**row) for row in values[name]) for name, kind in lists.items()}
        return cls(**{f.name: values[f.name] for f in fields(cls)} | made)

    def to_dataframe(self) -> "pandas.DataFrame":
        """One row per group of parameters and per layer and place; `what` says which.

        Raises:
            MissingPackageError: pandas is not installed.
        """
        parameters = ({"what": "parameters", **asdict(row)} for row in self.parameters)
        features = ({"what": "features", **asdict(row)} for row in self.features)
        return to_dataframe([*parameters, *features])

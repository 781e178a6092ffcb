"""What image features of runs at paper scale take on disk, computed from the sizes of data sets. Nothing was measured.

A feature is a row of float32 per picture and view. Runs share files: each set of pictures is kept once per image tower,
kind of feature, seed and random crop. The first run that needs pictures makes every kind that others read of them.
Left out are features of validation pictures, and plug-ins.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from clipcompat.common.config import to_config
from clipcompat.data.public.layout import find_layout
from clipcompat.methods.defaults import configured_method
from clipcompat.runs.papers.hours import TOWERS, estimated_hours
from clipcompat.runs.request import Request
from clipcompat.training.learner import Method
from clipcompat.training.loop import DEFAULT_VIEWS

_FLOAT = 4  # bytes


def feature_bytes(requests: Iterable[Mapping[str, Any]]) -> int:
    """Of all runs whose cost `clipcompat.runs.papers.hours` knows.

    requests: fields of a `Request` each.
    """
    rows: dict[tuple, int] = {}
    widths: dict[tuple, dict[str, int]] = {}
    for request in requests:
        if estimated_hours(request) is not None:
            for looks, pictures, count, width in _rows(request):
                widths.setdefault(looks, {}).update(width)
                rows[looks, pictures] = max(rows.get((looks, pictures), 0), count)
    return _FLOAT * sum(count * sum(widths[looks].values()) for (looks, _), count in rows.items())


def _rows(request: Mapping[str, Any]) -> Iterator[tuple[tuple, Any, int, dict[str, int]]]:
    """Tower, data set and transform; what tells pictures; how many rows they have; width by kind of features."""
    towers, layout = TOWERS[request["upgrade"]], find_layout(request["dataset"])
    get = {name: request.get(name, getattr(Request, name)) for name in ("seeds", "shots", "views", "retrain")}
    method = configured_method(request["method"], layout.name, request["upgrade"], request.get("settings", ()))
    kind = method.image_features
    width = {kind: {"projected": towers.dim, "penultimate": towers.penultimate}[kind]}
    for side in ("old", "new"):  # zero-shot is tested beside every method
        looks = (request["upgrade"], side, layout.name, "test")
        yield looks, "test", layout.test_size, width | {"projected": towers.dim}
    if method.needs == "nothing":
        return
    shots = get["shots"]
    pictures = layout.train_size if shots is None else shots * layout.classes
    transform, views = _transform(method, layout.name, shots, pictures, get["views"])
    for side in ("old", "new")[: 1 + get["retrain"]]:
        for seed in get["seeds"]:
            yield (request["upgrade"], side, layout.name, transform), (shots, seed), views * pictures, width


def _transform(method: Method, dataset: str, shots: int | None, pictures: int, views: int | None) -> tuple[Any, int]:
    """Which random crops a method trains on, and how many of a picture; of one without crops the plain picture."""
    if "recipe" not in to_config(method):
        return "test", 1
    count = getattr(method, "passes", None)
    if count is None:
        most = DEFAULT_VIEWS if views is None else views
        count = min(most, method.recipe.epochs_for(dataset, shots, pictures))
    return method.recipe.crop_for(dataset), count

"""What image features of runs at paper scale take on disk, computed from the sizes of data sets. Nothing was measured.

A feature is a row of float32 per picture and view. Runs share files: each set of pictures is kept once per image tower,
kind of feature, seed and random crop. Left out are features of validation pictures, and plug-ins.
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
    files: dict[tuple, int] = {}
    for request in requests:
        if estimated_hours(request) is not None:
            for what, values in _files(request):
                files[what] = max(files.get(what, 0), values)
    return _FLOAT * sum(files.values())


def _files(request: Mapping[str, Any]) -> Iterator[tuple[tuple, int]]:
    """What tells a file from others, and how many values it holds."""
    towers, layout = TOWERS[request["upgrade"]], find_layout(request["dataset"])
    get = {name: request.get(name, getattr(Request, name)) for name in ("seeds", "shots", "views", "retrain")}
    method = configured_method(request["method"], layout.name, request["upgrade"], request.get("settings", ()))
    width = {"projected": towers.dim, "penultimate": towers.penultimate}
    kind = method.image_features
    for side in ("old", "new"):
        for shown in {"projected", kind}:  # zero-shot is tested beside every method
            yield (request["upgrade"], side, layout.name, "test", shown), layout.test_size * width[shown]
    if method.needs == "nothing":
        return
    shots = get["shots"]
    pictures = layout.train_size if shots is None else shots * layout.classes
    transform, views = _transform(method, layout.name, shots, pictures, get["views"])
    for side in ("old", "new")[: 1 + get["retrain"]]:
        for seed in get["seeds"]:
            what = (request["upgrade"], side, layout.name, transform, shots, seed, kind)
            yield what, views * pictures * width[kind]


def _transform(method: Method, dataset: str, shots: int | None, pictures: int, views: int | None) -> tuple[Any, int]:
    """Which random crops a method trains on, and how many of a picture; of one without crops the plain picture."""
    if "recipe" not in to_config(method):
        return "test", 1
    count = getattr(method, "passes", None)
    if count is None:
        most = DEFAULT_VIEWS if views is None else views
        count = min(most, method.recipe.epochs_for(dataset, shots, pictures))
    return method.recipe.crop_for(dataset), count

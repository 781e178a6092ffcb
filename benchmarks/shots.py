"""A whole training at full size by number of shots: seconds and memory, from picture files to plug-ins.

Pictures are encoded once, as `fit` does it; CoOp and ContCoOp then both find their views. So the pictures' share is
measured once for both, and a method's own share without pictures.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.clocks import clock, forget_peak, peak_bytes
from benchmarks.limits import image_flops, required_flops
from benchmarks.steps import Case, Step, land_names
from benchmarks.training import noise_pictures
from clipcompat.backbones.backbone import Backbone
from clipcompat.data.custom.from_folder import dataset_from_folder
from clipcompat.data.split import Dataset
from clipcompat.features.encode import encode_views
from clipcompat.methods import METHODS
from clipcompat.plugins.fit import fit
from clipcompat.training.loop import DEFAULT_VIEWS

TRAINED = ("coop", "contcoop")


def measure_shots(shots: int, backbone: Backbone, names: tuple[str, ...] = land_names()) -> list[dict[str, Any]]:
    """A row a method: a training on `shots` pictures of each class, 500 x 375 pixels, with the method's own recipe.

    Bytes are the most beyond what the process held before any picture; what it has given back since does not count as
    held. "views_bytes" is what has to be kept: one vector per view of each picture. "flops" are those of all views and
    steps.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = _written(Path(folder), shots, names)
        before = forget_peak(backbone.device)
        recipe = METHODS[TRAINED[0]]().recipe
        views = min(DEFAULT_VIEWS, recipe.epochs_for(data.name, shots, len(data.train)))
        kept = []
        pictures_s = clock(lambda: kept.append(_views(backbone, data, views, recipe.crop)), backbone.device)
        pictures_bytes = max(0, peak_bytes(backbone.device) - before)
        encoded = len(kept[0]) * len(data.train) * image_flops(backbone)
        rows = []
        for name in TRAINED:
            method, plugins = METHODS[name](), []
            before = min(before, forget_peak(backbone.device))
            steps_s = clock(
                lambda method=method, found=plugins: found.append(fit(method, backbone, data)), backbone.device
            )
            steps = plugins[0].origin["epochs"] * method.recipe.steps_for(len(data.train))
            rows.append(
                {
                    "sweep": "shots",
                    "method": name,
                    "classes": len(names),
                    "shots": shots,
                    "views": views,
                    "steps": steps,
                    "pictures_s": pictures_s,
                    "steps_s": steps_s,
                    "pictures_bytes": pictures_bytes,
                    "steps_bytes": max(0, peak_bytes(backbone.device) - before),  # Linux counts some pages late
                    "views_bytes": kept[0].numel() * kept[0].element_size(),
                    "flops": encoded + steps * _step_flops(Step(Case(name, method, names), backbone), backbone),
                }
            )
    return rows


def _views(backbone: Backbone, data: Dataset, views: int, crop: tuple[float, float]):
    return encode_views(backbone, data.train, views, seed=1, crop=crop)  # the names under which fit looks for them


def _step_flops(step: Step, backbone: Backbone) -> float:
    packing = step.learner.prompts(step.features).packing
    return required_flops(packing.lengths, packing.shared, backbone.width, backbone.layers, backbone.dim)


def _written(root: Path, shots: int, names: tuple[str, ...]) -> Dataset:
    for part, count in (("train", shots), ("val", 1), ("test", 1)):
        for name in names:
            folder = root / part / name
            folder.mkdir(parents=True)
            for i, picture in enumerate(noise_pictures(count)):
                picture.save(folder / f"{i}.jpg")
    return dataset_from_folder(root, shots=shots, seed=1, name="land", names=dict(zip(names, names, strict=True)))

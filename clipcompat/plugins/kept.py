"""Plug-ins that runs have tuned, kept beside their records for runs that were killed and for other upgrades."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.config import to_config
from clipcompat.common.errors import ClipcompatError
from clipcompat.common.files import digest, shortened
from clipcompat.data.split import Dataset
from clipcompat.features.encode import Progress
from clipcompat.plugins.fit import fit_many, is_official
from clipcompat.plugins.plugin import Plugin, load_plugin
from clipcompat.training.learner import Method


@dataclass(frozen=True)
class TunedPlugins:
    """One method's plug-ins in a folder, made where they are missing.

    views, cache, progress: as for `clipcompat.fit`. memory: gigabytes, its `memory_budget`.
    """

    folder: Path
    method: Method
    views: int | None = None
    memory: float | None = None
    cache: str | Path | None = None
    progress: Progress | None = None

    def tune(self, backbone: Backbone, datasets: Mapping[int, Dataset]) -> dict[int, Plugin]:
        """The plug-in of every seed; those that are missing are trained side by side, and saved."""
        kept = {seed: self._finished(backbone, data, seed) for seed, data in datasets.items()}
        missing = {seed: data for seed, data in datasets.items() if kept[seed] is None}
        if missing:
            data = list(missing.values())
            made = fit_many(
                self.method, backbone, data, seeds=list(missing),
                select_on=[d.test for d in data] if is_official(self.method) else None,
                views=self.views, memory_budget=None if self.memory is None else int(1e9 * self.memory),
                cache=self.cache, progress=self.progress,
            )  # fmt: skip
            for (seed, d), plugin in zip(missing.items(), made, strict=True):
                plugin.save(self._file(backbone, d, seed))
                kept[seed] = plugin
        return kept

    def _file(self, backbone: Backbone, data: Dataset, seed: int) -> Path:
        wanted = [to_config(self.method), backbone.description, data.train.stamp, seed, self.views]
        if not data.name.startswith("mini/"):  # which has one template a data set, and no stamp of pictures tells
            wanted.append(data.train.template)
        name = f"{self.method.name}-{shortened(data.name)}-seed-{seed}-{backbone.name}-{digest(wanted)}.safetensors"
        return self.folder / re.sub(r"[^\w.-]+", "-", name)

    def _finished(self, backbone: Backbone, data: Dataset, seed: int) -> Plugin | None:
        """A plug-in that an earlier run left, if it is whole and just what `fit` would make here."""
        try:
            plugin = load_plugin(self._file(backbone, data, seed))
        except ClipcompatError:  # none, damaged, or of settings that this version no longer has
            return None
        found = (plugin.method, plugin.origin["seed"], plugin.origin["train_stamp"], plugin.origin["backbone"])
        same = found == (self.method, seed, data.train.stamp, backbone.description)
        return plugin if same else None

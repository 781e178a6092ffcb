"""Plug-ins kept beside the records of their runs, so that a killed run or another upgrade need not train them again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from clipcompat.backbones.backbone import Backbone
from clipcompat.common.config import to_config
from clipcompat.common.errors import ClipcompatError, PluginError
from clipcompat.common.files import digest, shortened
from clipcompat.common.version import code_hash
from clipcompat.data.split import Dataset
from clipcompat.features.encode import Cache, Progress
from clipcompat.plugins.fit import fit_many, is_official, named_teacher, origin_of
from clipcompat.plugins.plugin import Plugin, load_plugin
from clipcompat.training.learner import Method
from clipcompat.training.loop import plan

_DELETE = "A run keeps its plug-ins there: delete or move the file, and the run tunes it again."


@dataclass(frozen=True)
class TunedPlugins:
    """The plug-ins of one method in a folder; those that are missing are trained.

    One that another state of the code trained counts as missing. A file that was changed is refused, not replaced.

    views, cache, progress: as for `clipcompat.fit`. memory: gigabytes, its `memory_budget`.
    """

    folder: Path
    method: Method
    views: int | None = None
    memory: float | None = None
    cache: Cache = None
    progress: Progress | None = None

    def tune(self, backbone: Backbone, datasets: Mapping[int, Dataset]) -> dict[int, Plugin]:
        """The plug-in of every seed. The missing ones are trained side by side and saved."""
        first = self.method.starts_from
        starts = {} if first is None else replace(self, method=first).tune(backbone, datasets)
        kept = {seed: self._finished(backbone, data, seed, starts.get(seed)) for seed, data in datasets.items()}
        missing = {seed: data for seed, data in datasets.items() if kept[seed] is None}
        if missing:
            options = {"views": self.views, "cache": self.cache, "progress": self.progress or False}
            if self.memory is not None:
                options["memory_budget"] = int(1e9 * self.memory)
            if is_official(self.method):
                options["select_on"] = [data.test for data in missing.values()]
            if starts:
                options["inits"] = [starts[seed] for seed in missing]
            options["teachers"] = [self._teacher(backbone, data, seed) for seed, data in missing.items()]
            made = fit_many(self.method, backbone, list(missing.values()), seeds=list(missing), **options)
            for (seed, data), plugin in zip(missing.items(), made, strict=True):
                plugin.save(self._file(backbone, data, seed), force=True)  # another process may have made the same one
                kept[seed] = plugin
        return kept

    def _teacher(self, backbone: Backbone, data: Dataset, seed: int) -> tuple[Plugin, Backbone] | None:
        """The teacher that the method names, kept here too: students on several backbones learn from one."""
        found = named_teacher(self.method, backbone, data)
        if found is None:
            return None
        its, wide, taught = found
        return replace(self, method=its).tune(wide, {seed: taught})[seed], wide

    def _file(self, backbone: Backbone, data: Dataset, seed: int) -> Path:
        wanted = [to_config(self.method), backbone.description, data.train.stamp, seed, self.views, code_hash()]
        wanted += [data.train.template, data.val.stamp, *([stamp] if (stamp := self._selects_on(data)) else [])]
        name = f"{self.method.name}-{shortened(data.name)}-seed-{seed}-{backbone.name}-{digest(wanted)}.safetensors"
        return self.folder / re.sub(r"[^\w.-]+", "-", name)

    def _finished(self, backbone: Backbone, data: Dataset, seed: int, start: Plugin | None) -> Plugin | None:
        """The plug-in of an earlier run, if there is one. start: the plug-in that it starts from.

        Raises:
            PluginError: there is a file, but it is not the one that training here would make.
        """
        file = self._file(backbone, data, seed)
        if not file.exists():
            return None
        try:
            plugin = load_plugin(file)
        except ClipcompatError as error:
            raise PluginError(f"{error} {_DELETE}") from error
        if plugin.origin.get("unverified"):
            raise PluginError(f"{file} was not made by this version: it has no checksum. {_DELETE}")
        data = self.method.reads(data)
        expected = origin_of(self.method, backbone, data, seed, start and start.stamp, self._selects_on(data))
        found = {key: plugin.origin.get(key) for key in expected}
        training = (plugin.origin["epochs"], plugin.origin["views"])
        planned = ((0, None), plan(self.method, data, self.views))  # the first one of methods in closed form
        if (plugin.method, found) != (self.method, expected) or training not in planned:
            raise PluginError(f"{file} holds another plug-in than the one of these settings and pictures. {_DELETE}")
        return plugin

    def _selects_on(self, data: Dataset) -> str | None:
        return data.test.stamp if is_official(self.method) else None

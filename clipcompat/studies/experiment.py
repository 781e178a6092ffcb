"""What every study is given: a method, an upgrade, few-shot sets by seed, and the plug-ins that were tuned on them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.data.split import Dataset
from clipcompat.features.encode import Cache, Progress
from clipcompat.plugins.kept import TunedPlugins
from clipcompat.plugins.plugin import Plugin


@dataclass(frozen=True)
class Experiment:
    """A request with everything loaded.

    datasets: seed -> the dataset with that seed's few-shot set. plugins: tunes the method, or finds what an interrupted
    run left. retrain: also tune on the new backbone. cache, progress: as for `clipcompat.fit`. others: further sets,
    for a study that tests on them or takes pictures of them (see `clipcompat.data.shifted` and `.targets`).
    """

    upgrade: Upgrade
    datasets: Mapping[int, Dataset]
    plugins: TunedPlugins
    retrain: bool = True
    cache: Cache = None
    progress: Progress | None = None
    others: tuple[Dataset, ...] = ()

    @property
    def retrains(self) -> bool:
        """Retraining was asked for, and the method learns something."""
        return self.retrain and self.plugins.method.needs != "nothing"

    @property
    def options(self) -> dict[str, Any]:
        """`cache` and `progress` of a test; without a progress callback no bar is shown."""
        return {"cache": self.cache, "progress": self.progress or False}

    def tune_together(self, *backbones: Backbone) -> None:
        """On a GPU, tune all seeds on each backbone in one batch: single runs leave it idle. A CPU saves each seed."""
        if self.upgrade.old.device.type == "cuda":
            for backbone in backbones:
                self.plugins.tune(backbone, self.datasets)

    def tuned(self) -> Iterator[tuple[Dataset, Plugin, Plugin | Literal[False]]]:
        """The dataset of each seed, the plug-in tuned on old, and the one tuned on new (False: none is asked for)."""
        upgrade, plugins = self.upgrade, self.plugins
        self.tune_together(*(upgrade.old, upgrade.new)[: 1 + self.retrains])
        for seed, data in self.datasets.items():
            plugin = plugins.tune(upgrade.old, {seed: data})[seed]
            yield data, plugin, plugins.tune(upgrade.new, {seed: data})[seed] if self.retrains else False


def training_facts(plugin: Plugin, *again: Plugin) -> dict[str, Any]:
    """What a row says of how its plug-in was trained, and the seconds that this and the retraining took."""
    facts = {key: plugin.origin.get(key) for key in ("views", "crop", "epochs", "final_loss")}
    retrain = sum(p.origin["seconds"] for p in again) if again else None
    return facts | {"training_seconds": {"train": plugin.origin["seconds"], "retrain": retrain}}

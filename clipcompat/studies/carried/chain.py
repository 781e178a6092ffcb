"""A plug-in carried through several upgrades: what each step loses, and what tuning again on the way would keep.

Carried unchanged, a plug-in is the same tensors in every generation, so going step by step and going at once differ
only where it is tuned again on the way. Open question of the ContCoOp paper (arXiv 2412.20895), which has one upgrade.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.catalog import generations as listed
from clipcompat.backbones.upgrade import load_chain
from clipcompat.common.errors import ConfigError
from clipcompat.data.split import Dataset
from clipcompat.features.encode import Cache, Progress
from clipcompat.methods.zero_shot import ZeroShot
from clipcompat.plugins.fit import fit
from clipcompat.plugins.paths import check_carries
from clipcompat.plugins.plugin import Plugin
from clipcompat.studies.accuracy import accuracy
from clipcompat.studies.experiment import Experiment


def chain_accuracies(
    plugins: Mapping[int, Plugin],
    generations: Sequence[Backbone],
    data: Dataset,
    cache: Cache = None,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Accuracies in percent, by name, generations counted from 0 (the oldest).

    Args:
        plugins: by the generation that each was tuned on; 0 must be there.

    Returns:
        from_I_at_J: of the plug-in tuned on generation I, carried unchanged to J ≥ I; zero_shot_at_J.

    Raises:
        ConfigError: a plug-in was tuned on another backbone than its generation.
        IncompatibleError: the tensors of a plug-in cannot act on a generation.
    """
    zero_shot = fit(ZeroShot(), generations[0], data, progress=False)
    found = {
        f"zero_shot_at_{j}": accuracy(zero_shot, backbone, data.test, cache=cache, progress=progress)
        for j, backbone in enumerate(generations)
    }
    for i, plugin in sorted(plugins.items()):
        if not plugin.is_tuned_on(generations[i]):
            raise ConfigError(
                f"the plug-in of generation {i} was tuned on {plugin.origin['backbone']['name']}, and generation {i} "
                f"of this chain is {generations[i].name} (stamp {generations[i].stamp}). Tune it there first."
            )
        for j, backbone in enumerate(generations[i:], i):
            found[f"from_{i}_at_{j}"] = accuracy(plugin, backbone, data.test, cache=cache, progress=progress)
    return found


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed: `chain_accuracies` of plug-ins tuned on every generation, and which backbones these are.

    Raises:
        ConfigError: the upgrade's family has two generations only.
        IncompatibleError: what is tuned on the oldest would not fit a later one.
    """
    upgrade, plugins = experiment.upgrade, experiment.plugins
    if len(listed(upgrade.name)) < 3:  # before a chain is loaded
        raise ConfigError(
            f"{upgrade.name} has the generations {upgrade.old.name} and {upgrade.new.name}, and a chain needs a third. "
            "Choose an upgrade whose family has one, such as mini, or list three generations (MODEL:WEIGHTS,…)."
        )
    where = {"device": upgrade.old.device, "dtype": upgrade.old.dtype}
    generations = (upgrade.old, upgrade.new, *load_chain(upgrade.name, after=2, **where))
    check_carries(plugins.method, generations[0], generations[2:], next(iter(experiment.datasets.values())).classnames)
    tuned_on = range(len(generations)) if experiment.retrains else range(1)
    for seed, data in experiment.datasets.items():
        tuned = {i: plugins.tune(generations[i], {seed: data})[seed] for i in tuned_on}
        yield {
            "seed": seed,
            "generations": [backbone.description for backbone in generations],
            "views": tuned[0].origin["views"],
            **chain_accuracies(tuned, generations, data, **experiment.options),
            "training_seconds": {f"at_{i}": plugin.origin["seconds"] for i, plugin in tuned.items()},
        }

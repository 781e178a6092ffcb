"""What several plug-ins that could take an old one's place have on the new backbone."""

from collections.abc import Mapping
from typing import Any

from clipcompat.data.split import Dataset
from clipcompat.plugins.plugin import Plugin
from clipcompat.studies.accuracy import correct, percent
from clipcompat.studies.experiment import Experiment


def candidate_columns(
    plugin: Plugin, candidates: Mapping[str, Plugin], experiment: Experiment, data: Dataset
) -> dict[str, Any]:
    """In percent of the test pictures. old: accuracy of the plug-in on its own backbone. NAME, NAME_flips: of each
    candidate on new, its accuracy, and its negative flips against the plug-in on old.
    """
    upgrade, told = experiment.upgrade, experiment.options
    on_old = correct(plugin, upgrade.old, data.test, **told)
    row = {"old": percent(on_old)}
    for name, candidate in candidates.items():
        right = correct(candidate, upgrade.new, data.test, **told)
        row |= {name: percent(right), f"{name}_flips": percent(on_old & ~right)}
    return row


def zero_shot_columns(zero_shot: Plugin, experiment: Experiment, data: Dataset) -> dict[str, float]:
    """zs_old, zs_new: accuracy of zero-shot on both, in percent."""
    sides = (("zs_old", experiment.upgrade.old), ("zs_new", experiment.upgrade.new))
    return {name: percent(correct(zero_shot, side, data.test, **experiment.options)) for name, side in sides}

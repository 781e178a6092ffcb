"""The question behind shallow plug-ins: which layers of the text tower does an upgrade change?

Paper: ContCoOp (arXiv 2412.20895), Fig. 2b (parameters) and 2c (features) by layer, CLIP ViT-B/16 → EVA02-CLIP. It
concludes that shallow layers change least, so that what is learned before them survives. No picture is needed.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.progress import Progress, showing
from clipcompat.data.split import Dataset
from clipcompat.studies.drift.features import feature_changes
from clipcompat.studies.drift.parameters import parameter_changes
from clipcompat.studies.drift.prompts import TEMPLATE, find_prompts
from clipcompat.studies.drift.report import Drift
from clipcompat.studies.experiment import Experiment


def drift(
    upgrade: Upgrade | Sequence[Backbone],
    classes: str | Dataset | Sequence[str] | Sequence[Dataset] | None = None,
    *,
    template: str = TEMPLATE,
    progress: Progress | bool | None = None,
) -> Drift | tuple[Drift, ...]:
    """Compare two text towers, part by part and layer by layer.

    Args:
        upgrade: a pair; or a chain of backbones, which gives one report for each later generation against the first.
        classes: class names; or datasets; or "mini", "mini/…" or "imagenet". None takes "mini" for mini backbones
            and "imagenet" for others.
        template: the sentence around class names; datasets have their own.
        progress: see `clipcompat.fit`.

    Returns:
        The report. Of towers of two widths it has no parameters, and of features only CKA.

    Raises:
        ConfigError: towers of two depths or with two tokenizers, or no class. UnknownNameError: no such dataset.
    """
    if not isinstance(upgrade, Upgrade):
        first, *later = upgrade
        options = {"template": template, "progress": progress}
        return tuple(drift(Upgrade(first, new), classes, **options) for new in later)
    default = "mini" if upgrade.old.kind == "mini" else "imagenet"
    prompts = find_prompts(default if classes is None else classes, template)
    with showing(progress) as told:
        features = feature_changes(upgrade.old, upgrade.new, prompts, told)
    states = (upgrade.old.text_state, upgrade.new.text_state)
    parameters = parameter_changes(*states) if upgrade.old.width == upgrade.new.width else ()
    return Drift(upgrade.old.name, upgrade.new.name, len(prompts), parameters, features)


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed: the report on the class names of the dataset, and three of its numbers by name.

    Seeds change nothing here; give one. parameters_moved: relative, mean over blocks. features_moved, cka: relative
    change and debiased CKA at EOT after the last block.
    """
    for seed, data in experiment.datasets.items():
        found = drift(experiment.upgrade, data, progress=experiment.progress or False)
        blocks = [change.relative for part, change in found.parameters_of().items() if part.startswith("block ")]
        last = found.features_at()[f"block {experiment.upgrade.old.layers}"]
        told = {
            "parameters_moved": sum(blocks) / len(blocks) if blocks else None,
            "features_moved": last.relative,
            "cka": last.cka_debiased,
        }
        yield {"method": experiment.plugins.method.name, "dataset": data.name, "seed": seed, **told} | found.to_dict()

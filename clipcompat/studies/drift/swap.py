"""What does a plug-in lose when one part of the text tower changes? Parts of old are replaced by those of new.

The causal half of the study of drift: `drift` says how far block l moved; here block l alone is replaced, in a text
tower that is otherwise old (or otherwise new), and plug-ins tuned on old are tested with it. Pictures come from either
backbone's image tower, unchanged.

A block brings its activation function along; "activation" replaces the functions alone, and no weight. Nobody trained
the mixed towers, so zero-shot loses too: read what a plug-in loses beside it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from clipcompat.backbones.text.parts import ACTIVATION, part_names
from clipcompat.common.errors import ConfigError
from clipcompat.features.encode import encode_together
from clipcompat.plugins.plugin import Plugin
from clipcompat.studies.accuracy import percent
from clipcompat.studies.experiment import Experiment, training_facts

IMAGES = ("old", "new")
"""Whose image tower, in the order in which a row lists accuracies."""


def swaps(layers: int) -> dict[str, frozenset[str]]:
    """Name -> the parts that are new, of every text tower that is tested; all other parts are old.

    "none"; each part alone, by its name; "up to …" and "from …", cumulative from the input and from the output; "all";
    "all but …": one part old in a tower that is otherwise new; and `ACTIVATION`. A tower comes under its first name.
    """
    parts = part_names(layers)
    named = {"none": (), **{part: (part,) for part in parts}}
    named |= {f"up to {part}": parts[: i + 1] for i, part in enumerate(parts)}
    named |= {f"from {part}": parts[i:] for i, part in enumerate(parts)}
    named |= {f"all but {part}": [p for p in parts if p != part] for part in parts}
    named |= {"all": parts, ACTIVATION: (ACTIVATION,)}
    first: dict[frozenset[str], str] = {frozenset(parts): "all"}
    for name, own in named.items():
        first.setdefault(frozenset(own), name)
    return {name: own for own, name in first.items()}


def swap_name(new_parts: frozenset[str] | set[str], layers: int) -> str:
    """The name under which `swaps` has the tower with these new parts."""
    return next(name for name, parts in swaps(layers).items() if parts == new_parts)


def swapped_accuracies(plugins: Mapping[int, Plugin], experiment: Experiment) -> dict[int, dict[str, list[float]]]:
    """Seed -> name of the tower -> accuracy in percent with the pictures of old's and of new's image tower.

    plugins: one per seed of the experiment, tuned on old.
    """
    upgrade, datasets = experiment.upgrade, experiment.datasets
    pictures = {}
    for seed, data in datasets.items():
        wanted = [(backbone, plugins[seed].method.image_features) for backbone in (upgrade.old, upgrade.new)]
        pictures[seed] = encode_together(wanted, data.test, experiment.cache, experiment.progress)
    found: dict[int, dict[str, list[float]]] = {seed: {} for seed in datasets}
    for name, parts in swaps(upgrade.old.layers).items():
        text = upgrade.old.with_text_parts(upgrade.new, parts)
        for seed, data in datasets.items():
            weights = plugins[seed].class_weights(text, data.classnames, data.test.template)  # [class, dim]
            answers = ((features @ weights.T).argmax(-1).cpu() for features in pictures[seed])
            found[seed][name] = [percent(answer == data.test.labels) for answer in answers]
    return found


def measure(experiment: Experiment) -> Iterator[dict[str, Any]]:
    """One row per seed: `accuracies` of every tower, and four of them by name.

    old, new: the whole old or new backbone. new_pictures, new_text: only that tower is new.

    Raises:
        ConfigError: the method has no prompt, or the text towers differ in shape.
    """
    method = experiment.plugins.method
    if method.acts_on not in ("prompts", "nothing"):
        raise ConfigError(
            f"{method.name} acts on {method.acts_on}, and this study exchanges parts of the text tower alone. Choose a "
            "method with prompts in the text only, such as coop, or zero_shot."
        )
    tuned = {
        seed: experiment.plugins.tune(experiment.upgrade.old, {seed: data})[seed]
        for seed, data in experiment.datasets.items()
    }
    for seed, accuracies in swapped_accuracies(tuned, experiment).items():
        told = dict(zip(("old", "new_pictures"), accuracies["none"], strict=True))
        told |= dict(zip(("new_text", "new"), accuracies["all"], strict=True))
        row = {"method": method.name, "dataset": experiment.datasets[seed].name, "seed": seed, **told}
        yield row | {"accuracies": accuracies} | training_facts(tuned[seed])

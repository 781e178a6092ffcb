"""What tables and texts call a run, worked out once, when its record is made."""

from collections.abc import Mapping
from typing import Any

from clipcompat.backbones.catalog import generations, is_spelled_out, upgrade_kind
from clipcompat.backbones.mini.manifest import weights
from clipcompat.common.config import to_config
from clipcompat.common.files import digest
from clipcompat.methods import KNOWN
from clipcompat.methods.defaults import default_method
from clipcompat.methods.dpc import DPC, LEARNERS
from clipcompat.runs.records import Titles

_SETTINGS = {"distillation.weight=": "λ = ", "attention=None": "Attn off"} | {
    f"learner={learner.name}": learner.title for learner in LEARNERS.values()
}


def make_titles(inputs: Mapping[str, Any]) -> Titles:
    """The titles of a record, from its inputs."""
    name = inputs["method"]["name"]
    config = inputs["method"]["config"]
    if inputs.get("imported"):  # a file of official code does not tell how it was trained
        config = {key: value for key, value in config.items() if key != "recipe"}
    learner = [f"learner={name}" for name in (_learner(inputs),) if name]
    changed = learner + _changes(config, _default_config(inputs)) + _given(inputs)
    label = f"{name} ({', '.join(changed)})" if changed else name
    text = label.replace(name, KNOWN[name].title if name in KNOWN else name, 1)
    for setting, words in _SETTINGS.items():
        text = text.replace(setting, words)
    return Titles(label, text, upgrade_title(inputs))


def _given(inputs: Mapping[str, Any]) -> list[str]:
    """For plug-ins that were given and not tuned by the run: how many they are, their stamp, and whence."""
    stamps = list(inputs.get("plugins", {}).values())
    if not stamps:
        return []
    which = f"plug-in {stamps[0][:8]}" if len(stamps) == 1 else f"{len(stamps)} plug-ins {digest(stamps)[:8]}"
    return [which] + ([f"tuned on {inputs['tuned_on']}"] if "tuned_on" in inputs else [])


def upgrade_title(inputs: Mapping[str, Any]) -> str:
    """The upgrade's name, and which miniature pair where it is not the first; "*": not the upgrade's own weights.

    Of generations that were listed: their models and weights, "ViT-B-16 (laion2b_s34b_b88k) → …".
    """
    if is_spelled_out(inputs["upgrade"]):
        return " → ".join(_generation(*pair) for pair in generations(inputs["upgrade"]))
    given = (inputs["old_weights"], inputs["new_weights"])
    shipped = inputs.get("shipped") or (None, None)
    known = [weights().get((w or s or "").removeprefix("sha256:")) for w, s in zip(given, shipped, strict=True)]
    title = inputs["upgrade"]
    if upgrade_kind(title) != "mini" or not all(known):
        return title + ("*" if any(given) else "")
    old, new = known
    if old["number"] != new["number"]:
        title = f"{title}, old {old['number']} → new {new['number']}"
    elif new["number"] != 1:
        title = f"{title}, pair {new['number']}"
    title += "" if new["steps_taken"] == new["steps"] else f", step {new['steps_taken']}"
    return title + (", made again" if old.get("again") or new.get("again") else "")


def _generation(model: str, its: str | None) -> str:
    known = weights().get((its or "").removeprefix("sha256:"))
    if known:
        step = "" if known["steps_taken"] == known["steps"] else f", step {known['steps_taken']}"
        return f"{known['name']} {known['number']}{step}{', made again' if known.get('again') else ''}"
    return f"{model} ({its[:15] if its.startswith('sha256:') else its})" if its else model


def _default_config(inputs: Mapping[str, Any]) -> Any:
    name = inputs["method"]["name"]
    if name not in KNOWN:  # a method that this version does not have
        return {}
    return to_config(default_method(name, inputs["dataset"], inputs["upgrade"], _learner(inputs)))


def _learner(inputs: Mapping[str, Any]) -> str | None:
    """The name of the method whose prompts DPC doubles, if it is not DPC's default."""
    learner = (inputs["method"]["config"].get("learner") or {}).get("name")
    return learner if learner in LEARNERS and learner != DPC().learner.name else None


def _changes(config: Any, default: Any, where: str = "") -> list[str]:
    """The settings of `config` that differ from `default`, as "distillation.weight=0.5"."""
    if not isinstance(config, dict) or not isinstance(default, dict):
        return [] if config == default else [f"{where}={config}"]
    return [c for k in config for c in _changes(config[k], default.get(k), f"{where}.{k}" if where else k)]

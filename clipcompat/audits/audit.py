"""Audit: is each plug-in still good on the new backbone, and what is the cheapest sound thing to do?"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from clipcompat.audits.examine import Bench, examine
from clipcompat.audits.findings import PluginAudit
from clipcompat.audits.origin import shipped_old
from clipcompat.audits.pictures import Pictures
from clipcompat.audits.report import Audit
from clipcompat.backbones.backbone import Backbone
from clipcompat.backbones.upgrade import Upgrade
from clipcompat.common.errors import ClipcompatError, ConfigError
from clipcompat.common.progress import Progress, showing
from clipcompat.common.text import shown
from clipcompat.data.split import Dataset, Images, Split
from clipcompat.features.encode import Cache
from clipcompat.plugins.plugin import Plugin, load_plugin

_log = logging.getLogger(__name__)
_NAMED = 3  # plug-ins that a warning names


def audit(
    plugins: Iterable[Plugin | str | Path] | Plugin | str | Path,
    upgrade: Upgrade | Backbone,
    data: Dataset | Split | Images | None = None,
    *,
    old_accuracy: float | Mapping[str, float] | None = None,
    cache: Cache = None,
    progress: Progress | Callable | bool | None = None,
) -> Audit:
    """A verdict per plug-in: keep, repair, warm-start or retrain; see `clipcompat.audits.verdict` for the rule.

    One pass: pictures are encoded once, common class names are read once, plug-ins are read from their files one at a
    time and let go. One that is damaged, of another width or of other classes gets a row with its error.

    Args:
        plugins: any number of them, or of their files.
        upgrade: from the backbone that they were tuned on; or the new backbone alone. Then old is the mini backbone
            that the plug-ins name, or else unknown: no accuracy on old, no flips, and no repair.
        data: a dataset (its test pictures, measured), a split with labels (measured), pictures without labels
            (predicted), or nothing (structure and stamps only). Labels are matched by class name; a plug-in is tested
            on pictures of its own classes, and answers any of them.
        old_accuracy: percent, of all plug-ins or by the name of their file, where pictures have no labels. With it the
            predictions are about twice as good (mean errors: `clipcompat.audits.predictor`).
        cache, progress: see `clipcompat.fit`.

    Raises:
        ConfigError: there is no plug-in; pictures without labels came without the old backbone, which must answer
        them too; old_accuracy is no percentage.
        DataError: fewer than 8 pictures, or one that cannot be decoded.
    """
    given = [plugins] if isinstance(plugins, (Plugin, str, Path)) else list(plugins)
    both = isinstance(upgrade, Upgrade)
    old, new = (upgrade.old, upgrade.new) if both else (shipped_old(given, upgrade), upgrade)
    pictures = None if data is None else Pictures.of(data)
    if pictures is not None and not pictures.labelled and old is None:
        raise ConfigError(
            "pictures without labels tell something only where the old backbone answers them too: give the upgrade "
            "(--old), or labels, or no pictures."
        )
    _check_percent(old_accuracy)
    evidence = "structure" if pictures is None else "measured" if pictures.labelled else "predicted"
    with showing(progress) as told:
        bench = Bench(new, old, pictures, cache, told, old_accuracy)
        if pictures is not None:
            pictures.look("projected", bench.backbones, cache, told)  # zero-shot's; a broken picture ends here
        rows = tuple(_row(plugin, bench, evidence) for plugin in given)
    if not rows:
        raise ConfigError("an audit needs at least one plug-in; none was given.")
    if isinstance(old_accuracy, Mapping) and (unknown := sorted(old_accuracy.keys() - {row.name for row in rows})):
        said = "old_accuracy has %s, and no plug-in is called so; they are called %s."
        _log.warning(said, shown(unknown[0]), ", ".join(shown(row.name) for row in rows[:_NAMED]))
    return Audit(new.name, old and old.name, evidence, rows)


def _check_percent(told: float | Mapping[str, float] | None) -> None:
    for accuracy in told.values() if isinstance(told, Mapping) else () if told is None else (told,):
        if not 0 < accuracy <= 100:
            raise ConfigError(f"old_accuracy is a percentage above 0 and up to 100, not {accuracy}.")


def _row(given: Plugin | str | Path, bench: Bench, evidence: str) -> PluginAudit:
    named = isinstance(given, Plugin)
    name, method = _title(given) if named else Path(given).name, given.method.title if named else None
    blank = PluginAudit(name, method, evidence, None)
    try:
        plugin = given if named else load_plugin(given)
        blank = replace(blank, method=plugin.method.title)
        return examine(plugin, name, bench)
    except ClipcompatError as error:  # the others are still audited
        return replace(blank, error=str(error))


def _title(plugin: Plugin) -> str:
    origin = plugin.origin
    seed = "" if origin.get("seed") is None else f", seed {origin['seed']}"
    return f"{plugin.method.title} on {origin.get('dataset') or 'own pictures'}{seed}"

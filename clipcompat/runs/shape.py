"""What a record holds, by part. A checksum tells damage; it does not tell a file that was written by hand."""

from collections.abc import Callable, Mapping
from typing import Any

_Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _percent(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 100


def _object(value: Any) -> bool:
    return isinstance(value, dict)


def _list(value: Any) -> bool:
    return isinstance(value, list)


def _or_null(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


def _stamps(value: Any) -> bool:
    """Of the splits of one seed; no train stamp where a plug-in was given that nobody can train again."""
    return _object(value) and _text(value.get("test")) and _or_null(_text)(value.get("train"))


_RECORD: dict[str, _Check] = {
    **dict.fromkeys(("id", "study", "started"), _text),
    "inputs": _object,
    "titles": _object,
    "per_seed": lambda value: _list(value) and bool(value),
    "backbones": _object,
    "environment": lambda value: _object(value) and _percent(value.get("tolerance", 0)),  # earlier versions have none
    "training_seconds": _list,
}
_INPUTS: dict[str, _Check] = {
    **dict.fromkeys(("upgrade", "dataset", "classes"), _text),
    **dict.fromkeys(("old_weights", "new_weights"), _or_null(_text)),
    "shots": _or_null(_count),
    "method": lambda value: _object(value) and _text(value.get("name")) and _object(value.get("config")),
}
_MAY_HAVE: dict[str, _Check] = {  # some kinds of runs, and some versions
    **dict.fromkeys(("split", "tuned_on"), _text),
    "plugins": lambda value: _object(value) and all(map(_text, value.values())),
    "shipped": lambda value: _list(value) and len(value) == 2 and all(map(_or_null(_text), value)),
    "later": lambda value: _list(value) and all(map(_text, value)),
    "stamps": lambda value: _object(value) and all(map(_stamps, value.values())),
}
TITLES = ("label", "method", "upgrade")
_ACCURACIES: dict[str, _Check] = {
    "retrained": _or_null(_percent),
    **dict.fromkeys(("old", "new", "zs_old", "zs_new", "negative_flips"), _percent),
}
_PLUGIN: dict[str, _Check] = {
    **dict.fromkeys(("method", "dataset"), _text),
    **dict.fromkeys(("seed", "views"), _or_null(_count)),
}


def _shifts(value: Any) -> bool:
    """Of the study "ood": every shifted set, with its accuracies and the source's."""
    return _list(value) and bool(value) and all(map(_shift, value))


def _shift(value: Any) -> bool:
    whole = _fault(value, {"dataset": _text, "classes": _count, "there": _object, "source": _object}) is None
    return whole and not any(_fault(value[where], _ACCURACIES) for where in ("there", "source"))


def _targets(value: Any) -> bool:
    """Of the study "cross_dataset": every other set with its accuracies."""
    return _list(value) and bool(value) and all(map(_target, value))


def _target(value: Any) -> bool:
    whole = _fault(value, {"dataset": _text, "classes": _count, "there": _object}) is None
    return whole and not _fault(value["there"], _ACCURACIES)


_ROWS: dict[str, dict[str, _Check]] = {  # by study
    "compatibility": _PLUGIN | _ACCURACIES,
    "ood": {**_PLUGIN, **_ACCURACIES, "shifts": _shifts},
    "cross_dataset": {**_PLUGIN, **_ACCURACIES, "targets": _targets},
}
_ANY_ROW: dict[str, _Check] = {"seed": _or_null(_count)}


def find_fault(content: Mapping[str, Any]) -> str | None:
    """What is wrong with the JSON content of a record, as part of a sentence; None: it is whole."""
    if fault := _fault(content, _RECORD):
        return fault
    may = {key: check for key, check in _MAY_HAVE.items() if key in content["inputs"]}
    parts = [("inputs", content["inputs"], _INPUTS | may), ("titles", content["titles"], dict.fromkeys(TITLES, _text))]
    checks_of_row = _ROWS.get(content["study"], _ANY_ROW)
    parts += [(f"row {i} of per_seed", row, checks_of_row) for i, row in enumerate(content["per_seed"], 1)]
    for where, part, checks in parts:
        if fault := _fault(part, checks):
            return f"{where}: {fault}"
    extra = content["titles"].keys() - set(TITLES)
    return f"titles: {min(extra)!r} is not known" if extra else None


def _fault(part: Any, checks: Mapping[str, _Check]) -> str | None:
    if not isinstance(part, dict):
        return "it is no object"
    for key, check in checks.items():
        if key not in part:
            return f"{key!r} is missing"
        if not check(part[key]):
            return f"{key!r} is not what it should be"
    return None

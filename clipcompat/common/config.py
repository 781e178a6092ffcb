"""Frozen dataclasses to and from plain dictionaries, and `key=value` overrides; unknown keys name the nearest one."""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.common.files import parse_json

LATER = types.MappingProxyType({"later": True})
"""The metadata of a field that settings did not have when the first of them were stored."""

_WORDS = {float: "a finite number", int: "a whole number", str: "text", bool: "true or false", type(None): "null"}


def to_config(value: Any) -> Any:
    """A dataclass as nested dictionaries of JSON values; tuples become lists.

    A part that may be one of several dataclasses, told apart by their class attribute `name`, keeps it as "name". A
    field made with `LATER` is left out while it has its default, so that what was stored before it keeps its id.
    """
    if dataclasses.is_dataclass(value):
        parts = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        later = {f.name for f in dataclasses.fields(value) if "later" in f.metadata and parts[f.name] == f.default}
        parts = {name: part for name, part in parts.items() if name not in later}
        named = {k: {"name": part.name} for k, part in parts.items() if _is_named(part)}
        return {k: named[k] | to_config(part) if k in named else to_config(part) for k, part in parts.items()}
    return [to_config(v) for v in value] if isinstance(value, tuple | list) else value


def from_config(cls: type, config: Mapping[str, Any], where: str = "") -> Any:
    """The dataclass `cls` with these fields; missing ones keep their defaults.

    Raises:
        UnknownNameError: a key `cls` does not have. ConfigError: a value of the wrong type.
    """
    hints = typing.get_type_hints(cls)
    fields = {f.name: hints[f.name] for f in dataclasses.fields(cls)}
    values = {}
    for key, value in config.items():
        if key not in fields:
            raise unknown_name(f"field of {cls.__name__}", key, fields)
        values[key] = _convert(value, fields[key], f"{where}{key}")
    return cls(**values)


def override(value: Any, settings: Iterable[str]) -> Any:
    """A dataclass with `key=value` settings applied; dots reach nested parts ("attention.heads=2", "attention=null").

    Values are read as JSON where they are JSON, else as text; a part with presets takes one by name ("recipe=ship").
    """
    config = to_config(value)
    for setting in settings:
        kind: Any = type(value)
        key, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(f"a setting is written key=value; this is {setting!r}.")
        *path, last = key.strip().split(".")
        at = config
        for step in path:
            if step not in at:
                raise unknown_name(f"setting {key!r}: no part", step, at)
            kind = _part(kind, step, at[step])
            if at[step] is None:
                at[step] = {}
            if not isinstance(at[step], dict):
                raise ConfigError(f"setting {key!r}: {step} is a single value, it has no {last!r}.")
            at = at[step]
        presets = getattr(_part(kind, last), "PRESETS", {})
        named = _choices(_options(typing.get_type_hints(kind).get(last))) if dataclasses.is_dataclass(kind) else {}
        try:
            if text in named:
                at[last] = {"name": text} | to_config(named[text]())
            else:
                at[last] = to_config(presets[text]) if text in presets else parse_json(text)
        except ValueError:
            at[last] = text
    return from_config(type(value), config)


def _is_named(part: Any) -> bool:
    return dataclasses.is_dataclass(part) and isinstance(getattr(type(part), "name", None), str)


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)


def _choices(options: Iterable[Any]) -> dict[str, type]:
    """Of the types that a field may have, the dataclasses with a `name`, by name."""
    found = [o for o in options if dataclasses.is_dataclass(o) and isinstance(getattr(o, "name", None), str)]
    return {option.name: option for option in found}


def _part(kind: Any, name: str, value: Any = None) -> type | None:
    """The dataclass that a field holds, if it holds one. value: of the field, if it may hold one of several."""
    options = _options(typing.get_type_hints(kind).get(name) if dataclasses.is_dataclass(kind) else None)
    named = _choices(options)
    if named and isinstance(value, dict):
        return named.get(value.get("name"))
    return next((option for option in options if dataclasses.is_dataclass(option)), None)


def _convert(value: Any, hint: Any, where: str) -> Any:
    options = _options(hint)
    if value is None and type(None) in options:
        return None
    if (named := _choices(options)) and isinstance(value, Mapping):
        value = dict(value)
        name = value.pop("name", None)
        if name not in named:
            raise unknown_name(f"{where}.name", str(name), named)
        return from_config(named[name], value, f"{where}.")
    for option in options:
        if dataclasses.is_dataclass(option) and isinstance(value, Mapping):
            return from_config(option, value, f"{where}.")
        if typing.get_origin(option) is tuple and isinstance(value, list | tuple):
            item, *rest = typing.get_args(option)
            items = [item] * len(value) if rest == [...] else [item, *rest]
            if len(items) == len(value):
                return tuple(_convert(v, t, where) for v, t in zip(value, items, strict=True))
        if option is float and type(value) in (int, float):
            if not math.isfinite(value):
                break  # JSON has no such numbers, so no record could hold it
            return float(value)
        if option in (int, float, str, bool) and type(value) is option:
            return value
    wanted = " or ".join(_wanted(option, where) for option in options)
    came = json.dumps(value, default=str)
    raise ConfigError(f"{where} must be {wanted}, not {came[:80]}{'…' * (len(came) > 80)}.")


def _wanted(option: Any, where: str) -> str:
    if _choices((option,)):
        return option.name
    if dataclasses.is_dataclass(option):
        presets = "".join(f" or {name}" for name in getattr(option, "PRESETS", {}))
        return f"a group of settings ({where}.{dataclasses.fields(option)[0].name}=…){presets}"
    if typing.get_origin(option) is tuple:
        items = typing.get_args(option)
        return "a list" if items[-1] is ... else f"a list of {len(items)}"
    return _WORDS.get(option, str(option))

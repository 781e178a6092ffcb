"""Settings on a command line with several methods: `key=value` is for all of them, `method.key=value` for one."""

from collections.abc import Iterable, Sequence
from dataclasses import fields

from clipcompat.common.errors import ConfigError, unknown_name
from clipcompat.methods import KNOWN


def split_settings(settings: Iterable[str], methods: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The `key=value` settings of each method, in the order given, without the methods' names.

    Raises:
        ConfigError: a setting of a method that is not in `methods`, or one for all of them that does not fit each.
        UnknownNameError: a setting begins with neither a method nor a field.
    """
    known = {name: {f.name for f in fields(KNOWN[name])} for name in methods if name in KNOWN}
    found: dict[str, list[str]] = {name: [] for name in methods}
    for setting in settings:
        key = setting.partition("=")[0].strip()
        head, dot, rest = key.partition(".")
        if dot and head in found:
            found[head].append(setting.strip()[len(head) + 1 :])
            continue
        if dot and head in KNOWN:
            raise ConfigError(f"setting {key!r} is for {head}, but the methods are {', '.join(methods)}. Leave it out.")
        if dot and known and not any(head in parts for parts in known.values()):
            raise unknown_name(f"start of the setting {key!r}:", head, set(known).union(*known.values()))
        lacking = [name for name, parts in known.items() if head not in parts]
        if lacking and len(lacking) < len(known):
            fitting = next(name for name in known if name not in lacking)
            raise ConfigError(
                f"setting {key!r} is for all methods, but there is no {head!r} in {' and '.join(lacking)}. For one "
                f"method write its name first: {fitting}.{setting.strip()}."
            )
        for name in methods:
            found[name].append(setting)
    return {name: tuple(its) for name, its in found.items()}

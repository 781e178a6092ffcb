"""Errors a user can act on: every message says what was expected, what came and what to do next."""

import difflib
from collections.abc import Iterable

from clipcompat.common.text import shown

# characters: of a message, of all names in it, of one of them
_LONGEST, _LISTED, _NAME = 3_000, 400, 80


class ClipcompatError(ValueError):
    """Base of every error this library raises on purpose; the command line turns it into one sentence.

    A message of more than 3,000 characters repeats a long value; its middle is left out.
    """

    def __init__(self, message: str = ""):
        half = _LONGEST // 2
        super().__init__(message if len(message) <= _LONGEST else f"{message[:half]} … {message[-half:]}")


class DivergedError(ClipcompatError):
    """A loss or a parameter became infinite or NaN."""


class UnknownNameError(ClipcompatError):
    """A method, dataset, upgrade, template or configuration key that does not exist."""


class ConfigError(ClipcompatError):
    """A known key with a value that is out of range or contradicts another."""


class UnsuitableModelError(ConfigError):
    """A model that no plug-in can be carried to or from, and why: incompatible with every plug-in."""


class InstallationError(ClipcompatError):
    """Installed packages that do not work together."""


class DataError(ClipcompatError):
    """A missing folder, split file or image; a broken image; too few shots."""


class ByHandError(DataError):
    """Something that only a person can do; the message lists the steps, one per line."""


class CheckpointError(ClipcompatError):
    """Weights that are missing, unreadable, unsafe or of another model."""


class CacheError(ClipcompatError):
    """A cached file that is not what its header says."""


class StorageError(ClipcompatError):
    """A file could not be written; nothing half-written was left behind."""


class PluginError(ClipcompatError):
    """A plug-in file that is damaged, or a plug-in asked for something its method does not have."""


class IncompatibleError(PluginError):
    """A plug-in whose tensors cannot act on this backbone, and why."""


class MissingPackageError(ClipcompatError):
    """A package that only this call needs, and that is not installed."""


def unknown_name(kind: str, name: str, known: Iterable[str], hint: str = "") -> UnknownNameError:
    """The error for a name that is not among `known`, with the nearest known name if one is near.

    Of many names it has the three nearest and the first three. hint: the end of the message, such as where all are.
    """
    known = sorted(known)
    listed = ", ".join(known) or "none"
    several = len(listed) > _LISTED
    if several:
        listed = f"{', '.join(one[:_NAME] for one in known[:3])}, … ({len(known):,} in all)"
    lowered = {one[:_NAME].lower(): one for one in reversed(known)}
    near = difflib.get_close_matches(str(name)[:_NAME].lower(), lowered, n=3 if several else 1, cutoff=0.5)
    meant = f" Did you mean {' or '.join(shown(lowered[one]) for one in near)}?" if near else ""
    return UnknownNameError(f"unknown {kind} {shown(name)}.{meant} Known: {listed}.{' ' + hint if hint else ''}")

"""Errors a user can act on: every message says what was expected, what came and what to do next."""

import difflib
from collections.abc import Iterable


class ClipcompatError(ValueError):
    """Base of every error this library raises on purpose; the command line turns it into one sentence."""


class DivergedError(ClipcompatError):
    """A loss or a parameter became infinite or NaN."""


class UnknownNameError(ClipcompatError):
    """A method, dataset, upgrade, template or configuration key that does not exist."""


class ConfigError(ClipcompatError):
    """A known key with a value that is out of range or contradicts another."""


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
    """The error for a name that is not among `known`, with the nearest known name if one is near."""
    known = sorted(known)
    near = difflib.get_close_matches(str(name).lower(), [k.lower() for k in known], n=1, cutoff=0.5)
    guess = next((k for k in known if near and k.lower() == near[0]), None)
    meant = f" Did you mean {guess!r}?" if guess else ""
    listed = ", ".join(known) if known else "none"
    return UnknownNameError(f"unknown {kind} {name!r}.{meant} Known: {listed}.{' ' + hint if hint else ''}")

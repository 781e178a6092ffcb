"""What desktops, archives and storage devices leave beside a user's files."""

from pathlib import PurePath

_JUNK = {
    *("__macosx", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
    *("@eadir", "#recycle", "#snapshot", "lost+found"),  # of file servers and file systems
}
"""Names in lower case. Names that start with a dot are junk, too."""


def is_junk(path: str | PurePath) -> bool:
    """Whether a file or folder, or a folder above it, is hidden or bears a name of `_JUNK`.

    path: relative to the folder that the user named, with "/"; what is above that folder is the user's choice.
    """
    parts = PurePath(path).parts
    return any(part.startswith(".") and part != ".." or part.lower() in _JUNK for part in parts)

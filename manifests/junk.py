"""Files that systems leave beside those of a user, and that no data set means to hold."""

from __future__ import annotations

import functools

_NAMES = {
    "__macosx",
    ".ds_store",
    ".appledouble",
    ".fseventsd",
    ".spotlight-v100",
    ".temporaryitems",
    ".trashes",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    ".directory",
    "@eadir",
    ".ipynb_checkpoints",
}
"""Names, in lower case, that macOS, Windows, Linux, network disks and Jupyter give to their own.

They are those of files or of whole folders.
"""

_FOLDER_MARKER = "_$folder$"
"""How the names of empty objects end by which tools show folders; others end with a slash."""


def is_junk(path: str) -> bool:
    """Whether a file is one that a system left: by its name, or that of a folder above it.

    Such are AppleDouble files (``._x`` beside ``x``), ``__MACOSX``, ``.DS_Store``, ``Thumbs.db``,
    ``desktop.ini``, ``lost+found`` and the like, and objects that stand for a folder.

    Args:
        path: path of the file in a data set, with ``/`` between its parts; one that ends with
            ``/`` stands for a folder, and an empty one for the data set's own.
    """
    folder, _, name = path.rpartition("/")
    return (
        not name
        or name.startswith("._")
        or name.lower() in _NAMES
        or name.endswith(_FOLDER_MARKER)
        or bool(folder and _is_in_junk(folder))
    )


@functools.lru_cache
def _is_in_junk(folder: str) -> bool:
    """Whether a folder, or one above it, is junk; a data set has few folders for its files."""
    return any(is_junk(name) for name in folder.split("/") if name)

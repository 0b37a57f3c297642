"""Opening the files of a set that is checked: only regular ones, and none without an end."""

from __future__ import annotations

import io
import os
import stat

from sysnoise.pipelines.storage.reading import open_file, read_file
from sysnoise.pipelines.storage.root import Root, is_local

LARGEST_DOCUMENT = 2**28
"""Length in bytes of the longest file that is held whole: document, receipt or table.

The files table of a set of ImageNet's train images in 48 variants has some 40 MB.
"""


def open_regular(root: Root, path: str) -> io.BufferedReader:
    """Open a file to read parts of it.

    Raises:
        OSError: it cannot be opened, or is no regular file: a pipe or device may have no end.
    """
    if is_local(root) and not stat.S_ISREG(os.stat(root.join(path)).st_mode):
        raise OSError("it is not a regular file")
    return open_file(root, path)


def read_whole(root: Root, path: str) -> bytes:
    """Return the content of a file that is held whole.

    Raises:
        OSError: it cannot be read, is no regular file, or is longer than
            :data:`LARGEST_DOCUMENT`.
    """
    if is_local(root):
        with open_regular(root, path) as opened:
            data = opened.read(LARGEST_DOCUMENT + 1)
    else:
        data = read_file(root, path)
    if len(data) > LARGEST_DOCUMENT:
        raise OSError(f"it has more than {LARGEST_DOCUMENT} bytes")
    return data

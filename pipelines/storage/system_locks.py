"""Locks of the system, which it releases when their process ends, however it ends.

POSIX has them in ``fcntl``, Windows in ``msvcrt``, where none can be had on folders.
"""

from __future__ import annotations

import errno
import os

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]
    import msvcrt

TO_THE_END = 0
"""The length that means all bytes from the start of the lock on (fcntl(2))."""

LOCKS_FOLDERS = fcntl is not None
"""Whether folders can be locked."""

REMOVES_OPEN_FILES = fcntl is not None
"""Whether the system removes a file that a process has open; Windows refuses it."""

_HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN)
_MOST_BYTES = 2**31 - 1
"""The largest number of bytes that ``msvcrt`` locks."""


def try_lock_bytes(descriptor: int, start: int, length: int) -> bool:
    """Lock bytes of a file, which need not be there; return whether no other process holds one.

    Args:
        descriptor: the file, open for writing.
        start: the first byte.
        length: number of bytes, or :data:`TO_THE_END`.

    Raises:
        OSError: the file system has no locks, or refuses them for another reason.
    """
    if fcntl is None:
        return _try_lock_of_windows(descriptor, start, length or _MOST_BYTES - start)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
    except OSError as error:
        if error.errno in _HELD_BY_ANOTHER:
            return False
        raise
    return True


def _try_lock_of_windows(descriptor: int, start: int, length: int) -> bool:
    os.lseek(descriptor, start, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, length)  # type: ignore[attr-defined]
    except OSError:  # For an open file, it has no other error.
        return False
    return True


def try_lock_folder(descriptor: int) -> bool:
    """Lock an open folder, where :data:`LOCKS_FOLDERS`; return whether no other process holds it.

    Raises:
        OSError: the file system has no locks, or refuses them for another reason.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD_BY_ANOTHER:
            return False
        raise
    return True

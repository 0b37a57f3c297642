"""Folders for temporary files, which later processes remove where their own one was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sysnoise.pipelines.storage.system_locks import LOCKS_FOLDERS, try_lock_folder

_PREFIX = "sysnoise-"
"""The begin of the names of folders that a living process has locked, or a dead one has left."""

_NEW_PREFIX = "sysnoise."
"""The begin of the names of folders that are not locked yet."""

_NEW_SECONDS = 60
"""Age in seconds from which on a folder that is not locked yet was left by a dead process."""


class TemporaryFolder:
    """A folder in ``TMPDIR`` that is removed when it is closed, or after its process has died.

    The process holds a lock on it (flock(2)), which the system releases when the process ends,
    however it ends. Each new folder removes those whose lock is free. Windows has no such locks:
    there a process that is killed leaves its folder.
    """

    def __init__(self) -> None:
        """Make the folder.

        Raises:
            OSError: it cannot be made.
        """
        parent = Path(tempfile.gettempdir())
        self._descriptor: int | None = None
        if not LOCKS_FOLDERS:
            self.path = tempfile.mkdtemp(prefix=_NEW_PREFIX, dir=parent)
            return
        _remove_stale(parent)
        new = tempfile.mkdtemp(prefix=_NEW_PREFIX, dir=parent)
        self._descriptor = os.open(new, os.O_RDONLY)
        with contextlib.suppress(OSError):  # Without locks, nobody takes a folder for stale.
            try_lock_folder(self._descriptor)
        self.path = os.path.join(parent, f"{_PREFIX}{new.rpartition('.')[2]}")
        os.replace(new, self.path)  # From here on, it counts as stale when its lock is free.

    def close(self) -> None:
        """Remove the folder; further calls do nothing."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextlib.contextmanager
def temporary_files() -> Iterator[None]:
    """Have this process, and those it starts, make temporary files in a folder of their own.

    Where the folder cannot be made, they are made where they would be without this function:
    whoever needs one says what is wrong.
    """
    try:
        folder = TemporaryFolder()
    except OSError:
        yield
        return
    before = os.environ.get("TMPDIR")
    try:
        _set_folder(folder.path)
        yield
    finally:
        _set_folder(before)
        folder.close()


def _set_folder(path: str | None) -> None:
    """Set the folder of temporary files; None for the system's own."""
    if path is None:
        os.environ.pop("TMPDIR", None)
    else:
        os.environ["TMPDIR"] = path
    tempfile.tempdir = None  # It is kept once it is known.


def _remove_stale(parent: Path) -> None:
    """Remove the folders that dead processes have left."""
    for folder in parent.glob(f"{_PREFIX}*"):
        _remove_if_free(folder)
    for folder in parent.glob(f"{_NEW_PREFIX}*"):
        with contextlib.suppress(OSError):  # Another process has just removed it.
            if time.time() - folder.stat().st_ctime > _NEW_SECONDS:
                _remove_if_free(folder)


def _remove_if_free(folder: Path) -> None:
    """Remove a folder that no process has locked; what is somebody else's stays."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        if try_lock_folder(descriptor):
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return  # Without locks, its process may live.
    finally:
        os.close(descriptor)

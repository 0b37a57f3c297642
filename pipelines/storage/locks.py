"""Keeping two runs from the same shards of one output."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from sysnoise.manifests.layout import LOCK, TEMPORARY
from sysnoise.pipelines.errors import OutputError, unwritable
from sysnoise.pipelines.storage.commit import make_folder
from sysnoise.pipelines.storage.root import Root, is_local
from sysnoise.pipelines.storage.system_locks import (
    REMOVES_OPEN_FILES,
    TO_THE_END,
    try_lock_bytes,
)

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)

_ATTEMPTS = 5
"""Number of attempts: a run that ends locks all shards for a moment, which stops no other run."""

_SECONDS_BETWEEN = 0.2
"""Seconds between two attempts."""


@contextlib.contextmanager
def lock_shards(output: Root, shards: range | None) -> Iterator[None]:
    """Keep other processes away from some shards of an output while the body runs.

    The lock is one byte per shard of a file, which the system releases when the process ends,
    however it ends. Object stores, and file systems without locks, have none.

    Args:
        output: the output.
        shards: a range of step 1 that is not empty; None for all shards.

    Raises:
        OutputError: another process holds one of them, or the lock cannot be made.
    """
    if not is_local(output):
        yield
        return
    descriptor = _open_locked(output, shards)
    try:
        yield
    finally:
        # Where the output cannot be written any more, the body has an error that says so.
        with contextlib.suppress(OSError):
            _release(output, descriptor)


def _open_locked(output: Root, shards: range | None) -> int:
    path = output.join(LOCK)
    place = (0, TO_THE_END) if shards is None else (shards.start, len(shards))
    while True:
        try:
            make_folder(Path(output.join(TEMPORARY)))
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError as error:
            if not Path(output.path).is_dir():
                raise unwritable(f"writing {path!r}", error) from error
            continue  # Another run removed the folder at its end.
        except OSError as error:
            raise unwritable(f"writing {path!r}", error) from error
        try:
            is_free = _lock_with_retries(descriptor, *place)
        except OutputError:
            os.close(descriptor)
            raise
        if not is_free:
            os.close(descriptor)
            which, advice = "", ""
            if shards is not None:
                which = f" between {shards.start} and {shards.stop - 1}"
                advice = ", or work on other shards with --shard-range"
            raise OutputError(
                f"another run is working on shards of {output.url!r}{which}; wait until it "
                f"ends{advice}"
            )
        if _leads_to(path, descriptor):
            return descriptor
        os.close(descriptor)  # Another run removed the file at its end.


def _lock_with_retries(descriptor: int, start: int, length: int) -> bool:
    for _ in range(_ATTEMPTS - 1):
        if _try_lock(descriptor, start, length):
            return True
        time.sleep(_SECONDS_BETWEEN)
    return _try_lock(descriptor, start, length)


def _try_lock(descriptor: int, start: int, length: int) -> bool:
    try:
        return try_lock_bytes(descriptor, start, length)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise OutputError(f"locking the output: {error}") from error
        logging.getLogger(__name__).warning("the output's file system has no locks: %s", error)
    return True


def _leads_to(path: str, descriptor: int) -> bool:
    """Whether a path still leads to the file that was opened."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(descriptor))


def _release(output: Root, descriptor: int) -> None:
    """Release shards; remove the file, and its empty folder, unless another process holds some."""
    path = output.join(LOCK)
    try:
        if REMOVES_OPEN_FILES:
            if not (_leads_to(path, descriptor) and _try_lock(descriptor, 0, TO_THE_END)):
                return
            os.unlink(path)
    finally:
        os.close(descriptor)
    if not REMOVES_OPEN_FILES:
        os.unlink(path)  # Fails where another process has it open.
    Path(output.join(TEMPORARY)).rmdir()  # Fails where a killed run left something there.

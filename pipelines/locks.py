"""Keeping two runs from the same shards of one output."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from manifests.layout import LOCK, TEMPORARY
from pipelines.errors import OutputError
from pipelines.storage import Root, is_local

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
_ALL = 0
"""As a length, everything from a position on (fcntl(2))."""


@contextlib.contextmanager
def lock_shards(output: Root, shards: range) -> Iterator[None]:
    """Keep other processes from some shards of an output while the body runs.

    The lock is a record lock (fcntl(2)) on a byte a shard, which the system gives back when the
    process ends, however it ends. Object stores, and file systems without locks, have none.

    Args:
        output: the output.
        shards: a range of step 1 that is not empty.

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
        _remove_if_last(output, descriptor)
        os.close(descriptor)


def _open_locked(output: Root, shards: range) -> int:
    path = output.join(LOCK)
    while True:
        try:
            os.makedirs(output.join(TEMPORARY), exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            continue  # Another run removed the folder at its end.
        except OSError as error:
            raise OutputError(
                f"writing {path!r}: {error.strerror}; give an --output that can be written"
            ) from error
        if not _try_lock(descriptor, len(shards), shards.start):
            os.close(descriptor)
            raise OutputError(
                f"another run is working on shards of {output.url!r} between {shards.start} and "
                f"{shards.stop - 1}; wait for its end, or work on other shards with --shard-range"
            )
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)  # Another run removed the file at its end.


def _try_lock(descriptor: int, length: int, start: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        if error.errno not in _NO_LOCKS:
            raise
        logging.getLogger(__name__).warning("the output's file system has no locks: %s", error)
    return True


def _is_at(path: str, descriptor: int) -> bool:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(descriptor))


def _remove_if_last(output: Root, descriptor: int) -> None:
    """Remove the file, and its folder where it is empty, unless another process holds shards."""
    path = output.join(LOCK)
    if _is_at(path, descriptor) and _try_lock(descriptor, _ALL, 0):
        os.unlink(path)
        with contextlib.suppress(OSError):  # It holds what a killed run left behind.
            Path(output.join(TEMPORARY)).rmdir()

"""Keeping two runs from the same shards of one output."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from sysnoise.manifests.layout import LOCK, TEMPORARY
from sysnoise.pipelines.errors import OutputError, unwritable
from sysnoise.pipelines.storage.commit import make_folder
from sysnoise.pipelines.storage.root import Root, is_local

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
_TO_THE_END = 0
"""The length that means all bytes from the start of the lock on (fcntl(2))."""

_ATTEMPTS = 5
"""Number of attempts: a run that ends locks all shards for a moment, which stops no other run."""

_SECONDS_BETWEEN = 0.2
"""Seconds between two attempts."""


@contextlib.contextmanager
def lock_shards(output: Root, shards: range | None) -> Iterator[None]:
    """Keep other processes away from some shards of an output while the body runs.

    The lock is a record lock (fcntl(2)) on one byte per shard, which the system releases when the
    process ends, however it ends. Object stores, and file systems without locks, have none.

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
            _remove_if_last(output, descriptor)
        os.close(descriptor)


def _open_locked(output: Root, shards: range | None) -> int:
    path = output.join(LOCK)
    place = (_TO_THE_END, 0) if shards is None else (len(shards), shards.start)
    while True:
        try:
            make_folder(Path(output.join(TEMPORARY)))
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except FileNotFoundError as error:
            if not Path(output.path).is_dir():
                raise unwritable(f"writing {path!r}", error) from error
            continue  # Another run removed the folder at its end.
        except OSError as error:
            raise unwritable(f"writing {path!r}", error) from error
        if not _lock_with_retries(descriptor, *place):
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


def _lock_with_retries(descriptor: int, length: int, start: int) -> bool:
    for _ in range(_ATTEMPTS - 1):
        if _try_lock(descriptor, length, start):
            return True
        time.sleep(_SECONDS_BETWEEN)
    return _try_lock(descriptor, length, start)


def _try_lock(descriptor: int, length: int, start: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return False
        if error.errno not in _NO_LOCKS:
            os.close(descriptor)
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


def _remove_if_last(output: Root, descriptor: int) -> None:
    """Remove the file, and its folder where it is empty, unless another process holds shards."""
    path = output.join(LOCK)
    if _leads_to(path, descriptor) and _try_lock(descriptor, _TO_THE_END, 0):
        os.unlink(path)
        Path(output.join(TEMPORARY)).rmdir()  # Fails where a killed run left something there.

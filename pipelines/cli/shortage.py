"""What becomes of a command for which the system has no more memory, threads or open files.

Libraries start threads and map files while they are imported. Where the system refuses them that,
some fail with errors of many kinds, and others end the process or never end.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

from sysnoise.pipelines.errors import CommandError
from sysnoise.pipelines.workers.limits import address_space

MIB = 2**20
LIBRARIES_BYTES = 600 * MIB
"""Address space that the libraries need, measured with two cores: with less, some abort."""
BEAM_BYTES = 4096 * MIB
"""Address space that Beam and gRPC need: with 3,000 MiB, some of their threads do not start."""

_ERRNOS = {
    errno.ENOMEM: "memory",
    errno.EAGAIN: "processes or threads",
    errno.EMFILE: "open files",
    errno.ENFILE: "open files",
}
_LIMITS = {"memory": "ulimit -v", "processes or threads": "ulimit -u", "open files": "ulimit -n"}
"""What shows and sets the limit, as far as it is one of the shell."""
_UNMAPPED = ("failed to map segment", "cannot allocate memory")
"""Messages of the dynamic loader, ld.so(8), for want of memory."""


def prepare_for_limit(takes_beam_arguments: bool) -> None:
    """Refuse a limit of the address space in which the libraries cannot work.

    Under any such limit, Arrow takes its memory from the system: its own allocator would reserve
    1 GiB of address space at once.

    Args:
        takes_beam_arguments: whether the command runs a pipeline.

    Raises:
        CommandError: the limit is too small.
    """
    limit = address_space()
    if limit is None:
        return
    needed = BEAM_BYTES if takes_beam_arguments else LIBRARIES_BYTES
    if limit < needed:
        raise CommandError(
            f"the address space is limited to {limit // MIB} MiB (ulimit -v), and this command "
            f"needs {needed // MIB} MiB"
        )
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def shortage(error: BaseException | None) -> str | None:
    """Return what the system had no more of, where that is behind an error; None elsewhere."""
    while error is not None:
        if isinstance(error, MemoryError):
            return "memory"
        if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
            return "processes or threads"
        if isinstance(error, ImportError) and any(each in str(error) for each in _UNMAPPED):
            return "memory"
        if isinstance(error, OSError) and error.errno in _ERRNOS:
            return _ERRNOS[error.errno]
        error = error.__cause__ or error.__context__
    return None


def end_for_want(of: str, hint: str) -> NoReturn:
    """End the process with one line; threads that wait for others that never started stay behind.

    Args:
        of: what :func:`shortage` returned.
        hint: what a user can do besides, or nothing.
    """
    advice = "; ".join(filter(None, (f"give it more ({_LIMITS[of]}), or fewer --workers", hint)))
    print(f"sysnoise: the system has no more {of} for this process; {advice}", file=sys.stderr)
    sys.stderr.flush()
    os._exit(1)


@contextlib.contextmanager
def ended_for_want_in_threads(hint: str) -> Iterator[None]:
    """End the process in this way where a thread dies for want of something in the body.

    What libraries log of that on their way is left out.
    """
    before = threading.excepthook
    handlers = tuple(logging.getLogger().handlers)

    def hook(arguments: threading.ExceptHookArgs) -> None:
        of = shortage(arguments.exc_value)
        if of is None:
            before(arguments)
        else:
            end_for_want(of, hint)

    threading.excepthook = hook
    for handler in handlers:
        handler.addFilter(_is_no_want)
    try:
        yield
    finally:
        threading.excepthook = before
        for handler in handlers:
            handler.removeFilter(_is_no_want)


def _is_no_want(record: logging.LogRecord) -> bool:
    return record.exc_info is None or shortage(record.exc_info[1]) is None

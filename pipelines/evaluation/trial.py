"""Work on a model that others made, in a process of its own with limits of memory and time.

A model of a kilobyte can say that its loading takes days or all memory, and the libraries have no
limits of their own; nor can they be interrupted. On Windows, which cannot fork a process, the work
is done in this one, without limits.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Callable
from typing import NoReturn

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.workers.limits import limit_this_process

TRIAL_BYTES = 2**31
"""Memory that the libraries may take beside the model."""
MODEL_COPIES = 4
"""How many times the model's own bytes they may take: as text, as message and as tensors."""
TRIAL_SECONDS = 60
"""Seconds of processor time that the work may take; a model of 2 GiB takes some ten."""

_DONE, _FAILED = b"+", b"-"


def tried(doing: str, size: int, work: Callable[[], bytes]) -> bytes:
    """Return what a function returns, which runs in a forked process.

    Args:
        doing: what is done, for the message.
        size: bytes of the model.
        work: the function; it starts no thread that others of this process wait for.

    Raises:
        InputError: the work failed, or takes more memory or time than it may.
    """
    if not hasattr(os, "fork"):
        return _result(_outcome(doing, work))
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _work(writing, doing, size, work)
    os.close(writing)
    try:
        with open(reading, "rb") as answer:
            outcome = answer.read()
    finally:  # Also where Ctrl-C ends the wait.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    if outcome:
        return _result(outcome)
    killer = os.waitstatus_to_exitcode(status)
    if killer == -signal.SIGXCPU:
        raise InputError(f"{doing}: it takes more than {TRIAL_SECONDS} s")
    raise InputError(f"{doing}: it ended the process that tried it, with code {killer}")


def _work(writing: int, doing: str, size: int, work: Callable[[], bytes]) -> NoReturn:
    # Garbage of the other process may be sessions whose threads are not here to be waited for.
    gc.freeze()

    def limited_work() -> bytes:
        limit_this_process(TRIAL_BYTES + MODEL_COPIES * size, TRIAL_SECONDS)
        return work()

    try:
        with open(writing, "wb") as answer:
            answer.write(_outcome(doing, limited_work))
    finally:
        os._exit(0)


def _outcome(doing: str, work: Callable[[], bytes]) -> bytes:
    """Do the work; return its result or a message, each after a mark."""
    try:
        return _DONE + work()
    except MemoryError:
        message = f"{doing}: it takes more memory than {TRIAL_BYTES >> 20} MiB and its own"
    except Exception as error:  # noqa: BLE001 - whoever waits for the outcome raises it.
        message = str(error) if isinstance(error, InputError) else f"{doing}: {error!r}"
    return _FAILED + message.encode(errors="backslashreplace")


def _result(outcome: bytes) -> bytes:
    if outcome.startswith(_FAILED):
        raise InputError(outcome.removeprefix(_FAILED).decode())
    return outcome.removeprefix(_DONE)

"""Saying so where a worker process is silent for long: it may have been stopped."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator

from sysnoise.pipelines.shards.strikes import WorkStep

SILENT_SECONDS = 60.0
"""Seconds without an answer of a worker after which a warning says so, once per shard."""


class Watch:
    """What was last heard of a worker.

    Attributes:
        sample: key of the sample that it works on; None before the first and after the last one.
        step: what it does with the sample.
    """

    def __init__(self) -> None:
        self.sample: str | None = None
        self.step = WorkStep.READING
        self._heard = time.monotonic()

    def hear(self, sample: str | None, step: WorkStep) -> None:
        """Note an answer of the worker."""
        self.sample, self.step, self._heard = sample, step, time.monotonic()

    @property
    def work(self) -> str:
        """What the worker is doing, for a message."""
        if self.sample is None:
            return "outside of its samples"
        return f"while {self.step.value} sample {self.sample!r}"

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last answer."""
        return time.monotonic() - self._heard


@contextlib.contextmanager
def watched(pid: int, shard: int) -> Iterator[Watch]:
    """Give what is heard of a worker, and log a warning where that is nothing for a minute.

    Args:
        pid: id of the process.
        shard: number of the shard that it makes.
    """
    watch, ended = Watch(), threading.Event()
    arguments = (watch, ended, pid, shard)
    thread = threading.Thread(target=_warn_if_silent, args=arguments, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        ended.set()


def _warn_if_silent(watch: Watch, ended: threading.Event, pid: int, shard: int) -> None:
    while (left := SILENT_SECONDS - watch.silent_seconds) > 0:
        if ended.wait(left):
            return
    why = "a large image or a slow source may be the reason"
    if _is_stopped(pid):
        why = f"it is stopped, and goes on after 'kill -CONT {pid}'"
    logging.getLogger(__name__).warning(
        "shard %d: worker %d has said nothing for %.0f s %s; %s",
        *(shard, pid, SILENT_SECONDS, watch.work, why),
    )


def _is_stopped(pid: int) -> bool:
    """Whether a child process is stopped by a signal such as SIGSTOP, as far as that is known."""
    if not hasattr(os, "waitid"):  # Windows does not have it, nor has macOS before Python 3.13.
        return False
    try:
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False

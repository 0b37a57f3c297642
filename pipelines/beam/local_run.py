"""The run that this process is the command of, when Beam's local runner works in it.

The steps of a pipeline cannot be told to stop, nor hand errors back, on every runner alike. Where
they run in the command's own process, they do both through the run that stands here.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from sysnoise.pipelines.workers.job import Failure
from sysnoise.pipelines.workers.process import ShardProcess

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


class LocalRun:
    """The worker processes of a run, and what failed in it.

    Attributes:
        failures: so far.
        is_stopped: whether no further shard is to be made.
    """

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self.is_stopped = False
        self._workers: list[ShardProcess] = []

    def add(self, worker: ShardProcess) -> None:
        """Take a worker into the run; it is stopped with it."""
        self._workers.append(worker)

    def fail(self, failure: Failure) -> None:
        """Note a failure; one that other shards would share stops the run."""
        self.failures.append(failure)
        if failure.kind.stops_run:
            self.stop()

    def stop(self) -> None:
        """Kill all workers and make no further shard."""
        self.is_stopped = True
        for worker in tuple(self._workers):
            worker.stop()

    def close(self) -> None:
        """Stop, and wait until all workers are gone."""
        self.stop()
        for worker in self._workers:
            worker.close()


_current: LocalRun | None = None


def current_run() -> LocalRun | None:
    """Return the run of this process; None in the workers of other runners."""
    return _current


@contextlib.contextmanager
def local_run() -> Iterator[LocalRun]:
    """Make a run the current one while the body works; Ctrl-C and SIGTERM stop it.

    They raise KeyboardInterrupt. The body must not wait for long at a time: what interrupts a
    thread just before it begins to wait is noticed when it has waited.
    """
    global _current
    run = LocalRun()

    def interrupt(number: int, frame: FrameType | None) -> None:
        run.stop()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in _INTERRUPTS}
    _current = run
    try:
        yield run
    finally:
        run.close()
        _current = None
        for number, handler in before.items():
            signal.signal(number, handler)

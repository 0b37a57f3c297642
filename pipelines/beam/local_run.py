"""The current run of this process, where Beam's local runner or threads of its own work in it.

The steps of a pipeline cannot be stopped, nor report errors, in the same way on every runner. Where
they run in the command's own process, they do both through this run.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import signal
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from sysnoise.pipelines.beam.interrupts import INTERRUPTS
from sysnoise.pipelines.workers.failures import Failure

if TYPE_CHECKING:
    from sysnoise.pipelines.workers.process import ShardProcess

Element = TypeVar("Element")

INTERRUPT_SECONDS = 0.2
"""The longest time, in seconds, until the command notices that it is interrupted."""

MayGoOn = Callable[[int], bool]
"""Takes the number of a shard that was made; returns whether the run goes on."""


class Done(NamedTuple):
    """How much is done.

    Attributes:
        images: number of images, those of unfinished files too.
        files: number of finished files.
    """

    images: int = 0
    files: int = 0


@dataclass(frozen=True)
class Threads:
    """Threads of the command's own process, which work without Beam.

    Attributes:
        count: the number of threads.
    """

    count: int


class LocalRun:
    """The worker processes of a run, and what failed in it.

    Attributes:
        failures: the failures so far.
        is_stopped: whether the run makes no further shards.
    """

    def __init__(self, may_go_on: MayGoOn) -> None:
        self.failures: list[Failure] = []
        self.is_stopped = False
        self._may_go_on = may_go_on
        self._workers: list[ShardProcess] = []
        self._done: dict[Hashable, Done] = {}
        self._counting = threading.Lock()

    @property
    def done(self) -> Done:
        """How much this run has done."""
        with self._counting:
            counts = list(self._done.values())
        return Done(sum(each.images for each in counts), sum(each.files for each in counts))

    def count(self, what: Hashable, images: int, files: int = 0) -> None:
        """Note how much of a shard or pass is done, in place of what was noted of it before."""
        with self._counting:
            self._done[what] = Done(images, files)

    def add(self, worker: ShardProcess) -> None:
        """Add a worker to the run, which is stopped with the run."""
        self._workers.append(worker)

    def fail(self, failure: Failure) -> None:
        """Record a failure; one that other shards would share stops the run."""
        self.failures.append(failure)
        if failure.kind.stops_run:
            self.stop()

    def made(self, shard: int) -> None:
        """Count a shard as finished, and stop the run if it does not go on after it."""
        if self.is_stopped:
            return
        with self._counting:
            self._done[shard] = self._done.get(shard, Done())._replace(files=1)
        if not self._may_go_on(shard):
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
def local_run(may_go_on: MayGoOn) -> Iterator[LocalRun]:
    """Make a new run the current one while the body runs; Ctrl-C and SIGTERM stop it.

    Both raise KeyboardInterrupt. The body must not wait for long at a time: a signal that arrives
    just before a wait begins is handled only after the wait.
    """
    global _current
    run = LocalRun(may_go_on)

    def interrupt(number: int, frame: FrameType | None) -> None:
        run.stop()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in INTERRUPTS}
    _current = run
    try:
        yield run
    finally:
        run.close()
        _current = None
        for number, handler in before.items():
            signal.signal(number, handler)


def run_in_threads(
    elements: Iterable[Element], threads: Threads, work: Callable[[Element], None]
) -> list[Failure]:
    """Work on elements in threads, wait for the end, and return the failures.

    Args:
        elements: what is worked on; a thread takes the next one when it is done with one.
        threads: the threads; there are no more of them than elements.
        work: the work, which reports failures to the current run, and ends early where that stops.
    """
    left = collections.deque(elements)

    def work_on_the_rest() -> None:
        while not run.is_stopped:
            try:
                element = left.popleft()
            except IndexError:  # The threads have taken all of them.
                return
            work(element)

    count = min(threads.count, len(left))
    with local_run(lambda shard: True) as run, concurrent.futures.ThreadPoolExecutor(count) as pool:
        waiting = [pool.submit(work_on_the_rest) for _ in range(count)]
        while concurrent.futures.wait(waiting, INTERRUPT_SECONDS).not_done:
            pass
    for done in waiting:
        done.result()
    return run.failures

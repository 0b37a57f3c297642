"""Progress of a run and what is left undone.

Both are read from the files that a run writes, which is the same on every runner. A run of this
process counts its images besides, also those of unfinished files.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from sysnoise.pipelines.beam.local_run import Done, current_run
from sysnoise.pipelines.errors import InputError, ShardError, lines_of
from sysnoise.pipelines.storage.root import Root, is_local
from sysnoise.pipelines.workers.failures import Failure, FailureKind

TERMINAL_SECONDS = 0.5
"""Seconds between two states of the bar on a terminal, and two looks at a local output."""

REMOTE_SECONDS = 10.0
"""Seconds between two looks at a remote output, each of which is a request."""

LOG_SECONDS = 30.0
"""Seconds between two lines of the log."""

BAR = (
    "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{unit} "
    "[{elapsed}<{remaining}, {rate_noinv_fmt}]"
)
"""What a bar shows, as tqdm has it: the rate is a frequency even where that is below one."""


@dataclass(frozen=True)
class Work:
    """The files that a run writes, whose presence shows its progress.

    Attributes:
        images: number of images by the path of the file whose presence says that they are done.
        present: returns the paths of the files that are there, among which others do not count. It
            raises OSError or InputError if they cannot be listed.
        noun: what such a file holds, such as ``shard``.
        unit: what an image is called, such as ``sample``.
        pause: seconds between two looks at the files.
        title: what does the work, where there are several; empty otherwise.
    """

    images: Mapping[str, int]
    present: Callable[[], Collection[str]]
    noun: str
    unit: str
    pause: float
    title: str = ""

    @property
    def name(self) -> str:
        """What is done with a file of the work, for messages."""
        return f"{self.title}: {self.noun}" if self.title else self.noun

    def done(self) -> list[str]:
        """Return the paths of the files that are there."""
        present = set(self.present())
        return [path for path in self.images if path in present]

    def count(self, paths: Collection[str]) -> int:
        """Return the number of images that are done when these files are there."""
        return sum(self.images[path] for path in paths)

    def look(self) -> Done:
        """Return how much is done, by the files that are there."""
        paths = self.done()
        return Done(self.count(paths), len(paths))


def say(text: str) -> None:
    """Print a line on standard error."""
    print(f"sysnoise: {text}", file=sys.stderr, flush=True)


def progress_bar(label: str, total: int, unit: str, found: int = 0) -> tqdm[Any]:
    """Return a bar on standard error, which shows nothing where that is no terminal.

    The rate, from which the time left follows, is the average since the bar was made.

    Args:
        label: what is done.
        total: number of units of all of the work.
        unit: what is counted; bytes are ``B``.
        found: number of units that were done before, which do not count for the rate.
    """
    return tqdm(
        desc=label,
        total=total,
        initial=found,
        unit=unit,
        unit_scale=unit == "B",
        bar_format=BAR,
        smoothing=0,
        miniters=1,
        file=sys.stderr,
        disable=None,
    )


def count_found(bar: tqdm[Any], units: int) -> None:
    """Count units that were done before, which do not count for the rate of a bar."""
    if not bar.disable:  # A bar that shows nothing has no beginning.
        bar.initial += units
    bar.update(units)


def pause_between_looks(output: Root) -> float:
    """Return the seconds between two looks at an output."""
    return TERMINAL_SECONDS if is_local(output) else REMOTE_SECONDS


@contextlib.contextmanager
def show_progress(work: Work) -> Iterator[None]:
    """Show files, images, images per second and time left on standard error while the body runs.

    On a terminal, this is a bar; elsewhere, a plain line every half minute and one at the end.
    Where the work is done by this process, images count as soon as they are done, and elsewhere
    when their file is there.

    Args:
        work: the files of this run; those that are there already do not count for the speed.
    """
    stop = threading.Event()
    thread = threading.Thread(target=_watch, args=(work, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _watch(work: Work, stop: threading.Event) -> None:
    watch = _watch_terminal if sys.stderr.isatty() else _watch_log
    try:
        watch(work, stop)
    except (OSError, InputError) as error:  # The run itself does not depend on the progress.
        logging.getLogger(__name__).warning("the progress is not shown any more: %s", error)


def _looks(work: Work, stop: threading.Event, seconds: float) -> Iterator[Done]:
    """Yield how much is done: at the beginning, every so many seconds, and at the end.

    The first and the last one are what the files say.
    """
    before = work.look()
    yield before
    run, looked = None, time.monotonic()
    while not stop.wait(seconds):
        run = current_run() or run
        if run is not None:
            done = run.done
            yield Done(before.images + done.images, before.files + done.files)
        elif time.monotonic() - looked >= work.pause:
            yield work.look()
            looked = time.monotonic()
    yield work.look()


def _watch_terminal(work: Work, stop: threading.Event) -> None:
    looks = _looks(work, stop, TERMINAL_SECONDS)
    found = next(looks).images
    with progress_bar(work.noun, work.count(work.images), f" {work.unit}s", found) as bar:
        for done in looks:
            bar.set_description_str(f"{work.noun} {done.files}/{len(work.images)}", refresh=False)
            bar.n = done.images
            bar.refresh()


def _watch_log(work: Work, stop: threading.Event) -> None:
    start = time.monotonic()
    looks = _looks(work, stop, LOG_SECONDS)
    found = next(looks)
    for done in looks:
        line = progress_line(work, found, done, time.monotonic() - start)
        print(line, file=sys.stderr, flush=True)


def progress_line(work: Work, found: Done, done: Done, seconds: float) -> str:
    """Return a line of the log.

    Args:
        work: the files of the run.
        found: what was done before the run, which does not count for the rate.
        done: what is done now.
        seconds: time since the beginning of the run.
    """
    total = work.count(work.images)
    rate = (done.images - found.images) / seconds
    left = "time left unknown"
    if rate > 0:
        left = f"{tqdm.format_interval((total - done.images) / rate)} left"
    return (
        f"{work.name}s {done.files}/{len(work.images)}, {work.unit}s {done.images}/{total}, "
        f"{rate:.1f} {work.unit}s/s, {left}"
    )


def refuse_unfinished(failures: Sequence[Failure], work: Work, resume_hint: str) -> None:
    """Refuse to continue if a run has not done everything; what failed but is there is done.

    Args:
        failures: the failures that are known.
        work: the files of the run.
        resume_hint: what a user can do if the runner reported no error.

    Raises:
        ShardError: something is not done.
    """
    done, total = len(work.done()), len(work.images)
    if done == total:
        return
    if not failures:
        raise ShardError(
            f"the runner ended with {done} of {total} {work.name}s done, but reported no error; "
            f"{resume_hint}"
        )
    messages = list(
        dict.fromkeys(_message_with_advice(failure, resume_hint) for failure in failures)
    )
    was_stopped = any(failure.kind.stops_run for failure in failures)
    if was_stopped and done + len(failures) < total:
        text = f"stopped with {done} of {total} {work.name}s done"
    else:  # One failure may be that of several files.
        text = f"{total - done} of {total} {work.name}s failed"
    raise ShardError(f"{text}:\n{lines_of(messages)}")


def _message_with_advice(failure: Failure, resume_hint: str) -> str:
    """Return the message of a failure, with what a user can do about an output."""
    if failure.kind is FailureKind.OUTPUT:
        return f"{failure.message}; fix that and {resume_hint}"
    return failure.message

"""Progress of a run and what is left undone, read from the files that it writes.

So both are the same on every runner.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tqdm import tqdm

from sysnoise.pipelines.errors import InputError, ShardError, lines_of
from sysnoise.pipelines.storage.root import Root, is_local
from sysnoise.pipelines.workers.failures import Failure, FailureKind

TERMINAL_SECONDS = 0.5
"""Seconds between two looks at a local output, where the progress is shown on a terminal."""

REMOTE_SECONDS = 10.0
"""Seconds between two looks at a remote output, each of which is a request."""

LOG_SECONDS = 30.0
"""Seconds between two lines of the log."""


@dataclass(frozen=True)
class Work:
    """The files that a run writes, whose presence shows its progress.

    Attributes:
        images: number of images by the path of the file whose presence says that they are done.
        present: returns the paths of the files that are there, among which others do not count. It
            raises OSError or InputError if they cannot be listed.
        noun: what such a file holds, such as ``shard``.
        pause: seconds between looks where the progress is shown on a terminal.
    """

    images: Mapping[str, int]
    present: Callable[[], Collection[str]]
    noun: str
    pause: float

    def done(self) -> list[str]:
        """Return the paths of the files that are there."""
        present = set(self.present())
        return [path for path in self.images if path in present]

    def count(self, paths: Collection[str]) -> int:
        """Return the number of images that are done when these files are there."""
        return sum(self.images[path] for path in paths)


def pause_between_looks(output: Root) -> float:
    """Return the seconds between two looks at an output."""
    return TERMINAL_SECONDS if is_local(output) else REMOTE_SECONDS


@contextlib.contextmanager
def show_progress(work: Work) -> Iterator[None]:
    """Show files, images per second and time left on standard error while the body runs.

    On a terminal, this is a bar; elsewhere, a plain line every half minute and one at the end.

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


def _watch_terminal(work: Work, stop: threading.Event) -> None:
    before, total = work.count(work.done()), work.count(work.images)
    with tqdm(total=total, initial=before, unit="image", file=sys.stderr) as bar:
        while True:
            stopped = stop.wait(work.pause)
            done = work.done()
            bar.set_description(f"{work.noun} {len(done)}/{len(work.images)}", refresh=False)
            bar.update(work.count(done) - bar.n)
            if stopped:
                return


def _watch_log(work: Work, stop: threading.Event) -> None:
    start = time.monotonic()
    before, total = work.count(work.done()), work.count(work.images)
    while True:
        stopped = stop.wait(LOG_SECONDS)
        done = work.done()
        images = work.count(done)
        rate = (images - before) / (time.monotonic() - start)
        left = f"{(total - images) / rate:.0f} s left" if rate else "time left unknown"
        print(
            f"{work.noun}s {len(done)}/{len(work.images)}, images {images}/{total}, "
            f"{rate:.1f} images/s, {left}",
            file=sys.stderr,
            flush=True,
        )
        if stopped:
            return


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
            f"the runner ended with {done} of {total} {work.noun}s done, but reported no error; "
            f"{resume_hint}"
        )
    messages = list(
        dict.fromkeys(_message_with_advice(failure, resume_hint) for failure in failures)
    )
    was_stopped = any(failure.kind.stops_run for failure in failures)
    if was_stopped and done + len(failures) < total:
        text = f"stopped with {done} of {total} {work.noun}s done"
    else:  # One failure may be that of several files.
        text = f"{total - done} of {total} {work.noun}s failed"
    raise ShardError(f"{text}:\n{lines_of(messages)}")


def _message_with_advice(failure: Failure, resume_hint: str) -> str:
    """Return the message of a failure, with what a user can do about an output."""
    if failure.kind is FailureKind.OUTPUT:
        return f"{failure.message}; fix that and {resume_hint}"
    return failure.message

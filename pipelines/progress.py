"""Progress of a run, read from the receipts, so that it is the same on every runner."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator

from tqdm import tqdm

from manifests import layout
from pipelines.shards import Plan
from pipelines.storage import Root, is_local, list_folder

TERMINAL_SECONDS = 0.5
REMOTE_SECONDS = 10.0
"""Between looks at a remote output, each of which is a request."""
LOG_SECONDS = 30.0


@contextlib.contextmanager
def show_progress(plan: Plan, output: Root, shards: range) -> Iterator[None]:
    """Show shards, images per second and time left on standard error while the body runs.

    On a terminal that is a bar; elsewhere a plain line every half minute and one at the end.

    Args:
        plan: of the run.
        output: where the receipts are.
        shards: those of this run; the ones that are done already do not count for the speed.
    """
    stop = threading.Event()
    thread = threading.Thread(target=_watch, args=(plan, output, shards, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def done_shards(plan: Plan, output: Root, shards: range) -> list[int]:
    """Return the numbers of those shards that have a receipt."""
    receipts = set(list_folder(output, layout.RECEIPTS))
    return [shard for shard in shards if layout.receipt_path(plan.shard_name(shard)) in receipts]


def _watch(plan: Plan, output: Root, shards: range, stop: threading.Event) -> None:
    watch = _watch_terminal if sys.stderr.isatty() else _watch_log
    try:
        watch(plan, output, shards, stop)
    except OSError as error:  # The run itself does not depend on it.
        logging.getLogger(__name__).warning("the progress is not shown any more: %s", error)


def _watch_terminal(plan: Plan, output: Root, shards: range, stop: threading.Event) -> None:
    before = _images(plan, done_shards(plan, output, shards))
    total = _images(plan, shards)
    pause = TERMINAL_SECONDS if is_local(output) else REMOTE_SECONDS
    with tqdm(total=total, initial=before, unit="image", file=sys.stderr) as bar:
        while True:
            stopped = stop.wait(pause)
            done = done_shards(plan, output, shards)
            bar.set_description(f"shard {len(done)}/{len(shards)}", refresh=False)
            bar.update(_images(plan, done) - bar.n)
            if stopped:
                return


def _watch_log(plan: Plan, output: Root, shards: range, stop: threading.Event) -> None:
    start = time.monotonic()
    before = _images(plan, done_shards(plan, output, shards))
    total = _images(plan, shards)
    while True:
        stopped = stop.wait(LOG_SECONDS)
        done = done_shards(plan, output, shards)
        images = _images(plan, done)
        rate = (images - before) / (time.monotonic() - start)
        left = f"{(total - images) / rate:.0f} s left" if rate else "time left unknown"
        print(
            f"shards {len(done)}/{len(shards)}, images {images}/{total}, "
            f"{rate:.1f} images/s, {left}",
            file=sys.stderr,
            flush=True,
        )
        if stopped:
            return


def _images(plan: Plan, shards: Iterable[int]) -> int:
    return sum(map(plan.shard_size, shards))

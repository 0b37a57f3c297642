"""Progress of a run, read from the receipts, so that it is the same on every runner."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

from tqdm import tqdm

from manifests import layout
from pipelines.shards import Plan
from pipelines.storage import Root, list_folder

TERMINAL_SECONDS = 0.5
LOG_SECONDS = 30.0


@contextlib.contextmanager
def show_progress(plan: Plan, output: Root) -> Iterator[None]:
    """Show shards, images per second and time left on standard error while the body runs.

    On a terminal that is a bar; elsewhere a plain line every half minute and one at the end.
    """
    stop = threading.Event()
    watch = _watch_terminal if sys.stderr.isatty() else _watch_log
    thread = threading.Thread(target=watch, args=(plan, output, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def done_shards(plan: Plan, output: Root) -> list[int]:
    """Return the numbers of the shards that have a receipt."""
    names = (path.split("/")[-1].split("-of-")[0] for path in list_folder(output, layout.RECEIPTS))
    return [int(name) for name in names if name.isdigit()]


def _watch_terminal(plan: Plan, output: Root, stop: threading.Event) -> None:
    with tqdm(total=plan.samples, unit="image", file=sys.stderr) as bar:
        while True:
            stopped = stop.wait(TERMINAL_SECONDS)
            done = done_shards(plan, output)
            bar.set_description(f"shard {len(done)}/{plan.shards}", refresh=False)
            bar.update(sum(map(plan.shard_size, done)) - bar.n)
            if stopped:
                return


def _watch_log(plan: Plan, output: Root, stop: threading.Event) -> None:
    start = time.monotonic()
    while True:
        stopped = stop.wait(LOG_SECONDS)
        done = done_shards(plan, output)
        images = sum(map(plan.shard_size, done))
        seconds = time.monotonic() - start
        rate = images / seconds
        left = f"{(plan.samples - images) / rate:.0f} s left" if images else "time left unknown"
        print(
            f"shards {len(done)}/{plan.shards}, images {images}/{plan.samples}, "
            f"{rate:.1f} images/s, {left}",
            file=sys.stderr,
            flush=True,
        )
        if stopped:
            return

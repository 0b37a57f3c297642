"""How a long run goes on one machine: ``python -m benchmarks.throughput imagenet 10000 ...``.

Runs ``sysnoise generate`` on seeded crops of photographs and samples what it has done, its memory
and the kernel's page cache. With ``--kill``, all its processes are killed on the way, and the same
command starts again, as a user would. Then ``sysnoise verify`` reads the set, which is removed.
Writes ``throughput-KIND-IMAGES.json`` and prints its tables.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command import Source, descendants, resident_mib
from benchmarks.machine import describe_machine
from benchmarks.page_cache import cached_mib
from benchmarks.report import table
from sysnoise.manifests.layout import RECEIPTS, SUMS
from sysnoise.pipelines.cli.photographs import write_coco, write_imagenet
from sysnoise.pipelines.planning.receipts import read_receipt

GRIDS = {"imagenet": "imagenet-one-factor", "coco": "coco-one-factor"}
WRITE: dict[str, Callable[..., None]] = {"imagenet": write_imagenet, "coco": write_coco}
PARTS = 10
"""Number of parts of a run that are compared."""

CACHE = ("Cached", "Dirty", "Writeback", "MemAvailable")
"""What is kept of ``/proc/meminfo`` (proc(5))."""


@dataclass(frozen=True)
class Sample:
    """What was seen at one moment.

    Attributes:
        seconds: time since the first start of the command.
        images: number of images in finished shards.
        driver_mib: resident memory of the command.
        workers_mib: resident memory of each of its other processes.
        cache_mib: values of :data:`CACHE`, of the whole machine.
    """

    seconds: float
    images: int
    driver_mib: float
    workers_mib: tuple[float, ...]
    cache_mib: dict[str, float]


@dataclass(frozen=True)
class Attempt:
    """One start of the command.

    Attributes:
        start, end: seconds since the first start.
        images: number of images in finished shards when it ended.
        was_killed: whether it was killed.
    """

    start: float
    end: float
    images: int
    was_killed: bool


class Watched:
    """A run of the command that is watched, and killed at some shares of its images.

    Attributes:
        samples: what was seen, in order.
        attempts: the starts of the command, in order.
    """

    def __init__(self, command: Sequence[str], output: Path, images: int, every: float) -> None:
        """Prepare to run a command that makes a set of so many images; sample every so often."""
        self.samples: list[Sample] = []
        self.attempts: list[Attempt] = []
        self._command = command
        self._output = output
        self._images = images
        self._every = every
        self._counted: dict[str, int] = {}
        self._start = time.perf_counter()

    def run(self, kill_at: Sequence[float]) -> None:
        """Run the command to its end, and kill it whenever a share of the images is done.

        Raises:
            RuntimeError: it failed.
        """
        self._start = time.perf_counter()
        for share in sorted(kill_at):
            self._attempt(share)
        self._attempt(None)

    def _attempt(self, share: float | None) -> None:
        start = self._seconds()
        log = self._output.with_suffix(".log")
        with log.open("w") as messages:
            process = subprocess.Popen(
                self._command, stdout=messages, stderr=messages, start_new_session=True
            )
            while process.poll() is None:
                sample = self._sample(process.pid)
                self.samples.append(sample)
                if share is not None and sample.images >= share * self._images:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    break
                time.sleep(self._every)
        self.samples.append(self._sample(process.pid))
        was_killed = process.returncode == -signal.SIGKILL
        if process.returncode and not was_killed:
            raise RuntimeError(f"{' '.join(self._command)}:\n{log.read_text('utf-8')}")
        self.attempts.append(Attempt(start, self._seconds(), self._done(), was_killed))

    def _seconds(self) -> float:
        return time.perf_counter() - self._start

    def _sample(self, pid: int) -> Sample:
        workers = tuple(filter(None, map(resident_mib, descendants(pid))))
        return Sample(self._seconds(), self._done(), resident_mib(pid), workers, _cache_mib())

    def _done(self) -> int:
        """Return the number of images that receipts commit; each receipt is read once."""
        for path in (self._output / RECEIPTS).glob("*.json"):
            if path.name not in self._counted:
                receipt = read_receipt(path.read_bytes())
                self._counted[path.name] = receipt.samples + len(receipt.rejects)
        return sum(self._counted.values())


def _cache_mib() -> dict[str, float]:
    lines = (line.split() for line in Path("/proc/meminfo").read_text("ascii").splitlines())
    values = {words[0].rstrip(":"): int(words[1]) / 1024 for words in lines}
    return {name: values[name] for name in CACHE}


def parts_of(samples: Sequence[Sample], images: int, workers: int) -> list[dict[str, Any]]:
    """Return images per second, and the most memory and page cache, of each part of a run.

    Workers often finish their shards together, so times and images are means over as many finished
    shards as there are workers, and images between these are taken to be done evenly. The first
    part holds start-up and planning, and one in which the command was killed what this cost.
    """
    done, first_seen = np.unique([each.images for each in samples], return_index=True)
    seconds = np.array([0.0, *(samples[number].seconds for number in first_seen[1:])])
    means = [
        np.convolve(each, np.full(workers, 1 / workers), "valid") if len(each) > workers else each
        for each in (done, seconds)
    ]
    known, times = (0, *means[0], images), (0, *means[1], seconds[-1])
    ends = np.interp(np.linspace(0, images, PARTS + 1), known, times)
    rows = []
    for number, (start, end) in enumerate(itertools.pairwise(ends.tolist()), start=1):
        within = [each for each in samples if start - 1 <= each.seconds <= end + 1]
        rows.append(
            {
                "images": number * images // PARTS,
                "seconds": end - start,
                "images_per_second": images / PARTS / (end - start),
                "driver_mib": max(each.driver_mib for each in within),
                "worker_mib": max(max(each.workers_mib, default=0.0) for each in within),
                **{name: max(each.cache_mib[name] for each in within) for name in CACHE[:3]},
            }
        )
    return rows


def format_run(result: dict[str, Any]) -> str:
    """Return the tables of a run as Markdown."""
    parts = [
        (
            f"{row['images']:,}",
            f"{row['seconds']:.1f} s",
            f"{row['images_per_second']:.1f}",
            *(f"{row[name]:,.0f} MiB" for name in ("driver_mib", "worker_mib", *CACHE[:3])),
        )
        for row in result["parts"]
    ]
    attempts = [
        (
            f"{each['start']:.1f} s",
            f"{each['end']:.1f} s",
            f"{each['images']:,}",
            "killed" if each["was_killed"] else "finished",
        )
        for each in result["attempts"]
    ]
    return "\n".join(
        [
            f"{result['kind']}, {result['images']:,} images, `{result['grid']}`, "
            f"{result['workers']} workers: first shards after {result['first_shard_seconds']:.1f} "
            f"s, all after {result['last_shard_seconds']:.1f} s, the set after "
            f"{result['seconds']:.1f} s; verified in {result['verify_seconds']:.1f} s; sha256 of "
            f"its sums {result['sums_sha256'][:16]}",
            "",
            f"Of the set's {result['set_mib']:,.0f} MiB, {result['set_cached_mib']:,.0f} were in "
            "the page cache when the command ended, and "
            f"{result['set_cached_mib_after_verify']:,.0f} when it was verified.",
            table(
                ("images done", "took", "images/s", "driver", "largest worker", *CACHE[:3]), parts
            ),
            table(("start", "end", "images done", ""), attempts),
        ]
    )


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make the source where it is not there yet, run the command on it, and verify the set."""
    kind, images = arguments.kind, arguments.images
    folder = arguments.output / f"source-{kind}-{images}"
    if not folder.exists():
        WRITE[kind](folder, crops=images)
    output = arguments.output / f"set-{kind}-{images}"
    sysnoise = [sys.executable, "-m", "sysnoise.pipelines.cli.main"]
    command = [*sysnoise, "generate", kind, *Source(kind, folder, images).arguments()]
    command += [f"--grid={arguments.grid or GRIDS[kind]}", f"--workers={arguments.workers}"]
    command += [f"--output={output}"]
    watched = Watched(command, output, images, arguments.every)
    watched.run(arguments.kill)
    set_cached = [cached_mib(output)]
    start = time.perf_counter()
    subprocess.run([*sysnoise, "verify", str(output)], check=True, stdout=subprocess.DEVNULL)
    verify_seconds = time.perf_counter() - start
    set_cached.append(cached_mib(output))
    set_mib = sum(path.stat().st_size for path in output.rglob("*")) / 2**20
    sums = hashlib.sha256((output / SUMS).read_bytes()).hexdigest()
    shutil.rmtree(output)
    samples = watched.samples
    return {
        "machine": describe_machine(),
        "kind": kind,
        "images": images,
        "grid": arguments.grid or GRIDS[kind],
        "workers": arguments.workers,
        "seconds": watched.attempts[-1].end,
        "first_shard_seconds": next(each.seconds for each in samples if each.images),
        "last_shard_seconds": next(each.seconds for each in samples if each.images == images),
        "verify_seconds": verify_seconds,
        "sums_sha256": sums,
        "set_mib": set_mib,
        "set_cached_mib": set_cached[0],
        "set_cached_mib_after_verify": set_cached[1],
        "attempts": [dataclasses.asdict(each) for each in watched.attempts],
        "parts": parts_of(samples, images, arguments.workers),
        "samples": [dataclasses.asdict(each) for each in samples],
    }


def main() -> None:
    """Measure one run, write it as JSON and print its tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("kind", choices=GRIDS)
    parser.add_argument("images", type=int, help="number of crops")
    parser.add_argument("--output", type=Path, required=True, help="folder for source and results")
    parser.add_argument("--grid", help="by default the one-factor grid of the kind")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two samples")
    parser.add_argument(
        "--kill", type=float, action="append", default=[], help="share of the images, 0 to 1"
    )
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    result = measure(arguments)
    name = f"throughput-{arguments.kind}-{arguments.images}.json"
    (arguments.output / name).write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(format_run(result))


if __name__ == "__main__":
    main()

"""One run of the command: how long it takes, and how much memory its processes need."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Source:
    """A dataset in a folder of its own.

    Attributes:
        kind: ``imagenet`` or ``coco``.
        folder: as :mod:`pipelines.photographs` writes it.
        images: number of images.
    """

    kind: str
    folder: Path
    images: int

    def arguments(self) -> list[str]:
        """Return what ``sysnoise generate`` is told of it."""
        images = ["--images", str(self.folder / "images")]
        if self.kind == "coco":
            return [*images, "--annotations", str(self.folder / "instances_demo.json")]
        return [*images, "--label-file", str(self.folder / "val.txt")]


@dataclass(frozen=True)
class Run:
    """What one run took.

    Attributes:
        grid: its name.
        images, workers: their numbers.
        shard_format: ``webdataset`` or ``parquet``.
        seconds: wall time of the command, from start to exit.
        driver_mib: peak resident memory of the command.
        worker_mib: that of its largest worker.
    """

    grid: str
    images: int
    workers: int
    shard_format: str
    seconds: float
    driver_mib: float
    worker_mib: float


def run_command(
    source: Source,
    grid: str,
    work: Path,
    workers: int = 1,
    shard_format: str = "webdataset",
    samples_per_shard: int | None = None,
) -> Run:
    """Run ``sysnoise generate``, measure it, and remove what it wrote.

    Args:
        source: the dataset.
        grid: name or file.
        work: folder for the output.
        workers: number of local workers.
        shard_format: of the shards.
        samples_per_shard: by default the command's.

    Raises:
        RuntimeError: the command failed.
    """
    output = Path(tempfile.mkdtemp(dir=work)) / "set"
    command = [sys.executable, "-m", "pipelines.cli", "generate", source.kind, *source.arguments()]
    command += ["--grid", grid, "--workers", str(workers), "--format", shard_format]
    command += ["--output", str(output)]
    if samples_per_shard:
        command += ["--samples-per-shard", str(samples_per_shard)]
    start = time.perf_counter()
    driver, worker = 0.0, 0.0
    with tempfile.TemporaryFile("w+") as messages:
        process = subprocess.Popen(command, stderr=messages, stdout=messages)
        while process.poll() is None:
            driver = max(driver, _peak_mib(process.pid))
            worker = max([worker, *map(_peak_mib, _descendants(process.pid))])
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - start
        if process.returncode:
            messages.seek(0)
            raise RuntimeError(f"{' '.join(command)}:\n{messages.read()}")
    shutil.rmtree(output.parent)
    return Run(Path(grid).stem, source.images, workers, shard_format, seconds, driver, worker)


def _descendants(pid: int) -> list[int]:
    """Return all descendants of a process (proc(5), ``task/TID/children``)."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # The thread has ended.
            found += [int(child) for child in file.read_text().split()]
    return found + [each for child in found for each in _descendants(child)]


def _peak_mib(pid: int) -> float:
    """Return the kernel's high-water mark of resident memory; 0 for a process that has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0

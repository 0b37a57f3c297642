"""One run of the command: how long it takes, and how much memory its processes need."""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sysnoise.manifests.layout import MANIFEST
from sysnoise.pipelines.cli.photographs import write_imagenet

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Source:
    """A dataset in a folder of its own.

    Attributes:
        kind: ``imagenet`` or ``coco``.
        folder: the folder, as :mod:`sysnoise.pipelines.cli.photographs` writes it.
        images: number of images.
    """

    kind: str
    folder: Path
    images: int

    def arguments(self) -> list[str]:
        """Return the options of ``sysnoise generate`` for this dataset."""
        images = ["--images", str(self.folder / "images")]
        if self.kind == "coco":
            return [*images, "--annotations", str(self.folder / "instances_demo.json")]
        return [*images, "--label-file", str(self.folder / "val.txt")]


def make_imagenet_set(work: Path, images: int, grid: str) -> Path:
    """Generate a set of crops from photographs, and return its folder.

    Args:
        work: an empty folder.
        images: number of crops.
        grid: the grid, in YAML.
    """
    write_imagenet(work / "source", images)
    (work / "grid.yaml").write_text(grid, "utf-8")
    source = Source("imagenet", work / "source", images)
    arguments = [*source.arguments(), f"--grid={work / 'grid.yaml'}", f"--output={work / 'set'}"]
    command = [
        sys.executable,
        "-m",
        "sysnoise.pipelines.cli.main",
        "generate",
        "imagenet",
        *arguments,
    ]
    subprocess.run(command, check=True, capture_output=True)
    return work / "set"


@dataclass(frozen=True)
class Run:
    """The time, memory and disk space that one run took.

    Attributes:
        grid: name of the grid.
        images, workers: number of images and of workers.
        shard_format: ``webdataset`` or ``parquet``.
        image_format: format of the images in the shards.
        seconds: wall time of the command, from start to exit.
        cpu_seconds: processor time of all its processes.
        shard_bytes: length of all shard files.
        driver_mib: peak resident memory of the command.
        worker_mib: peak resident memory of its largest worker.
    """

    grid: str
    images: int
    workers: int
    shard_format: str
    image_format: str
    seconds: float
    cpu_seconds: float
    shard_bytes: int
    driver_mib: float
    worker_mib: float


def run_command(
    source: Source,
    grid: str,
    work: Path,
    workers: int = 1,
    shard_format: str = "webdataset",
    image_format: str = "png",
    samples_per_shard: int | None = None,
) -> Run:
    """Run ``sysnoise generate``, measure it, and remove what it wrote.

    Args:
        source: the dataset.
        grid: name or file of the grid.
        work: folder for the output.
        workers: number of local workers.
        shard_format: format of the shards.
        image_format: format of the images.
        samples_per_shard: number of samples per shard; None for the command's default.

    Raises:
        RuntimeError: the command failed.
    """
    output = Path(tempfile.mkdtemp(dir=work)) / "set"
    command = [
        sys.executable,
        "-m",
        "sysnoise.pipelines.cli.main",
        "generate",
        source.kind,
        *source.arguments(),
    ]
    command += ["--grid", grid, "--workers", str(workers), "--format", shard_format]
    command += ["--image-format", image_format, "--output", str(output)]
    if samples_per_shard:
        command += ["--samples-per-shard", str(samples_per_shard)]
    start, cpu_start = time.perf_counter(), _children_seconds()
    driver, worker = 0.0, 0.0
    with tempfile.TemporaryFile("w+") as messages:
        process = subprocess.Popen(command, stderr=messages, stdout=messages)
        while process.poll() is None:
            driver = max(driver, peak_mib(process.pid))
            worker = max([worker, *map(peak_mib, descendants(process.pid))])
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - start
        if process.returncode:
            messages.seek(0)
            raise RuntimeError(f"{' '.join(command)}:\n{messages.read()}")
    manifest = json.loads((output / MANIFEST).read_text("utf-8"))
    shutil.rmtree(output.parent)
    return Run(
        grid=Path(grid).stem,
        images=source.images,
        workers=workers,
        shard_format=shard_format,
        image_format=image_format,
        seconds=seconds,
        cpu_seconds=_children_seconds() - cpu_start,
        shard_bytes=sum(variant["bytes"] for variant in manifest["variants"]),
        driver_mib=driver,
        worker_mib=worker,
    )


def _children_seconds() -> float:
    """Return the processor time of all processes that this one started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def descendants(pid: int) -> list[int]:
    """Return all descendants of a process (proc(5), ``task/TID/children``)."""
    found = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # The thread has ended.
            found += [int(child) for child in file.read_text().split()]
    return found + [each for child in found for each in descendants(child)]


def peak_mib(pid: int) -> float:
    """Return the kernel's high-water mark of resident memory; 0 for a process that has ended."""
    return _status_mib(pid, "VmHWM")


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process; 0 for one that has ended."""
    return _status_mib(pid, "VmRSS")


def _status_mib(pid: int, name: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return 0.0

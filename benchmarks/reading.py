"""Reading a set, beside plain WebDataset: ``python -m benchmarks.reading``."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import webdataset as wds

from benchmarks.command import make_imagenet_set
from benchmarks.machine import describe_machine
from sysnoise import open_set

IMAGES = 1024
ROUNDS = 5
STARTS = 10
VARIANT = "pillow/pillow-bilinear/rgb"
GRID = (
    "decoders: [pillow]\nresizes: [pillow-bilinear]\ncolors: [rgb]\ngeometry: shorter256-crop224\n"
)
IMPORTS = ("from sysnoise import open_set", "import pyarrow.parquet", "import numpy")


def main() -> None:
    """Print the time of reading all images of a set, and of the import."""
    print(describe_machine())
    with tempfile.TemporaryDirectory() as work:
        folder = make_imagenet_set(Path(work), IMAGES, GRID)
        shards = [str(path) for path in sorted((folder / "variants" / VARIANT).glob("*.tar"))]
        readers: dict[str, Callable[[], int]] = {
            "open_set": lambda: sum(1 for _ in open_set(str(folder)).iterate(VARIANT)),
            "webdataset": lambda: sum(
                1 for _ in wds.WebDataset(shards, shardshuffle=False).decode("rgb8")
            ),
        }
        seconds: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(ROUNDS):  # By turns, so that both meet the same machine.
            for name, read in readers.items():
                seconds[name].append(_seconds(read))
    best = {name: min(each) for name, each in seconds.items()}
    for name, each in best.items():
        print(f"{name}: {IMAGES / each:.0f} images/s, best of {ROUNDS} over {IMAGES}")
    print(f"open_set at {best['webdataset'] / best['open_set']:.2f} of webdataset's speed")
    empty = _start_seconds("pass")
    for statement in IMPORTS:
        print(f"{statement}: {_start_seconds(statement) - empty:.3f} s, median of {STARTS}")


def _seconds(read: Callable[[], int]) -> float:
    start = time.perf_counter()
    found = read()
    taken = time.perf_counter() - start
    if found != IMAGES:
        raise ValueError(f"expected {IMAGES} images, read {found}")
    return taken


def _start_seconds(statement: str) -> float:
    """Return how long an interpreter takes that runs a statement."""
    times = []
    for _ in range(STARTS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()

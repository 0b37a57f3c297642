"""``sysnoise evaluate`` beside a plain ONNX Runtime loop over the same shards.

``python -m benchmarks.evaluating --model M.onnx --config CONFIG.yaml`` for a classifier of crops of
224 pixels. Both are whole processes, start included, by turns in one run, on all cores.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.command import make_imagenet_set
from benchmarks.machine import describe_machine
from sysnoise import open_set

IMAGES = 1024
ROUNDS = 3
GRID = """
decoders: [pillow]
resizes: [pillow-bilinear, pillow-nearest, opencv-linear, opencv-nearest]
colors: [rgb]
geometry: shorter256-crop224
"""
VARIANTS = tuple(f"pillow/{resize}/rgb" for resize in GRID.split("[")[2].split("]")[0].split(", "))


def main() -> None:
    """Print the images per second of both, over one variant and over four."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--config", required=True)
    arguments = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as work:
        folder = make_imagenet_set(Path(work), IMAGES, GRID)
        for variants in (VARIANTS[:1], VARIANTS):
            _compare(Path(work), folder, variants, arguments.model, arguments.config)


def _compare(work: Path, folder: Path, variants: tuple[str, ...], model: str, config: str) -> None:
    """Time both by turns, and refuse other predictions."""
    predictions, plain = work / "predictions", work / "plain.parquet"
    chosen = [f"--variant={variant}" for variant in variants]
    loop = [sys.executable, "-m", "benchmarks.plain_loop", model, config, str(folder), str(plain)]
    command = [
        sys.executable,
        "-m",
        "sysnoise.pipelines.cli.main",
        "evaluate",
        str(folder),
        *chosen,
    ]
    command += [f"--model={model}", f"--config={config}", f"--predictions={predictions}"]
    seconds: dict[str, list[float]] = {"evaluate": [], "plain loop": []}
    for _ in range(ROUNDS):
        shutil.rmtree(predictions, ignore_errors=True)
        seconds["evaluate"].append(_seconds(command))
        seconds["plain loop"].append(_seconds([*loop, *variants]))
    images = IMAGES * len(variants)
    best = {name: min(each) for name, each in seconds.items()}
    for name, each in best.items():
        print(f"{name}: {images / each:.0f} images/s, best of {ROUNDS} over {images}")
    print(f"evaluate at {best['plain loop'] / best['evaluate']:.2f} of the plain loop's speed")
    slugs = {open_set(str(folder)).variants[variant]["slug"] for variant in variants}
    found = {
        (row["setting"], row["key"]): row["top5"][0]
        for slug in slugs
        for row in pq.read_table(predictions / f"{slug}.parquet").to_pylist()
    }
    expected = {
        (row["setting"], row["key"]): row["class"] for row in pq.read_table(plain).to_pylist()
    }
    same = sum(found[each] == expected[each] for each in expected)
    print(f"{same} of {len(expected)} classes are the same")


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()

"""The measurements: what is run, on how much, and what follows from it."""

from __future__ import annotations

import dataclasses
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.command import Run, Source, run_command
from benchmarks.floor import OPENCV_PNG
from sysnoise import load_grid
from sysnoise.pipelines.cli.photographs import jpeg_bytes, photographs, write_coco, write_imagenet

Row = dict[str, Any]

TWO_WORKERS = 2


@dataclass(frozen=True)
class Sizes:
    """Numbers of images.

    Attributes:
        floor: images of the comparison with the floor, with ``imagenet-full``.
        original: images of the comparison with the one-at-a-time generator.
        growth: images of the runs in which grid, shards and images grow.
        few, many: images of ``imagenet-one-factor``, for memory and linear time.
        few_coco, many_coco: images of ``coco-one-factor``, for memory.
        full, full_coco: images of ``imagenet-full`` and ``coco-full``, for memory.
    """

    floor: int
    original: int
    growth: int
    few: int
    many: int
    few_coco: int
    many_coco: int
    full: int
    full_coco: int


SIZES = {
    "full": Sizes(1024, 33, 256, 256, 4096, 32, 256, 64, 16),
    "smoke": Sizes(6, 3, 6, 3, 6, 2, 4, 3, 1),
}


class Bench:
    """Runs measurements in a folder, making each source once.

    Attributes:
        work: folder for sources and outputs.
    """

    def __init__(self, work: Path) -> None:
        self.work = work

    def imagenet(self, images: int) -> Source:
        """Return a source of seeded crops in ImageNet's layout; fewer are the first of more."""
        return self._source("imagenet", images, write_imagenet)

    def coco(self, images: int) -> Source:
        """Return a source of seeded crops in COCO's layout."""
        return self._source("coco", images, write_coco)

    def _source(self, kind: str, images: int, write: Callable[..., None]) -> Source:
        folder = self.work / f"{kind}-{images}"
        if not folder.exists():
            write(folder, crops=images)
        return Source(kind, folder, images)

    def scaled(self, images: int, scale: int) -> Source:
        """Return whole photographs, so many times as wide and high."""
        folder = self.work / f"scaled-{scale}"
        (folder / "images").mkdir(parents=True)
        names = []
        for number, pixels in zip(range(images), itertools.cycle(photographs().values())):
            height, width = pixels.shape[:2]
            large = np.asarray(cv2.resize(pixels, (width * scale, height * scale)), np.uint8)
            names.append(f"{number:05d}.JPEG")
            (folder / "images" / names[-1]).write_bytes(jpeg_bytes(large, "420"))
        (folder / "val.txt").write_text("".join(f"{name} 0\n" for name in names), "utf-8")
        return Source("imagenet", folder, images)

    def grid(
        self,
        name: str,
        decoders: str,
        resizes: str = "[pillow-bilinear]",
        geometry: str = "shorter256-crop224",
    ) -> str:
        """Write a grid file without color modes and return its path."""
        file = self.work / f"{name}.yaml"
        text = f"decoders: {decoders}\nresizes: {resizes}\ncolors: [rgb]\n"
        text += f"geometry: {geometry}\nbaseline: pillow/pillow-bilinear/rgb\n"
        file.write_text(text, "utf-8")
        return str(file)

    def run(self, source: Source, grid: str, **options: Any) -> Run:
        """Run the command and say so."""
        run = run_command(source, grid, self.work, **options)
        print(f"  {run}", file=sys.stderr, flush=True)
        return run


def against_floor(bench: Bench, images: int) -> list[Row]:
    """The command on ``imagenet-full`` against the floor, with one and with two processes."""
    source = bench.imagenet(images)
    rows = []
    for processes in (1, TWO_WORKERS):
        encoders = ["png", OPENCV_PNG] if processes == 1 else ["png"]
        parts = _floors(source, processes, encoders)
        # Two processes are done when the slower one is.
        floor = max(sum(part.values()) - part.get(OPENCV_PNG, 0) for part in parts)
        run = bench.run(source, "imagenet-full", workers=processes)
        row = {**_row(run), "floor_seconds": floor, "ratio": run.seconds / floor}
        if processes == 1:
            opencv = sum(parts[0].values()) - parts[0]["png"]
            row |= {
                "floor_steps": parts[0],
                "floor_opencv_png_seconds": opencv,
                "ratio_opencv_png": run.seconds / opencv,
            }
        rows.append(row)
    return rows


def _floors(source: Source, processes: int, encoders: list[str]) -> list[dict[str, float]]:
    started = [
        _start("benchmarks.floor", source, "imagenet-full", str(part), str(processes), *encoders)
        for part in range(processes)
    ]
    return [_result(process) for process in started]


def _start(module: str, source: Source, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", module, str(source.folder / "images"), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _result(process: subprocess.Popen[str]) -> Any:
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
    return json.loads(output)


def against_original(bench: Bench, images: int, original_images: int) -> list[Row]:
    """Variants per second of the command and of the one-at-a-time generator."""
    source = bench.imagenet(images)
    process = _start("benchmarks.original", source, str(original_images))
    by_decoder: dict[str, float] = _result(process)
    resizes = ", ".join(load_grid("imagenet-original").resizes)
    two = bench.grid(
        "pillow-and-opencv", "[pillow, opencv]", f"[{resizes}]", geometry="squash256-crop224"
    )
    rows = []
    for grid in ("imagenet-original", two):
        run = bench.run(source, grid)
        planned = load_grid(grid)
        # Each decoder makes the same number of variants.
        decoders = planned.decoders
        original = len(decoders) / sum(1 / by_decoder[name] for name in decoders)
        rate = len(planned.variants) * run.images / run.seconds
        rows.append(
            {
                **_row(run),
                "variants_per_second": rate,
                "original_variants_per_second": original,
                "original_by_decoder": {name: by_decoder[name] for name in decoders},
                "ratio": rate / original,
            }
        )
    return rows


def growth(bench: Bench, images: int) -> Iterator[Row]:
    """Cost as the grid, the number of equal decoders, the shards and the images grow."""
    source = bench.imagenet(images)
    one = bench.grid("one-variant", "[pillow]")
    for grid, variants in ((one, 1), ("imagenet-one-factor", 17), ("imagenet-full", 132)):
        yield {"what": "variants", "value": variants, **_row(bench.run(source, grid))}
    resizes = "[pillow-bilinear, pillow-bicubic, pillow-lanczos, opencv-area, opencv-lanczos4]"
    decoders = ["pillow", "opencv", "simplejpeg"]
    for count in (1, 2, 3):
        grid = bench.grid(f"equal-decoders-{count}", f"[{', '.join(decoders[:count])}]", resizes)
        yield {"what": "equal decoders", "value": count, **_row(bench.run(source, grid))}
    for samples in (16, 64, 256):
        run = bench.run(source, "imagenet-one-factor", samples_per_shard=samples)
        yield {"what": "samples per shard", "value": samples, **_row(run)}
    for scale in (1, 2, 4):
        run = bench.run(bench.scaled(max(1, images // 8), scale), "imagenet-one-factor")
        yield {"what": "image scale", "value": scale, **_row(run)}


def memory(bench: Bench, sizes: Sizes) -> Iterator[Row]:
    """Peak memory over more and more images, for both formats."""
    jobs = [
        (bench.imagenet(sizes.few), "imagenet-one-factor"),
        (bench.imagenet(sizes.many), "imagenet-one-factor"),
        (bench.coco(sizes.few_coco), "coco-one-factor"),
        (bench.coco(sizes.many_coco), "coco-one-factor"),
        (bench.imagenet(sizes.full), "imagenet-full"),
        (bench.coco(sizes.full_coco), "coco-full"),
    ]
    for shard_format in ("webdataset", "parquet"):
        for source, grid in jobs:
            yield _row(bench.run(source, grid, shard_format=shard_format))


def start_up(bench: Bench) -> Row:
    """The command on one image and one variant; the median of five runs."""
    grid = bench.grid("start-up", "[pillow]")
    runs = [bench.run(bench.imagenet(1), grid) for _ in range(5)]
    return _row(sorted(runs, key=lambda run: run.seconds)[2])


def _row(run: Run) -> Row:
    return dataclasses.asdict(run)

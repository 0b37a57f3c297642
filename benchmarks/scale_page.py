"""The page of what sets cost, from the measurements of :mod:`benchmarks.scale`."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.report import table
from sysnoise import load_grid
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.generation.estimate import SET_FILES
from sysnoise.pipelines.planning.plan import SAMPLES_PER_SHARD

Results = Mapping[str, Any]

SHARD_FILES = 2
"""Number of files of a shard besides those of the variants: receipt and samples."""

WORKERS = (2, 64, 1000)

CPU_HOUR, TB_MONTH, MILLION_WRITES = 0.04, 23.0, 5.0
"""Assumed prices of the example, in dollars."""


@dataclass(frozen=True)
class Dataset:
    """A published set of images that a grid is made of.

    Attributes:
        name: name of the dataset, with its split.
        kind: ``imagenet`` or ``coco``.
        images: number of images.
        grids: names of the grids that are shipped for it.
    """

    name: str
    kind: str
    images: int
    grids: tuple[str, ...]


DATASETS = (
    Dataset(
        "ImageNet val",
        "imagenet",
        50_000,
        ("imagenet-full", "imagenet-one-factor", "imagenet-original"),
    ),
    Dataset("ImageNet train", "imagenet", 1_281_167, ("imagenet-train", "imagenet-full")),
    Dataset("COCO val2017", "coco", 5_000, ("coco-full", "coco-one-factor", "coco-published")),
    Dataset("COCO train2017", "coco", 118_287, ("coco-one-factor", "coco-full")),
)


@dataclass(frozen=True)
class Cost:
    """The cost of one set.

    Attributes:
        shards: number of shards.
        files: number of files.
        terabytes: storage of shards with PNG, in 10**12 bytes.
        cpu_hours: CPU time of the workers.
        wall_seconds: elapsed time by number of workers.
        dollars: price of computing, writing and a month's storage at the assumed prices.
    """

    shards: int
    files: int
    terabytes: float
    cpu_hours: float
    wall_seconds: Mapping[int, float]
    dollars: float


def format_page(results: Results) -> str:
    """Return the page as Markdown."""
    machine = results["machine"]
    imagenet_files, coco_files = SET_FILES.values()
    where = f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}"
    return f"""# Scale

The cost of a set, from one machine to a thousand workers. `make bench-scale` writes this page and
[its measurements](bench/scale.json).

{textwrap.fill(f"Measured on {where}. {results.get('note', '')}", 100)}

Processor time is that of all processes of the command, without the {_start_up(results):.1f} s of
start-up, on {_measured_images(results)} images: seeded crops of shipped photographs, about
400 x 320 pixels, and for COCO whole ones. Larger originals take longer; the
first images of a worker, which also take longer, have more weight here than in a long run.

## One image on one worker

The images are PNG in WebDataset shards. The last column is how much one worker writes: a thousand
workers write a thousand times as much, and are slowed down by a store that accepts less.
{_images_table(results)}
Other image formats, as multiples of PNG, measured on the one-factor grids:
{_formats_table(results)}
## One set

A shard holds 256 images of ImageNet or 16 of COCO. Beam distributes the shards before it starts:

    wall = start-up + planning + ceil(shards / workers) x images per shard x time per image
         + finishing
    files = shards x (variants + {SHARD_FILES}) + {imagenet_files}, or + {coco_files} for COCO

The files are those of one shard format. The times are lower bounds: they take processor time as
elapsed time, as if storage were always fast enough. More workers than shards do not help. Storage
is that of PNG, in 10^12 bytes.
{_sets_table(results)}
## Cost

    cost = CPU-hours x price per CPU-hour
         + storage in TB x months x price per TB and month
         + files / 10^6 x price per million writes

The last column above assumes {CPU_HOUR:.2f} dollars per CPU-hour, {TB_MONTH:.0f} dollars per TB and
month, for one month, and {MILLION_WRITES:.0f} dollars per million writes. Reading the set is not
included.

## Planning and finishing

Each was run in a process of its own, on made-up data: empty image files, annotations as many and as
long as COCO's, and receipts and tables of samples of all shards. Memory is the peak of the
process, of which {results["start_up"]["driver_mib"]:.0f} MiB are the libraries.
{_stages_table(results)}
Planning COCO also takes temporary files, in the folder of `TMPDIR`, of up to twice the length of
the annotations.

On an object store, finishing also waits for two files per shard, of which 16 are read at a time.
"""


def _start_up(results: Results) -> float:
    return float(results["start_up"]["cpu_seconds"])


def _measured_images(results: Results) -> str:
    counts = dict.fromkeys(row["images"] for row in results["generated"])
    return " or ".join(map(str, counts))


def _measured(results: Results, grid: str, image_format: str = "png") -> Mapping[str, Any]:
    row: Mapping[str, Any] = next(
        row
        for row in results["generated"]
        if (row["grid"], row["image_format"]) == (grid, image_format)
    )
    return row


def _seconds_an_image(results: Results, grid: str, image_format: str = "png") -> float:
    row = _measured(results, grid, image_format)
    return float((row["cpu_seconds"] - _start_up(results)) / row["images"])


def _bytes_an_image(results: Results, grid: str, image_format: str = "png") -> float:
    row = _measured(results, grid, image_format)
    return float(row["shard_bytes"] / row["images"])


def _images_table(results: Results) -> str:
    grids = dict.fromkeys(grid for dataset in DATASETS for grid in dataset.grids)
    rows = []
    for grid in grids:
        seconds, size = _seconds_an_image(results, grid), _bytes_an_image(results, grid)
        rows.append(
            (
                f"`{grid}`",
                len(load_grid(grid).variants),
                f"{1000 * seconds:.0f} ms",
                f"{size / 1e6:.1f} MB",
                f"{size / 1e6 / seconds:.0f} MB/s",
            )
        )
    return table(("grid", "variants", "processor time", "storage", "written"), rows)


def _formats_table(results: Results) -> str:
    rows = []
    for image_format in dict.fromkeys(row["image_format"] for row in results["generated"]):
        cells = [f"`{image_format}`"]
        for grid in ("imagenet-one-factor", "coco-one-factor"):
            for measure in (_bytes_an_image, _seconds_an_image):
                ratio = measure(results, grid, image_format) / measure(results, grid)
                cells.append(f"{ratio:.2f}")
        rows.append(cells)
    header = ("format", "ImageNet: storage", "processor time", "COCO: storage", "processor time")
    return table(header, rows)


def _sets_table(results: Results) -> str:
    rows = []
    for dataset in DATASETS:
        for grid in dataset.grids:
            cost = _cost(results, dataset, grid)
            rows.append(
                (
                    f"{dataset.name}, {dataset.images:,} images",
                    f"`{grid}`",
                    f"{cost.shards:,}",
                    f"{cost.files:,}",
                    f"{cost.terabytes:.3g} TB",
                    f"{cost.cpu_hours:,.1f}",
                    *(_duration(cost.wall_seconds[workers]) for workers in WORKERS),
                    f"{cost.dollars:,.2f}",
                )
            )
    walls = (f"{workers:,} workers" for workers in WORKERS)
    return table(
        ("set", "grid", "shards", "files", "storage", "CPU-hours", *walls, "dollars"), rows
    )


def _cost(results: Results, dataset: Dataset, grid: str) -> Cost:
    per_shard = SAMPLES_PER_SHARD[DatasetKind(dataset.kind)]
    shards = math.ceil(dataset.images / per_shard)
    files = (
        shards * (len(load_grid(grid).variants) + SHARD_FILES)
        + SET_FILES[DatasetKind(dataset.kind)]
    )
    seconds = _seconds_an_image(results, grid)
    terabytes = dataset.images * _bytes_an_image(results, grid) / 1e12
    cpu_hours = dataset.images * seconds / 3600
    serial = _start_up(results) + _serial_seconds(results, dataset, grid)
    walls = {n: serial + math.ceil(shards / n) * per_shard * seconds for n in WORKERS}
    dollars = cpu_hours * CPU_HOUR + terabytes * TB_MONTH + files / 1e6 * MILLION_WRITES
    return Cost(shards, files, terabytes, cpu_hours, walls, dollars)


def _serial_seconds(results: Results, dataset: Dataset, grid: str) -> float:
    """Planning and finishing, in proportion to the largest measured set that is most like it."""
    rows = [row for row in results["planned"] if row["grid"].startswith(dataset.kind)]
    like = [row for row in rows if row["grid"] == grid] or rows
    row = max(like, key=lambda row: row["images"])
    seconds = row["plan"]["cpu_seconds"] + row["finish"]["cpu_seconds"]
    return float(seconds * dataset.images / row["images"])


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.0f} h"


def _stages_table(results: Results) -> str:
    rows = []
    for row in results["planned"]:
        cells = [f"`{row['grid']}`", f"{row['images']:,}", f"{row['shards']:,}"]
        for stage in ("plan", "finish"):
            took = row[stage]
            cells += [
                f"{took['seconds']:.1f} s",
                f"{took['cpu_seconds']:.1f} s",
                f"{took['peak_mib']:.0f} MiB",
            ]
        rows.append(cells)
    stages = (
        f"{stage}: {what}"
        for stage in ("planning", "finishing")
        for what in ("wall", "processor", "memory")
    )
    return table(("grid", "images", "shards", *stages), rows)

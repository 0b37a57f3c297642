"""What sets of millions of images cost: ``python -m benchmarks.scale --output FOLDER``.

Plans and finishes made-up datasets (:mod:`benchmarks.made_up`) of several sizes, and generates
small sets of every shipped grid for its cost per image. Writes ``scale.json`` and ``scale.md``.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.arguments import parse_arguments
from benchmarks.command import Source
from benchmarks.machine import describe_machine
from benchmarks.measure import Bench, start_up
from benchmarks.scale_page import format_page
from sysnoise.manifests.layout import PLAN
from sysnoise.pipelines.cli.photographs import write_coco

Row = dict[str, Any]

TRAIN = (("imagenet", 1_281_167), ("coco", 118_287))
GRIDS = {"imagenet": ("imagenet-train", "imagenet-full"), "coco": ("coco-one-factor",)}
"""Grids that are planned and finished, by kind of dataset."""

IMAGE_FORMATS = ("png", "jxl", "webp", "npy")


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        divisors: the numbers of images of :data:`TRAIN` are divided by each of these.
        imagenet: number of images of the generated sets of ImageNet.
        coco: number of images of those of COCO; 0 for the whole shipped photographs.
    """

    divisors: tuple[int, ...]
    imagenet: int
    coco: int


SIZES = {"full": Sizes((16, 4, 1), 128, 0), "smoke": Sizes((1200, 600), 2, 1)}


def main() -> None:
    """Measure, and write ``scale.json`` and ``scale.md``."""
    arguments = parse_arguments("python -m benchmarks.scale", __doc__, SIZES)
    sizes = SIZES[arguments.sizes]
    with tempfile.TemporaryDirectory(dir=arguments.output) as work:
        bench = Bench(Path(work))
        results = {
            "machine": describe_machine(),
            "start_up": start_up(bench),
            "generated": list(generated(bench, sizes)),
            "planned": list(planned(Path(work), sizes)),
        }
    page = format_page(results)
    (arguments.output / "scale.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (arguments.output / "scale.md").write_text(page, "utf-8")
    print(page)


def generated(bench: Bench, sizes: Sizes) -> Iterator[Row]:
    """One worker's cost of every shipped grid, and of every image format in the small ones."""
    imagenet, coco = bench.imagenet(sizes.imagenet), bench.coco(sizes.coco)
    if not sizes.coco:
        coco = _photographs(bench.work / "photographs")
    for grid in ("imagenet-full", "imagenet-original", "imagenet-train"):
        yield dataclasses.asdict(bench.run(imagenet, grid))
    for grid in ("coco-full", "coco-published"):
        yield dataclasses.asdict(bench.run(coco, grid))
    for image_format in IMAGE_FORMATS:
        for source, grid in ((imagenet, "imagenet-one-factor"), (coco, "coco-one-factor")):
            yield dataclasses.asdict(bench.run(source, grid, image_format=image_format))


def _photographs(folder: Path) -> Source:
    write_coco(folder)
    return Source("coco", folder, len(list((folder / "images").iterdir())))


def planned(work: Path, sizes: Sizes) -> Iterator[Row]:
    """Seconds and peak memory of planning and of finishing, each in a process of its own."""
    for kind, train in TRAIN:
        for divisor in sizes.divisors:
            source = work / f"made-up-{kind}"
            _run("benchmarks.made_up", kind, source, train // divisor)
            for grid in GRIDS[kind]:
                yield _plan_and_finish(kind, source, grid, train // divisor)
            shutil.rmtree(source)


def _plan_and_finish(kind: str, source: Path, grid: str, images: int) -> Row:
    output = source / "set"
    plan = json.loads(_run("benchmarks.stages", "plan", kind, source, grid, output))
    _run("benchmarks.made_up", "shards", output)
    finish = json.loads(_run("benchmarks.stages", "finish", output))
    shards = json.loads((output / PLAN).read_text("utf-8"))["shards"]
    for folder in (output, source / "set-few"):
        shutil.rmtree(folder)
    row = {"grid": grid, "images": images, "shards": shards, "plan": plan, "finish": finish}
    print(f"  {row}", file=sys.stderr, flush=True)
    return row


def _run(module: str, *arguments: object) -> str:
    """Run a module in a process of its own and return what it prints."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main()

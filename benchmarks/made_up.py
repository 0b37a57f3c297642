"""Made-up datasets of any size, and shards that were never made: what planning and finishing read.

Names, annotations, receipts and tables of samples are real in form and number; images are empty
files. ``python -m benchmarks.made_up STAGE ARGUMENTS`` runs one function here in a process of its
own.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import posixpath
import random
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sysnoise.manifests.json_documents import json_bytes
from sysnoise.manifests.layout import SOURCES, receipt_path, samples_path
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.cli.photographs import box_rle, jpeg_bytes, photographs
from sysnoise.pipelines.planning.plan import PlanOptions, load_plan, make_plan, write_plan
from sysnoise.pipelines.readers.sources import Source, SourceSet
from sysnoise.pipelines.shards.shard import make_shard
from sysnoise.pipelines.storage.reading import read_file
from sysnoise.pipelines.storage.root import Root, open_output
from sysnoise.pipelines.workers.job import prepare_libraries

CLASSES = 1000
CATEGORIES = 80
OBJECTS_PER_IMAGE = 860_001 / 118_287
"""Mean number of objects per image in COCO's train2017."""

CROWDS = 0.012
"""Share of COCO's objects that are crowds, with run lengths."""

SIZES = ((640, 480), (480, 640), (640, 427), (500, 375))
"""Width and height of made-up COCO images."""

MADE = 8
"""Images of the one shard that is really made."""


def imagenet(folder: Path, images: int) -> None:
    """Make class folders of empty files, named like ImageNet's train images."""
    for label in range(CLASSES):
        wnid = f"n{1_440_764 + 13_579 * label:08d}"
        (folder / "images" / wnid).mkdir(parents=True)
        for number in range(label, images, CLASSES):
            os.mknod(folder / "images" / wnid / f"{wnid}_{number // CLASSES * 7}.JPEG")


def coco(folder: Path, images: int) -> None:
    """Make a folder of empty files and ``instances_train.json``, as long as train2017's."""
    draw = random.Random(0)
    (folder / "images").mkdir(parents=True)
    outlines = [[_outline(draw, size) for _ in range(500)] for size in SIZES]
    crowds = [[_crowd(draw, size) for _ in range(20)] for size in SIZES]
    with (folder / "instances_train.json").open("w", encoding="ascii") as opened:
        opened.write('{"info": {"description": "made up"}, "licenses": [], "images": [')
        for image in range(images):
            record = _image(image)
            os.mknod(folder / "images" / record["file_name"])
            opened.write(", " * bool(image) + json.dumps(record))
        opened.write('], "annotations": [')
        for number in range(round(images * OBJECTS_PER_IMAGE)):
            image = draw.randrange(images)  # Objects are in no order of images.
            shapes = crowds if draw.random() < CROWDS else outlines
            shape = draw.choice(shapes[image % len(SIZES)])
            ids = {"image_id": image, "category_id": number % CATEGORIES, "id": 900_000 + number}
            opened.write(", " * bool(number) + json.dumps({**shape, **ids}))
        categories = [{"id": number, "name": f"thing {number}"} for number in range(CATEGORIES)]
        opened.write(f'], "categories": {json.dumps(categories)}}}')


def _image(number: int) -> dict[str, Any]:
    width, height = SIZES[number % len(SIZES)]
    name = f"{number:012d}.jpg"
    return {
        "license": 3,
        "file_name": name,
        "coco_url": f"http://images.cocodataset.org/train2017/{name}",
        "height": height,
        "width": width,
        "date_captured": "2013-11-14 11:18:45",
        "flickr_url": f"http://farm9.staticflickr.com/8186/{number:010d}_cb17c6e1f2_z.jpg",
        "id": number,
    }


def _outline(draw: random.Random, size: tuple[int, int]) -> dict[str, Any]:
    """Return an object with an outline of some 46 numbers, as COCO's have."""
    box = _box(draw, size)
    points = 3 + int(draw.expovariate(1 / 20))
    outline = [round(box[i % 2] + draw.random() * box[2 + i % 2], 2) for i in range(2 * points)]
    return {"segmentation": [outline], "area": 0.6123 * box[2] * box[3], "iscrowd": 0, "bbox": box}


def _crowd(draw: random.Random, size: tuple[int, int]) -> dict[str, Any]:
    """Return an object with run lengths, two a column of its box."""
    x, y, width, height = map(int, _box(draw, size))
    return {
        "segmentation": box_rle((x, y, width, height), size),
        "area": width * height,
        "iscrowd": 1,
        "bbox": [x, y, width, height],
    }


def _box(draw: random.Random, size: tuple[int, int]) -> list[float]:
    """Return x, y, width and height of a box in the image, to hundredths of pixels."""
    starts = [draw.uniform(0, side / 2) for side in size]
    lengths = [draw.uniform(20, side / 2) for side in size]
    return [round(value, 2) for value in (*starts, *lengths)]


def shards(output_url: str) -> None:
    """Write the receipts, tables of samples and files of all shards of a plan.

    A few samples are really made, from a photograph; all shards repeat them, with made-up digests.
    The shards' files have their length, and no content.
    """
    output = open_output(output_url)
    plan = load_plan(output)
    few = open_output(f"{output_url}-few")
    made = _make_few(plan, output, few)
    table = pq.read_table(few.join(samples_path(made.shard_name(0))))
    receipt = json.loads(read_file(few, receipt_path(made.shard_name(0))))
    for folder in ("receipts", "samples", *(row["path"] for row in receipt["files"])):
        os.makedirs(output.join(posixpath.dirname(folder) or folder), exist_ok=True)
    by_size = functools.cache(functools.partial(_samples, plan, table))
    with pq.ParquetFile(output.join(SOURCES)) as sources:
        for shard in range(plan.shards):
            name, size = plan.shard_name(shard), plan.shard_size(shard)
            files = [_renamed(row, made.shard_name(0), name, size) for row in receipt["files"]]
            for row in files[:-1]:
                with open(output.join(row["path"]), "wb") as opened:
                    opened.truncate(row["bytes"])
            keys = sources.read_row_group(shard, columns=["key"])["key"]
            data = _table_bytes(_with_column(by_size(size), "key", keys))
            files[-1] |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            Path(output.join(samples_path(name))).write_bytes(data)
            held = {"fingerprint": plan.fingerprint, "shard": shard, "samples": size}
            document = {**receipt, **held, "files": files}
            Path(output.join(receipt_path(name))).write_bytes(json_bytes(document))


def _make_few(plan: Plan, output: Root, few: Root) -> Plan:
    """Make one shard of the first samples of a plan, in an output of its own."""
    prepare_libraries()
    with pq.ParquetFile(output.join(SOURCES)) as opened:
        table = opened.read_row_group(0)[:MADE]
    source = SourceSet(plan.kind, plan.split, "", table, plan.classes, plan.coco)
    small = make_plan(source, plan.grid, PlanOptions())
    write_plan(small, source, few)
    make_shard(small, 0, _photograph, lambda shard, rows: None, few, lambda *sample: None)
    return small


def _photograph(source: Source) -> bytes:
    """Return a photograph of the size that the annotations say."""
    image = source.coco_image
    size = (image["width"], image["height"]) if image else (500, 375)
    resized = cv2.resize(photographs()["coffee"], size)
    return jpeg_bytes(np.asarray(resized, np.uint8), "420")


def _samples(plan: Plan, few: pa.Table, size: int) -> pa.Table:
    """Return a table of samples with digests that do not compress, as real ones do not."""
    table = few.take([row % len(few) for row in range(size)])
    for variant in plan.grid.variants:
        digests = [os.urandom(32) for _ in range(size)]
        table = _with_column(table, variant.slug, pa.array(digests, pa.binary(32)))
    sums = [os.urandom(32).hex() for _ in range(size)]
    return _with_column(table, "source_sha256", pa.array(sums))


def _with_column(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def _table_bytes(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def _renamed(row: Mapping[str, Any], old: str, new: str, size: int) -> dict[str, Any]:
    path = row["path"].replace(old, new)
    sha256 = hashlib.sha256(path.encode()).hexdigest()
    return {**row, "path": path, "samples": size, "bytes": row["bytes"] * size, "sha256": sha256}


SOURCE: dict[DatasetKind, Callable[[Path, int], None]] = {
    DatasetKind.IMAGENET: imagenet,
    DatasetKind.COCO: coco,
}


def main(stage: str, place: str, *numbers: str) -> None:
    """Run one stage: a kind of dataset with folder and number of images, or ``shards OUTPUT``."""
    if stage == "shards":
        shards(place)
    else:
        SOURCE[DatasetKind(stage)](Path(place), *map(int, numbers))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Real photographs that packages ship, written in the layouts of ImageNet and COCO.

Used by the demo, the tests and the benchmarks. The photographs come with scikit-image (``chelsea``,
``coffee``, ``rocket``, ``astronaut``) and scikit-learn (``china``, ``flower``), the extra ``demo``.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sysnoise.pipelines.errors import UsageError
from sysnoise.transforms.codecs.raster import open_raster
from sysnoise.transforms.methods import install_line
from sysnoise.transforms.pixels import Pixels

IMAGENET_LABELS = {
    "astronaut": 812,  # space shuttle
    "chelsea": 282,  # tiger cat
    "china": 698,  # palace
    "coffee": 967,  # espresso
    "flower": 985,  # daisy
    "rocket": 657,  # missile
}
"""A fitting class of ImageNet, 0-based in wnid order, for each photograph."""

COCO_CATEGORIES = {1: "person", 9: "boat", 17: "cat", 47: "cup", 50: "spoon", 64: "potted plant"}

COCO_BOXES: dict[str, list[tuple[int, tuple[int, int, int, int]]]] = {
    "astronaut": [(1, (20, 15, 345, 497))],
    "chelsea": [(17, (0, 0, 400, 300))],
    "china": [(9, (330, 205, 230, 85))],
    "coffee": [(47, (170, 15, 235, 290)), (50, (322, 66, 105, 262))],
    "flower": [(64, (168, 85, 278, 275))],
    "rocket": [],
}
"""Hand-made boxes, category id and x, y, width, height; the boats of ``china`` are a crowd."""

SUBSAMPLINGS = {"444": 0, "422": 1, "420": 2}
"""Chroma subsampling by its digits, as Pillow's JPEG writer numbers it."""


def photographs() -> dict[str, Pixels]:
    """Return the shipped photographs by name, in the order of their names.

    Raises:
        UsageError: the extra ``demo`` is not installed.
    """
    try:
        from skimage import data
        from sklearn.datasets import load_sample_image
    except ImportError as error:
        raise UsageError(
            f"the shipped photographs need scikit-image and scikit-learn: {install_line('demo')}"
        ) from error
    return {
        "astronaut": data.astronaut(),
        "chelsea": data.chelsea(),
        "china": np.asarray(load_sample_image("china.jpg")),
        "coffee": data.coffee(),
        "flower": np.asarray(load_sample_image("flower.jpg")),
        "rocket": data.rocket(),
    }


def jpeg_bytes(pixels: Pixels, subsampling: str, quality: int = 90) -> bytes:
    """Encode pixels as JPEG with the chroma subsampling ``444``, ``422`` or ``420``."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    image.save(buffer, "JPEG", quality=quality, subsampling=SUBSAMPLINGS[subsampling])
    return buffer.getvalue()


def seeded_crops(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield names of photographs and JPEGs of random crops of them, about 500 x 375 at most.

    Photograph, crop, chroma subsampling and quality are drawn from the seed, so that any number of
    realistic files of many sizes can be had.

    Raises:
        UsageError: the extra ``demo`` is not installed; at once, not with the first crop.
    """
    return _crops(photographs(), count, random.Random(seed))


def _crops(
    shipped: Mapping[str, Pixels], count: int, generator: random.Random
) -> Iterator[tuple[str, bytes]]:
    for _ in range(count):
        name = generator.choice(list(shipped))
        height, width = shipped[name].shape[:2]
        crop_width = generator.randint(min(260, width), min(500, width))
        crop_height = generator.randint(min(260, height), min(375, height))
        x = generator.randint(0, width - crop_width)
        y = generator.randint(0, height - crop_height)
        crop = shipped[name][y : y + crop_height, x : x + crop_width]
        subsampling = generator.choice(list(SUBSAMPLINGS))
        yield name, jpeg_bytes(crop, subsampling, generator.randint(75, 95))


def write_imagenet(folder: Path, crops: int = 0, seed: int = 0) -> None:
    """Write a flat ImageNet layout, ``images/*.JPEG`` and ``val.txt``.

    Args:
        folder: new folder.
        crops: number of seeded crops; 0 for each photograph in each chroma subsampling.
        seed: seed of the crops.

    Raises:
        UsageError: the extra ``demo`` is not installed; nothing is written then.
    """
    named = seeded_crops(crops, seed) if crops else _each_subsampling()
    lines = []
    (folder / "images").mkdir(parents=True)
    for number, (name, data) in enumerate(named, start=1):
        file = f"{name}_{number:05d}.JPEG"
        (folder / "images" / file).write_bytes(data)
        lines.append(f"{file} {IMAGENET_LABELS[name]}\n")
    (folder / "val.txt").write_text("".join(lines), "utf-8")


def write_coco(folder: Path, crops: int = 0, seed: int = 0) -> None:
    """Write a COCO layout, ``images/*.jpg`` and ``instances_demo.json``.

    Args:
        folder: new folder.
        crops: number of seeded crops, without annotations; 0 for each photograph in each chroma
            subsampling, with hand-made boxes, polygons and a crowd.
        seed: seed of the crops.

    Raises:
        UsageError: the extra ``demo`` is not installed; nothing is written then.
    """
    named = seeded_crops(crops, seed) if crops else _each_subsampling()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    (folder / "images").mkdir(parents=True)
    for image_id, (name, data) in enumerate(named, start=1):
        file = f"{image_id:012d}.jpg"
        (folder / "images" / file).write_bytes(data)
        with open_raster(data) as image:
            width, height = image.size
        images.append({"id": image_id, "file_name": file, "width": width, "height": height})
        for category, box in COCO_BOXES[name] if not crops else []:
            annotation_id = len(annotations) + 1
            annotations.append(_annotation(annotation_id, image_id, category, box, (width, height)))
    document = {
        "info": {"description": "Shipped photographs with hand-made boxes"},
        "licenses": [],
        "categories": [{"id": key, "name": name} for key, name in COCO_CATEGORIES.items()],
        "images": images,
        "annotations": annotations,
    }
    (folder / "instances_demo.json").write_text(json.dumps(document), "utf-8")


def _each_subsampling() -> Iterator[tuple[str, bytes]]:
    """Return names and JPEGs; that the photographs are there is found out at once."""
    shipped = photographs()
    return (
        (name, jpeg_bytes(pixels, subsampling))
        for name, pixels in shipped.items()
        for subsampling in SUBSAMPLINGS
    )


def _annotation(
    annotation_id: int,
    image_id: int,
    category: int,
    box: tuple[int, int, int, int],
    size: tuple[int, int],
) -> dict[str, Any]:
    x, y, width, height = box
    crowd = COCO_CATEGORIES[category] == "boat"
    corners = [x, y, x + width, y, x + width, y + height, x, y + height]
    return {
        "id": annotation_id,
        "image_id": image_id,
        "category_id": category,
        "bbox": list(box),
        "area": width * height,
        "iscrowd": int(crowd),
        "segmentation": box_rle(box, size) if crowd else [corners],
    }


def box_rle(box: tuple[int, int, int, int], size: tuple[int, int]) -> dict[str, Any]:
    """Return a box as COCO's uncompressed run-length encoding: column by column, zeros first."""
    x, y, width, height = box
    image_width, image_height = size
    below = image_height - height
    counts = [x * image_height + y, *[height, below] * (width - 1), height]
    counts.append(image_width * image_height - sum(counts))
    return {"size": [image_height, image_width], "counts": counts}

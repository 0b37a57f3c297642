"""Sets with made-up samples, and predictions that are right and wrong where a test says."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.end_to_end.damage import Rows, edit_json, edit_parquet, reseal, sign

BASELINE = "pillow/pillow-bilinear/rgb"
GRID = """\
decoders: [pillow, opencv, simplejpeg, ffmpeg]
resizes: [pillow-bilinear, pillow-nearest, pillow-bicubic, opencv-nearest, opencv-linear,
    opencv-cubic]
colors: [rgb, nv12-bt601]
geometry: shorter256-crop224
"""

Row = dict[str, Any]


def made_up_set(
    one_image: Path, folder: Path, labels: Sequence[int], same: Mapping[str, str] | None = None
) -> Path:
    """Copy a set of one image and say that it has other samples.

    Args:
        one_image: the set.
        folder: new folder.
        labels: of the samples, whose keys are ``image_00000`` and so on.
        same: variants that have the pixels of another one on every image.
    """
    shutil.copytree(one_image, folder)

    def edit(rows: Rows) -> Rows:
        slugs = [name for name in rows[0] if "__" in name]
        made = []
        for number, label in enumerate(labels):
            digests = {slug: _digest(_origin(slug, same or {}), number) for slug in slugs}
            made.append({**rows[0], "key": key(number), "label": label, **digests})
        return made

    edit_parquet(folder / "samples" / "00000-of-00001.parquet", edit)
    reseal(folder)

    def count(manifest: dict[str, Any]) -> None:
        manifest["counts"]["samples"] = len(labels)
        sign(manifest)

    edit_json(folder / "manifest.json", count)
    return folder


def _origin(slug: str, same: Mapping[str, str]) -> str:
    return same.get(slug.replace("__", "/"), slug).replace("/", "__")


def _digest(slug: str, number: int) -> bytes:
    return hashlib.sha256(f"{slug} {number}".encode()).digest()


def key(number: int) -> str:
    """The key of a made-up sample."""
    return f"image_{number:05d}"


def class_rows(setting: str, labels: Sequence[int], wrong: Collection[int]) -> list[Row]:
    """Predictions that are right but for some images, of which they say the next class."""
    return [
        {"setting": setting, "key": key(number), "class": label + (number in wrong)}
        for number, label in enumerate(labels)
    ]


def write_lines(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def write_perfect_boxes(output: Path, folder: Path) -> Path:
    """Write the objects of a set of COCO as a model's results: those of every variant are right.

    Objects without a box, and those of boxes that no model finds, have no result.
    """
    (path,) = (output / "annotations").glob("*.rescaled.json")
    results = [
        {name: each[name] for name in ("image_id", "category_id", "bbox")} | {"score": 1.0}
        for each in json.loads(path.read_text("utf-8"))["annotations"]
        if "bbox" in each and min(each["bbox"][2:]) >= 0
    ]
    folder.mkdir(exist_ok=True)
    for variant in json.loads((output / "manifest.json").read_text("utf-8"))["variants"]:
        (folder / f"{variant['slug']}.json").write_text(json.dumps(results), "utf-8")
    return folder

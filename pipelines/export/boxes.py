"""Images with boxes: COCO's folders, and those of Ultralytics' YOLO."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from sysnoise.manifests.errors import SetError
from sysnoise.manifests.layout import GROUND_TRUTHS, annotations_path, ground_truths
from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.manifests.stored import StoredSample
from sysnoise.pipelines.export.folders import (
    Folders,
    LinkedFiles,
    damaged,
    refuse_other_images,
    write_samples,
)
from sysnoise.transforms.documents import other_geometries
from sysnoise.transforms.variant_ids import variant_names

IMAGES = "images"
LABELS = "labels"
ANNOTATIONS = "annotations"
DATA = "data.yaml"
"""The file that says to Ultralytics where the images are, and the names of the classes."""
DECIMALS = 9
"""Number of decimals of a box that is a share of the image's sides: a millionth of a pixel."""


def fill_coco(tables: SampleTables, folders: Folders) -> None:
    """Write images, and the ground truth in their pixels, which names them.

    Args:
        tables: the tables of samples of the set.
        folders: the new folder of each variant.

    Raises:
        UsageError: the evaluators do not read such images.
        SetError: a file of the set is missing or damaged.
        OSError: a file cannot be written.
    """
    found = tables.found
    refuse_other_images(found)
    split = found.manifest["dataset"]["split"]
    truths = ground_truths(other_geometries(found.manifest["grid"]))
    rescaled = {
        geometry: name for name, (kind, geometry) in truths.items() if kind == GROUND_TRUTHS[1]
    }
    files = LinkedFiles()
    for variant, folder in folders.items():
        for name in (IMAGES, ANNOTATIONS):
            (folder / name).mkdir()
        truth = rescaled[variant_names(variant)["geometry"]]
        document = found.listed_file(annotations_path(split, truth))
        files.write(folder, f"{ANNOTATIONS}/instances_{split}.json", document)
    write_samples(found, folders, functools.partial(_image_file, found))


def _image_file(found: FinishedSet, sample: StoredSample) -> Iterator[tuple[str, bytes]]:
    yield f"{IMAGES}/{sample.key}.{found.image_format}", sample.image


def fill_yolo(tables: SampleTables, folders: Folders) -> None:
    """Write images, a file of boxes for each, and Ultralytics' ``data.yaml``.

    Args and errors are those of :func:`fill_coco`.
    """
    found = tables.found
    refuse_other_images(found)
    names = category_names(found)
    document = {
        "train": IMAGES,  # Ultralytics demands both, and paths are relative to this file.
        "val": IMAGES,
        "names": dict(enumerate(name for _, name in sorted(names.items()))),
    }
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    for folder in folders.values():
        for name in (IMAGES, LABELS):
            (folder / name).mkdir()
        (folder / DATA).write_text(text, "utf-8")
    classes = {category: place for place, category in enumerate(sorted(names))}
    write_samples(found, folders, functools.partial(_yolo_files, found, classes))


def category_names(found: FinishedSet) -> dict[int, str]:
    """Return the names of the categories by their ids; a nameless one is called by its id.

    Raises:
        SetError: a category has no id.
    """
    categories = found.manifest["dataset"].get("categories", [])
    names: dict[int, str] = {}
    for category in categories:
        number = category.get("id")
        if type(number) is not int:
            raise SetError(f"exporting {found.url!r}: a category of its manifest has no id")
        names[number] = str(category.get("name", f"category {number}"))
    return names


def _yolo_files(
    found: FinishedSet, classes: Mapping[int, int], sample: StoredSample
) -> Iterator[tuple[str, bytes]]:
    try:
        lines = "".join(label_lines(sample.fields, classes))
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        problem = f"its objects cannot be read: {type(error).__name__}: {error}"
        raise damaged(found, sample.key, problem) from error
    yield from _image_file(found, sample)
    yield f"{LABELS}/{sample.key}.txt", lines.encode()


def label_lines(fields: Mapping[str, Any], classes: Mapping[int, int]) -> Iterator[str]:
    """Yield the lines of an image's objects: class, center x and y, width, height, as shares.

    Ultralytics refuses an image of which a box leaves it by more than a hundredth, so that boxes
    are cut off at its edges. Crowds, objects without a box and those without an area are left out.

    Source: https://docs.ultralytics.com/datasets/detect/, "Ultralytics YOLO format".

    Args:
        fields: the stored fields of the sample: its geometry, and its objects in output pixels.
        classes: the number of each class by the id of its category.
    """
    width, height = (fields["geometry"][f"output_{name}"] for name in ("width", "height"))
    for each in fields.get("annotations") or ():
        box = each.get("bbox")
        if box is None or each.get("iscrowd"):
            continue
        x, y, box_width, box_height = map(float, box)
        if not all(map(math.isfinite, (x, y, box_width, box_height))):
            raise ValueError(f"the box {json.dumps(box)} is not finite")
        left, right = max(0.0, x) / width, min(float(width), x + box_width) / width
        top, bottom = max(0.0, y) / height, min(float(height), y + box_height) / height
        shares = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
        if min(shares[2:]) > 0:
            numbers = " ".join(f"{share:.{DECIMALS}f}" for share in shares)
            yield f"{classes[each['category_id']]} {numbers}\n"

"""Folders of images by class, as torchvision's and timm's ``ImageFolder`` read them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence

from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.manifests.stored import StoredSample
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.export.folders import (
    Folders,
    damaged,
    refuse_other_images,
    write_samples,
)

CLASS_MAP = "classes.txt"
"""The names of the class folders in label order, which timm takes as ``--class-map``."""

MOST_CLASSES = 100_000
"""Largest number of classes, each of which is a folder; ImageNet-21k has 21,841."""


def fill_class_folders(tables: SampleTables, folders: Folders) -> None:
    """Write the images of the variants into one folder per class, as they are stored.

    Every class has a folder, also where the set has no image of it: the readers number the sorted
    names, so that only then a folder's number is its label.

    Args:
        tables: the tables of samples of the set.
        folders: the new folder of each variant.

    Raises:
        UsageError: the evaluators do not read such images.
        InputError: the set has samples without a label, or too many classes.
        SetError: a file of the set is missing or damaged.
        OSError: a file cannot be written.
    """
    found = tables.found
    refuse_other_images(found)
    names = class_names(tables)
    for folder in folders.values():
        for name in names:
            (folder / name).mkdir()
        (folder / CLASS_MAP).write_text("".join(f"{name}\n" for name in names), "utf-8")
    write_samples(found, folders, functools.partial(_files, found, names))


def class_names(tables: SampleTables) -> list[str]:
    """Return the names of the class folders, whose order is that of the labels.

    They are wnids where the set knows those of all classes, in ascending order, as ImageNet's are;
    else the labels, with as many digits as the largest.

    Raises:
        InputError: a sample has no label, or one that is too large.
        SetError: a table is missing or damaged.
    """
    found = tables.found
    classes = found.manifest["dataset"].get("classes", [])
    largest = max((_largest_label(tables, shard) for shard in range(found.shards)), default=-1)
    count = max(len(classes), largest + 1)
    if count > MOST_CLASSES:
        raise InputError(f"{found.url!r} has {count} classes, of which {MOST_CLASSES} are exported")
    wnids = [each["wnid"] or "" for each in classes]
    are_wnids = all(re.fullmatch(r"n[0-9]{8}", wnid) for wnid in wnids)
    if len(wnids) == count and are_wnids and wnids == sorted({*wnids}):
        return wnids
    return [f"{label:0{len(str(count - 1))}d}" for label in range(count)]


def _largest_label(tables: SampleTables, shard: int) -> int:
    rows = tables.rows(shard, ["key", "label"])
    without = [row["key"] for row in rows if row["label"] is None or row["label"] < 0]
    if without:
        raise InputError(
            f"{tables.found.url!r} cannot be exported in class folders: the sample {without[0]!r} "
            "has no label"
        )
    return max((row["label"] for row in rows), default=-1)


def _files(
    found: FinishedSet, names: Sequence[str], sample: StoredSample
) -> Iterator[tuple[str, bytes]]:
    label = sample.fields.get("label")
    if type(label) is not int or not 0 <= label < len(names):
        raise damaged(found, sample.key, f"its label is {label!r}, not one of {len(names)}")
    yield f"{names[label]}/{sample.key}.{found.image_format}", sample.image

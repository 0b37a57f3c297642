"""ImageNet's label files and class lists, and the check of their numbering."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sysnoise.manifests.plan import ClassInfo
from sysnoise.pipelines.errors import InputError, lines_of
from sysnoise.pipelines.storage.reading import read_text

WNID = re.compile(r"n\d{8}")
"""A WordNet id, by which ImageNet names its classes."""

CLASS_COUNT = 1000

KNOWN_LABELS = {
    "ILSVRC2012_val_00000001": 65,
    "ILSVRC2012_val_00000002": 970,
    "ILSVRC2012_val_00000003": 230,
    "ILSVRC2012_val_00000004": 809,
    "ILSVRC2012_val_00000005": 516,
}
"""Labels of the first five validation images, 0-based in wnid order."""

NOT_WNID_ORDER = (
    "labels must be 0-based in wnid order (0 to 999, as torchvision, timm and Hugging Face use); "
    "the devkit's ILSVRC2012_ID counts 1 to 1000 in another order. Map the ids through the "
    "devkit's meta.mat, or use a val.txt in wnid order"
)


def read_label_file(url: str) -> dict[str, int]:
    """Read lines of ``filename label`` into labels by file name.

    Raises:
        InputError: the file cannot be read or is empty, a line is malformed, or a name has two
            labels.
    """
    labels: dict[str, int] = {}
    problems: list[str] = []
    for number, line in enumerate(read_text(url, "label file").splitlines(), start=1):
        if not line.strip():
            continue
        parts = line.strip().rsplit(None, 1)
        if len(parts) != 2 or not re.fullmatch(r"-?\d{1,18}", parts[1]):
            problems.append(f"line {number}: expected 'filename label', found {line!r}")
        elif labels.setdefault(parts[0], int(parts[1])) != int(parts[1]):
            problems.append(f"line {number}: {parts[0]!r} has another label on an earlier line")
    if problems:
        raise InputError(f"the label file {url!r} is malformed:\n{lines_of(problems)}")
    if not labels:
        raise InputError(f"the label file {url!r} is empty")
    return labels


def read_kaggle_solution(url: str, classes: Sequence[ClassInfo]) -> dict[str, int]:
    """Read Kaggle's ``LOC_val_solution.csv`` into labels by image id (file stem).

    Args:
        url: path or fsspec URL of the file. It has the columns ``ImageId`` and
            ``PredictionString``; the latter starts with the wnid of the image.
        classes: the classes of ``LOC_synset_mapping.txt``, in wnid order.

    Raises:
        InputError: the file cannot be read, is malformed, or has a wnid that is not in the classes.
    """
    index = {info.wnid: label for label, info in enumerate(classes)}
    labels: dict[str, int] = {}
    problems: list[str] = []
    for number, row in enumerate(_csv_rows(url), start=2):
        wnid = next(iter((row.get("PredictionString") or "").split()), "")
        if not row.get("ImageId") or wnid not in index:
            problems.append(f"line {number}: expected ImageId and a known wnid, found {wnid!r}")
        elif labels.setdefault(row["ImageId"], index[wnid]) != index[wnid]:
            problems.append(
                f"line {number}: {row['ImageId']!r} has another wnid on an earlier line"
            )
    if problems:
        raise InputError(f"the label file {url!r} is malformed:\n{lines_of(problems)}")
    return labels


def _csv_rows(url: str) -> Iterator[dict[str, Any]]:
    try:
        yield from csv.DictReader(io.StringIO(read_text(url, "label file")))
    except csv.Error as error:
        raise InputError(f"the label file {url!r} is not CSV: {error}") from error


def read_classes(url: str) -> tuple[ClassInfo, ...]:
    """Read a class list: one line per class, in label order, ``wnid name``, or either alone.

    Raises:
        InputError: the file cannot be read or is empty, or its wnids are not in ascending order.
    """
    classes = []
    for line in read_text(url, "class list").splitlines():
        first, _, rest = line.strip().partition(" ")
        if WNID.fullmatch(first):
            classes.append(ClassInfo(first, rest.strip() or None))
        elif line.strip():
            classes.append(ClassInfo(None, line.strip()))
    if not classes:
        raise InputError(f"the class list {url!r} is empty")
    wnids = [info.wnid for info in classes if info.wnid]
    if wnids != sorted(set(wnids)):
        raise InputError(f"the class list {url!r} is not in ascending wnid order; {NOT_WNID_ORDER}")
    return tuple(classes)


def check_labels(
    names_and_labels: Iterable[tuple[str, int]], classes: Sequence[ClassInfo]
) -> tuple[str, ...]:
    """Refuse labels that are not 0-based in wnid order, as far as this can be determined.

    Args:
        names_and_labels: source name (or image id) and label of each image.
        classes: the class list, or none.

    Returns:
        Warnings: one if the order cannot be determined.

    Raises:
        InputError: labels are in the devkit's numbering, or are not in the range of the classes.
    """
    count = len(classes) or CLASS_COUNT
    devkit, outside, wrong, known = [], [], [], 0
    for name, label in names_and_labels:
        match = re.search(r"ILSVRC2012_val_0000000[1-5]", name)
        if match:
            known += 1
            if label != KNOWN_LABELS[match[0]]:
                wrong.append(f"{name}: expected {KNOWN_LABELS[match[0]]}, found {label}")
        if label == CLASS_COUNT == count:
            devkit.append(f"{name}: {label}")
        elif not 0 <= label < count:
            outside.append(f"{name}: {label}")
    if wrong:
        raise InputError(f"{NOT_WNID_ORDER}:\n{lines_of(wrong)}")
    if devkit:
        raise InputError(f"{len(devkit)} label(s) are 1000; {NOT_WNID_ORDER}:\n{lines_of(devkit)}")
    if outside:
        raise InputError(
            f"{len(outside)} label(s) are not in 0 to {count - 1}, the range of the "
            f"{'class list' if classes else '1,000 classes'}:\n{lines_of(outside)}"
        )
    if known:
        return ()
    return (
        "cannot tell whether the labels are 0-based in wnid order, since none of "
        "ILSVRC2012_val_00000001 to 5 is among the images; check that label 0 is n01440764, tench",
    )

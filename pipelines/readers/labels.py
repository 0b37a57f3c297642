"""ImageNet's label files, matched with images, and the check of the labels' numbering."""

from __future__ import annotations

import csv
import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sysnoise.manifests.imagenet_classes import CLASS_COUNT, devkit_wnids
from sysnoise.manifests.plan import ClassInfo
from sysnoise.pipelines.errors import InputError, lines_of
from sysnoise.pipelines.readers.classes import NUMBER, WNID
from sysnoise.pipelines.readers.image_names import match_names
from sysnoise.pipelines.storage.listing import IMAGE_EXTENSIONS
from sysnoise.pipelines.storage.reading import read_text

KNOWN_LABELS = {
    "ILSVRC2012_val_00000001": (65, "n01751748"),
    "ILSVRC2012_val_00000002": (970, "n09193705"),
    "ILSVRC2012_val_00000003": (230, "n02105855"),
    "ILSVRC2012_val_00000004": (809, "n04263257"),
    "ILSVRC2012_val_00000005": (516, "n03125729"),
}
"""Labels of the first five validation images, 0-based in wnid order, and their wnids."""

_KNOWN = re.compile(r"ILSVRC2012_val_0000000[1-5]")

NOT_WNID_ORDER = (
    "labels must be 0-based in wnid order (0 to 999, as torchvision, timm and Hugging Face use); "
    "the devkit's ILSVRC2012_ID counts 1 to 1000 in another order. Give the devkit's own "
    "ILSVRC2012_validation_ground_truth.txt, whose numbers are mapped, map them through its "
    "meta.mat, or use a val.txt in wnid order"
)

GROUND_TRUTH = "ground_truth"
"""What the names of the devkit's lists of labels end with, before the extension."""

NAME_COLUMNS = {"filename", "file_name", "file", "image", "imageid", "image_id", "path", "name"}
LABEL_COLUMNS = {"label", "class", "classid", "class_id", "target", "wnid", "synset", "category"}
PREDICTION_COLUMN = "predictionstring"
"""Titles of the columns of CSV files, in lower case; Kaggle's last one starts with the wnid."""


@dataclass(frozen=True)
class LabelLines:
    """The lines of a label file.

    Attributes:
        classes: the class of each line: a number, wnid or name.
        names: the image of each line; None where the lines follow the numbers of the images.
    """

    classes: list[str]
    names: list[str] | None


def label_images(names: Sequence[str], url: str, root: str = "") -> list[str]:
    """Return the class of each image, as a label file says it.

    Args:
        names: paths of the images.
        url: path or fsspec URL of the label file: see :func:`read_label_file`.
        root: path or fsspec URL that they are below; its own folders may be part of labels' names.

    Raises:
        InputError: the file cannot be read or is malformed, or images and labels do not match.
    """
    lines = read_label_file(url)
    places = f"{root!r} and {url!r}"
    if lines.names is None:
        return _label_by_number(names, lines.classes, places)
    return _label_by_name(names, lines, lines.names, root, places)


def read_label_file(url: str) -> LabelLines:
    """Read a label file.

    It has lines of ``filename class`` with spaces, tabs or commas between the columns, with or
    without a header that names the columns; or, as the devkit's
    ``ILSVRC2012_validation_ground_truth.txt``, one class for each number of an image. A class is a
    number or a wnid.

    Raises:
        InputError: the file cannot be read or is empty, a line is malformed, or a name has two
            classes.
    """
    rows = _read_rows(url)
    if not rows:
        raise InputError(f"the label file {url!r} is empty")
    if all(len(row) == 1 for _, row in rows):
        classes = [row[0] for _, row in rows]
        _refuse_other_lines(url, rows, 1, "'filename label' or a class alone")
        return LabelLines(_mapped_classes(classes, url), None)
    _refuse_other_lines(url, rows, 2, "'filename label'")
    first: dict[str, str] = {}
    problems = [
        f"line {number}: {row[0]!r} has another label on an earlier line"
        for number, row in rows
        if first.setdefault(row[0], row[1]) != row[1]
    ]
    _refuse(url, problems)
    return LabelLines(list(first.values()), list(first))


def _refuse_other_lines(
    url: str, rows: Sequence[tuple[int, list[str]]], columns: int, expected: str
) -> None:
    """Refuse lines that have fewer columns, no name, or a last one that is no class."""
    _refuse(
        url,
        [
            f"line {number}: expected {expected}, found {' '.join(row)!r}"
            for number, row in rows
            if len(row) < columns or not row[0] or not _is_class(row[columns - 1])
        ],
    )


def _is_class(text: str) -> bool:
    return bool(NUMBER.fullmatch(text) or WNID.fullmatch(text))


def _refuse(url: str, problems: Sequence[str]) -> None:
    if problems:
        raise InputError(f"the label file {url!r} is malformed:\n{lines_of(problems)}")


def _read_rows(url: str) -> list[tuple[int, list[str]]]:
    """Return number and columns of each line that is not blank: name and class, or class alone."""
    text = read_text(url, "label file")
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    lines = [(number, line) for number, line in lines if line]
    delimiter = _delimiter(url, lines[0][1]) if lines else None
    if delimiter is None:
        return [(number, line.rsplit(None, 1)) for number, line in lines]
    try:
        table = csv.reader((line for _, line in lines), delimiter=delimiter)
        rows = [
            (number, [column.strip() for column in row])
            for (number, _), row in zip(lines, table, strict=False)
        ]
    except csv.Error as error:
        raise InputError(f"the label file {url!r} is not CSV: {error}") from error
    return _chosen_columns(url, rows)


def _delimiter(url: str, line: str) -> str | None:
    """Return the delimiter of the columns; None for white space."""
    if url.partition("::")[0].lower().endswith(".csv"):
        return ","
    if "\t" in line:
        return "\t"
    return "," if "," in line and len(line.split()) == 1 else None


def _chosen_columns(url: str, rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Return the columns of names and classes: those that a header names, or the first two."""
    titles = [column.lower() for column in rows[0][1]]
    if any(_is_class(column) for column in rows[0][1]):
        return [(number, row[:2]) for number, row in rows]
    names = [i for i, title in enumerate(titles) if title in NAME_COLUMNS]
    labels = [i for i, title in enumerate(titles) if title in {*LABEL_COLUMNS, PREDICTION_COLUMN}]
    if not names or not labels:
        raise InputError(
            f"the label file {url!r}: expected a header with one of "
            f"{', '.join(sorted(NAME_COLUMNS))} and one of {', '.join(sorted(LABEL_COLUMNS))}, "
            f"found {', '.join(map(repr, titles))}"
        )
    found = [(n, _column(row, names[0]), _column(row, labels[0])) for n, row in rows[1:]]
    if titles[labels[0]] == PREDICTION_COLUMN:
        found = [(number, name, (text.split() or [""])[0]) for number, name, text in found]
    return [(number, [name, text]) for number, name, text in found]


def _column(row: Sequence[str], place: int) -> str:
    return row[place] if place < len(row) else ""


def _mapped_classes(classes: list[str], url: str) -> list[str]:
    """Map the devkit's numbers to wnids; leave labels in wnid order and wnids as they are.

    Raises:
        InputError: numbers that may be either.
    """
    numbers = [int(each) for each in classes if NUMBER.fullmatch(each)]
    stem, _ = posixpath.splitext(posixpath.basename(url.partition("::")[0]))
    if not numbers or min(numbers) <= 0:
        return classes
    if not stem.endswith(GROUND_TRUTH) and max(numbers) != CLASS_COUNT:
        raise InputError(
            f"the label file {url!r} has numbers without names, from {min(numbers)} to "
            f"{max(numbers)}: the devkit's list of 1 to 1000 is called *_{GROUND_TRUTH}.txt; in "
            "wnid order, write 'filename label'"
        )
    wnids = devkit_wnids()
    _refuse(
        url,
        [
            f"line {line}: expected the devkit's numbers 1 to {CLASS_COUNT}, found {each!r}"
            for line, each in enumerate(classes, start=1)
            if not NUMBER.fullmatch(each) or not 1 <= int(each) <= CLASS_COUNT
        ],
    )
    return [wnids[int(each) - 1] for each in classes]


def _label_by_number(names: Sequence[str], classes: Sequence[str], places: str) -> list[str]:
    """Return the class of each image by the number in its name, from 1 on."""
    found = [re.search(r"(\d{1,18})(?:_n\d{8})?$", _stem(name)) for name in names]
    numbers = [int(match[1]) if match else 0 for match in found]
    if sorted(numbers) != list(range(1, len(classes) + 1)):
        odd = [
            n for n, number in zip(names, numbers, strict=True) if not 0 < number <= len(classes)
        ]
        raise InputError(
            f"{places} do not match: line 1 is for the image whose name ends in 1, and "
            f"so on; {len(classes)} line(s), {len(names)} image(s)"
            + (f", of which these have no line:\n{lines_of(odd)}" if odd else "")
        )
    return [classes[number - 1] for number in numbers]


def _stem(path: str) -> str:
    return posixpath.splitext(posixpath.basename(path))[0]


def _label_by_name(
    names: Sequence[str], lines: LabelLines, labeled: Sequence[str], root: str, places: str
) -> list[str]:
    """Return the class of each image; every image must have one, and every label an image."""
    paths = list(names)
    if not any(name.lower().endswith(IMAGE_EXTENSIONS) for name in labeled):
        paths = [posixpath.splitext(name)[0] for name in names]
    found = match_names(labeled, paths, root)
    classes: dict[str, str] = {}
    twice = [
        f"{path}: {classes[path]} and {value}"
        for path, value in zip(found.files, lines.classes, strict=True)
        if path and classes.setdefault(path, value) != value
    ]
    unlabeled = [name for name, path in zip(names, paths, strict=True) if path not in classes]
    problems = [
        f"{len(listed)} {what}:\n{lines_of(listed)}"
        for listed, what in (
            (unlabeled, "image(s) without a label"),
            (sorted(found.missing), "label(s) without an image"),
            (found.elsewhere, "label(s) of images in other folders"),
            (found.several, "label(s) that name more than one image"),
            (twice, "image(s) with two labels"),
        )
        if listed
    ]
    if problems:
        raise InputError(f"{places} do not match; " + "\n".join(problems))
    return [classes[path] for path in paths]


def check_labels(
    names_and_labels: Iterable[tuple[str, int]], classes: Sequence[ClassInfo]
) -> tuple[str, ...]:
    """Refuse labels that are not 0-based in wnid order, as far as this can be determined.

    Args:
        names_and_labels: source name (or image id) and label of each image.
        classes: the class list, or none.

    Returns:
        Warnings: one if the order cannot be determined, and no class list of wnids gives it.

    Raises:
        InputError: labels are in the devkit's numbering, or are not in the range of the classes.
    """
    count = len(classes) or CLASS_COUNT
    devkit, outside, wrong, known = [], [], [], 0
    for name, label in names_and_labels:
        match = _KNOWN.search(name) if "ILSVRC2012_val_0" in name else None
        if match:
            expected = _known_label(match[0], classes)
            known += expected is not None
            if expected not in (None, label):
                wrong.append(f"{name}: expected {expected}, found {label}")
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
    if known or (classes and classes[0].wnid is not None):  # The class list has the order.
        return ()
    return (
        "cannot tell whether the labels are 0-based in wnid order, since none of "
        "ILSVRC2012_val_00000001 to 5 is among the images; check that label 0 is n01440764, tench",
    )


def _known_label(image: str, classes: Sequence[ClassInfo]) -> int | str | None:
    """Return the label of a validation image; None where the class list does not tell it.

    It is a text where the class list lacks the image's class.
    """
    label, wnid = KNOWN_LABELS[image]
    places = [place for place, info in enumerate(classes) if info.wnid == wnid]
    if places:
        return places[0]
    if len(classes) in (0, CLASS_COUNT):
        return label
    return f"{wnid}, which the class list lacks" if classes[0].wnid is not None else None

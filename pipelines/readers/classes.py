"""ImageNet's class lists in the forms in which people have them, and the numbers of classes."""

from __future__ import annotations

import ast
import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sysnoise.manifests.imagenet_classes import CLASS_COUNT, imagenet_classes
from sysnoise.manifests.json_documents import TOO_DEEP, DocumentError, is_deep, parse_json
from sysnoise.manifests.plan import ClassInfo
from sysnoise.pipelines.errors import InputError, lines_of
from sysnoise.pipelines.storage.reading import read_text

Classes = tuple[ClassInfo, ...]

WNID = re.compile(r"n\d{8}")
"""A WordNet id, by which ImageNet names its classes."""

NUMBER = re.compile(r"-?\d{1,18}")
"""A label, as texts have it."""

BACKGROUND = ("background", "dummy", "__background__")
"""Names of the class 0 of lists of 1,001 classes, which TensorFlow's first models had."""

READ = (
    "lines of 'wnid name', of wnids or of names; the same with tabs, or commas in a .csv file; "
    "JSON or a Python dictionary of numbers to names, or a list of names"
)
"""What class lists may be, for messages."""


def read_classes(url: str) -> Classes:
    """Read a class list in label order.

    It has lines of ``wnid name``, or either alone, with a space, tab or (in ``.csv``) comma between
    the columns, with or without a first column of numbers and a header; or it is JSON, or the text
    of a Python dictionary: a list of names, or a mapping of numbers to names or to
    ``[wnid, name]``, or of wnids or names to numbers.

    Raises:
        InputError: the file cannot be read, is empty or something else, its numbers are not 0 to
            n - 1, or its wnids are not in ascending order.
    """
    text = read_text(url, "class list")
    try:
        rows = _rows(text, url.lower())
    except ValueError as error:
        raise InputError(f"the class list {url!r}: {error}; class lists are {READ}") from error
    classes = _without_background([_class_info(row) for row in rows])
    if not classes:
        raise InputError(f"the class list {url!r} is empty")
    wnids = [info.wnid for info in classes if info.wnid]
    if wnids != sorted(set(wnids)):
        raise InputError(
            f"the class list {url!r} is not in ascending wnid order, which is that of the labels "
            "(0 to 999, as torchvision, timm and Hugging Face use)"
        )
    return tuple(classes)


def _rows(text: str, name: str) -> list[list[str]]:
    """Return the columns of each class, in label order.

    Raises:
        ValueError: the text is of no form that is known.
    """
    if text.lstrip()[:1] in ("{", "["):
        return _structured_rows(_parse(text))
    rows = _in_order(_lines(text, name))
    first = next((row[0] for row in rows if row[0][:1] in ("{", "[", "#")), None)
    if first is not None:
        raise ValueError(f"expected names of classes, found the line {first!r}")
    return rows


def _parse(text: str) -> Any:
    """Parse JSON or the text of a Python dictionary or list."""
    try:
        return parse_json(text.encode("utf-8", "surrogatepass"))
    except DocumentError as error:
        try:
            document = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise error from None
    if is_deep(document):
        raise ValueError(TOO_DEEP)
    return document


def _structured_rows(document: Any) -> list[list[str]]:
    if isinstance(document, list):
        return [_columns(value) for value in document]
    if not isinstance(document, Mapping) or not document:
        raise ValueError(f"expected names of classes, found {_shown(document)}")
    if all(NUMBER.fullmatch(str(key)) for key in document):
        return _in_order([[str(key), *_columns(value)] for key, value in document.items()])
    if all(type(value) is int for value in document.values()):
        return _in_order([[str(value), str(key)] for key, value in document.items()])
    if all(WNID.fullmatch(str(key)) for key in document):
        return [[str(key), *_columns(value)] for key, value in document.items()]
    key = next(iter(document))
    raise ValueError(f"expected numbers with their classes, found the key {_shown(key)}")


def _columns(value: Any) -> list[str]:
    """Return the wnid and name, or either, of a class in a document."""
    parts = value if isinstance(value, list | tuple) else [value]
    if not parts or not all(isinstance(part, str) and part.strip() for part in parts):
        raise ValueError(f"expected the name of a class, found {_shown(value)}")
    return [part.strip() for part in parts]


def _shown(value: Any) -> str:
    return repr(value)[:80]


def _lines(text: str, name: str) -> list[list[str]]:
    """Return the columns of each line; a line without a tab or comma has one or two."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if name.endswith(".csv") or all("\t" in line for line in lines):
        try:
            table = csv.reader(lines, delimiter="," if name.endswith(".csv") else "\t")
            rows = [[column.strip() for column in row] for row in table]
        except csv.Error as error:
            raise ValueError(str(error)) from error
        return rows[1:] if rows and _is_header(rows[0]) else rows
    numbered = [re.fullmatch(r"(\d{1,5})\s*[:\s]\s*(.+)", line) for line in lines]
    if all(numbered):
        return [[found[1], *_wnid_and_name(found[2])] for found in numbered if found]
    return [_wnid_and_name(line) for line in lines]


def _wnid_and_name(text: str) -> list[str]:
    first, _, rest = text.partition(" ")
    return [part for part in (first, rest.strip()) if part] if WNID.fullmatch(first) else [text]


def _is_header(row: Sequence[str]) -> bool:
    titles = {"wnid", "synset", "class", "name", "label", "index", "id", "class_name", "words"}
    return all(column.lower() in titles for column in row)


def _in_order(rows: list[list[str]]) -> list[list[str]]:
    """Drop the column of numbers, where all rows have one, and order the rows by it."""
    if not rows or not all(len(row) > 1 and NUMBER.fullmatch(row[0]) for row in rows):
        return rows
    numbered = sorted(rows, key=lambda row: int(row[0]))
    numbers = [int(row[0]) for row in numbered]
    if numbers != list(range(len(rows))):
        raise ValueError(
            f"expected the numbers 0 to {len(rows) - 1}, found {numbers[0]} to {numbers[-1]}"
        )
    return [row[1:] for row in numbered]


def _class_info(row: Sequence[str]) -> ClassInfo:
    wnid, rest = (row[0], row[1:]) if WNID.fullmatch(row[0]) else (None, row)
    return ClassInfo(wnid, ", ".join(rest) or None)


def _without_background(classes: list[ClassInfo]) -> list[ClassInfo]:
    """Drop the class 0 of a list of 1,001, which no image has."""
    is_longer = len(classes) == CLASS_COUNT + 1
    if is_longer and classes[0].wnid is None and (classes[0].name or "").lower() in BACKGROUND:
        return classes[1:]
    return classes


def number_classes(
    values: Sequence[str], classes: Classes, place: str
) -> tuple[list[int], Classes, tuple[str, ...]]:
    """Return the label of each image.

    Args:
        values: what a source says of the class of each image: a number, wnid or name.
        classes: the class list that the user gave, or none.
        place: where the values are from, for messages.

    Returns:
        The labels, the classes that they number, and what the user should know of them.

    Raises:
        InputError: a value is no class of the list or, without a list, of ImageNet's.
    """
    distinct = sorted(set(values))
    if all(NUMBER.fullmatch(value) for value in distinct):
        numbers = {value: int(value) for value in distinct}
        return [numbers[value] for value in values], classes, ()
    known = classes or imagenet_classes()
    index = _class_index(known)
    unknown = [value for value in distinct if value not in index]
    if unknown and not classes and _are_thousand_wnids(distinct):
        known = tuple(ClassInfo(wnid, None) for wnid in distinct)
        index, unknown = _class_index(known), []
    if unknown:
        holder = "the class list does not hold" if classes else "are none of ImageNet's 1,000"
        advice = "" if classes else "; give all classes in label order with --classes"
        raise InputError(
            f"{place}: {len(unknown)} class(es) that {holder}{advice}:\n{lines_of(unknown)}"
        )
    return [index[value] for value in values], known, _what_labels_are(len(distinct), classes)


def _are_thousand_wnids(values: Sequence[str]) -> bool:
    """Whether there are 1,000 wnids, so that the place of each in their order is its label."""
    return len(values) == CLASS_COUNT and all(WNID.fullmatch(value) for value in values)


def _class_index(classes: Iterable[ClassInfo]) -> dict[str, int]:
    """Return labels by wnid, by name and by the first of several names, where that is unique."""
    wnids: dict[str, int] = {}
    names = defaultdict[str, set[int]](set)
    for label, info in enumerate(classes):
        if info.wnid:
            wnids[info.wnid] = label
        for name in {info.name, (info.name or "").partition(",")[0]} - {None, ""}:
            names[str(name)].add(label)
    return {**{name: min(found) for name, found in names.items() if len(found) == 1}, **wnids}


def _what_labels_are(count: int, classes: Classes) -> tuple[str, ...]:
    """Say which of two numberings a part of ImageNet's classes has."""
    if classes and len(classes) != CLASS_COUNT:
        return (
            f"the labels are places in the class list of {len(classes)} classes; a model of "
            "ImageNet's 1,000 gives other numbers: without --classes, the labels are those",
        )
    if not classes and count < CLASS_COUNT:
        return (
            f"the images are of {count} of ImageNet's 1,000 classes; the labels are places in the "
            "1,000: for places in a list of your own, give it with --classes",
        )
    return ()

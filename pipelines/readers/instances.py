"""COCO's ``instances_*.json``, read and checked one annotation at a time.

The file of train2017 has 450 MB, and would take ten times as much as Python objects. Only what is
compared is held in memory. The annotations are in no order, so all JSON texts wait in a temporary
file.
"""

from __future__ import annotations

import itertools
import os
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from sysnoise.manifests.json_documents import JsonObject, json_bytes
from sysnoise.pipelines.errors import InputError, lines_of
from sysnoise.pipelines.readers.annotation_file import open_annotations
from sysnoise.pipelines.readers.annotation_kinds import (
    READ,
    foreign_annotations,
    foreign_document,
    foreign_list,
)
from sysnoise.pipelines.readers.coco_records import (
    Record,
    encoded,
    normalized,
    storage_problems,
)
from sysnoise.pipelines.readers.json_stream import members
from sysnoise.transforms.targets import MAX_QUOTED, mask_size, outline_reach

HEADER: tuple[str, ...] = ("info", "licenses", "categories")
"""The members of an instances file that are copied to the annotations of a set."""

HEADER_BYTES = 8 << 20
"""Longest header in bytes, indented; plan and manifest hold it. That of LVIS has 0.5 MB."""

MAX_REACH = 16
"""How far outlines may leave an image, in lengths of its longer side.

pycocotools follows them pixel by pixel, after they were scaled with the image.
"""

NEAR = 10_000
"""Coordinates in pixels up to which outlines are not looked at more closely."""

NO_BOX = (0, 0, 1, 1)
"""A box like any other, in place of one that is missing."""


class JsonTexts:
    """The JSON texts of a list, one after the other in a file that may hold other ones too."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ends = array("q", [file.seek(0, os.SEEK_END)])

    def add(self, text: bytes) -> None:
        """Append a text; no other list is appended to from the first one to the last."""
        self._ends.append(self._ends[-1] + self._file.write(text))

    def read(self, number: int) -> bytes:
        """Return a text; the file must have been flushed, and none can be added any more."""
        start, end = self._ends[number : number + 2]
        os.lseek(self._file.fileno(), start, os.SEEK_SET)  # Windows has no os.pread.
        return os.read(self._file.fileno(), end - start)


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An entry of the list of images: the fields in use."""

    id: int
    name: str
    width: int
    height: int


@dataclass(frozen=True)
class ImageList:
    """The list of images.

    Attributes:
        records: the entries.
        texts: the whole entries as JSON.
    """

    records: Sequence[ImageRecord]
    texts: JsonTexts


@dataclass(frozen=True)
class AnnotationList:
    """The list of annotations.

    Attributes:
        texts: the annotations as JSON.
        ids: id of each annotation.
        images: image id of each annotation.
        categories: category id of each annotation.
        boxes: x, y, width and height of each annotation; :data:`NO_BOX` where it has none.
        masks: height and width of the masks in run-length encoding, by position in the list.
        far: the largest coordinate of outlines beyond :data:`NEAR`, in pixels, by position.
        incomplete: positions of the annotations without ``area`` or ``iscrowd``.
    """

    texts: JsonTexts
    ids: array[int] = field(default_factory=lambda: array("q"))
    images: array[int] = field(default_factory=lambda: array("q"))
    categories: array[int] = field(default_factory=lambda: array("q"))
    boxes: array[float] = field(default_factory=lambda: array("d"))
    masks: dict[int, tuple[int, int]] = field(default_factory=dict)
    far: dict[int, float] = field(default_factory=dict)
    incomplete: list[int] = field(default_factory=list)

    def add(self, record: Mapping[str, Any], text: bytes) -> None:
        """Append an annotation that is well-formed, with its JSON text."""
        position = len(self.ids)
        self.ids.append(record["id"])
        self.images.append(record["image_id"])
        self.categories.append(record["category_id"])
        self.boxes.extend(record.get("bbox", NO_BOX))
        if "area" not in record or "iscrowd" not in record:
            self.incomplete.append(position)
        size = mask_size(record)
        if size:
            self.masks[position] = size
        elif (reach := outline_reach(record)) > NEAR:
            self.far[position] = reach
        self.texts.add(text)


@dataclass(frozen=True)
class Instances:
    """An instances file.

    Attributes:
        header: ``info``, ``licenses`` and ``categories``, where the file has them; the categories
            always.
        images: the list of images.
        annotations: the list of annotations.
    """

    header: JsonObject
    images: ImageList
    annotations: AnnotationList


def read_instances(url: str, file: IO[bytes]) -> Instances:
    """Read an instances file and check that all of it can be stored, verified and scored.

    A file without annotations, or without categories and annotations, is one of images without
    objects.

    Args:
        url: path or fsspec URL.
        file: an empty temporary file for the JSON texts, open as long as they are needed.

    Raises:
        InputError: it cannot be read, is not an instances file, or is malformed; the message has
            every problem with its place.
    """
    problems: list[str] = []
    parts = _read_parts(url, file, problems)
    if not isinstance(parts.get("images"), ImageList):
        raise _not_instances(url, foreign_document(parts) or "no list of images")
    parts = {"annotations": AnnotationList(JsonTexts(file)), "categories": [], **parts}
    header = {name: parts[name] for name in HEADER if name in parts}
    problems += _header_problems(header)
    found = Instances(header, parts["images"], parts["annotations"])
    if not found.images.records and not problems:
        problems.append("it holds no images")
    broken = {re.split(r"[\[:]", problem)[0] for problem in problems}
    problems += _contradictions(found, {"images", "categories"} - broken)
    if problems:
        raise InputError(f"{url!r} is malformed:\n{lines_of(problems)}")
    return found


def _not_instances(url: str, found: str) -> InputError:
    return InputError(f"{url!r} is not a COCO instances file: it holds {found}; {READ}")


def _read_parts(url: str, file: IO[bytes], problems: list[str]) -> dict[str, Any]:
    """Return the members of the document, and add what is wrong with the entries of its lists.

    A list that is null is as if it were not there.
    """
    read: dict[str, Callable[[Iterator[Any]], Any]] = {
        "images": lambda records: _read_images(records, file, problems),
        "annotations": lambda records: _read_annotations(url, records, file, problems),
        "categories": lambda records: [
            each for each, _ in _entries("categories", records, problems)
        ],
    }
    parts: dict[str, Any] = {}
    with open_annotations(url) as opened:
        for name, value in members(opened):
            if name is None:
                raise _not_instances(url, foreign_list(next(value, None)))
            if name in parts:
                problems.append(f"it has {name!r} twice")
            if isinstance(value, Iterator):
                parts[name] = read.get(name, list)(value)
            elif name not in read:
                parts[name] = value
            elif value is not None:
                problems.append(f"{name}: expected a list, found {repr(value)[:MAX_QUOTED]}")
    file.flush()
    return parts


def _read_images(records: Iterator[Any], file: IO[bytes], problems: list[str]) -> ImageList:
    images, texts = [], JsonTexts(file)
    for record, text in _entries("images", records, problems):
        images.append(ImageRecord(*map(record.__getitem__, ("id", "file_name", "width", "height"))))
        texts.add(text)
    return ImageList(images, texts)


def _read_annotations(
    url: str, records: Iterator[Any], file: IO[bytes], problems: list[str]
) -> AnnotationList:
    annotations = AnnotationList(JsonTexts(file))
    start = list(itertools.islice(records, 1))
    foreign = foreign_annotations(start[0]) if start else None
    if foreign:
        raise _not_instances(url, foreign)
    for record, text in _entries("annotations", itertools.chain(start, records), problems):
        annotations.add(record, text)
    return annotations


def _entries(
    part: str, records: Iterable[Any], problems: list[str]
) -> Iterator[tuple[Record, bytes]]:
    """Yield entries that are well-formed, with their texts; add what is wrong with the others."""
    for index, record in enumerate(records):
        if not isinstance(record, dict):
            problems.append(
                f"{part}[{index}]: expected a mapping, found {repr(record)[:MAX_QUOTED]}"
            )
            continue
        entry = normalized(part, record)
        text, found = encoded(part, entry)
        problems += [f"{part}[{index}]: {problem}" for problem in found]
        if not found:
            yield entry, text


def _header_problems(header: JsonObject) -> list[str]:
    """List what plan and manifest cannot hold; the categories were checked one by one."""
    others = {name: value for name, value in header.items() if name != "categories"}
    problems = list(storage_problems(others))
    if not problems and len(json_bytes(header)) > HEADER_BYTES:
        problems.append(f"{', '.join(header)}: together they are longer than {HEADER_BYTES} bytes")
    return problems


def _contradictions(found: Instances, whole: Set[str]) -> Iterator[str]:
    """Yield what entries say of each other that cannot be.

    Args:
        found: the file.
        whole: the lists of which no entry was left out; only what they lack is not listed.
    """
    annotations = found.annotations
    images = {record.id: record for record in found.images.records}
    categories = {each["id"] for each in found.header["categories"]}
    for name, ids in (
        ("image", [record.id for record in found.images.records]),
        ("category", [each["id"] for each in found.header["categories"]]),
        ("annotation", annotations.ids),
    ):
        yield from (f"{name} id {each} is listed twice" for each in _repeated(ids))
    yield from _unfit_segmentations(annotations, images)
    if "images" in whole:
        for number, image_id in zip(annotations.ids, annotations.images, strict=True):
            if image_id not in images:
                yield f"annotation {number} is of image {image_id}, which is not listed"
    if annotations.ids and not categories and "categories" in whole:
        yield "it has annotations, but no categories"
    elif "categories" in whole:
        for number, category in zip(annotations.ids, annotations.categories, strict=True):
            if category not in categories:
                yield f"annotation {number} is of category {category}, which is not listed"


def _unfit_segmentations(
    annotations: AnnotationList, images: Mapping[int, ImageRecord]
) -> Iterator[str]:
    """Yield which masks are of another size than their image, and which outlines leave it too far.

    Args:
        annotations: the annotations; those of other images are left out.
        images: the images by id.
    """
    for number in sorted({*annotations.masks, *annotations.far}):
        image = images.get(annotations.images[number])
        if image is None:
            continue
        size = (image.height, image.width)
        mask = annotations.masks.get(number, size)
        if mask != size:
            yield (
                f"annotation {annotations.ids[number]}: segmentation: expected run lengths of "
                f"{size[0]} x {size[1]} pixels, the height and width of its image, found those of "
                f"{mask[0]} x {mask[1]}"
            )
        reach = annotations.far.get(number, 0.0)
        if reach > max(NEAR, MAX_REACH * max(image.width, image.height)):
            yield (
                f"annotation {annotations.ids[number]}: segmentation: expected outlines within "
                f"{MAX_REACH} times the longer side of the image, found a coordinate of {reach}"
            )


def _repeated(ids: Iterable[int]) -> list[int]:
    """Return the ids that occur more than once."""
    seen: set[int] = set()
    repeated: dict[int, None] = {}
    for each in ids:
        if each in seen:
            repeated[each] = None
        seen.add(each)
    return list(repeated)


def oddities(found: Instances) -> list[str]:
    """Return warnings about annotations that evaluators cannot handle, which stay as they are."""
    annotations = found.annotations
    if not annotations.ids:
        return ["the file has no annotations: the set holds images without objects, not to score"]
    left, top, width, height = np.asarray(annotations.boxes).reshape(-1, 4).T
    sizes = {record.id: (record.width, record.height) for record in found.images.records}
    right, bottom = np.array([sizes[image] for image in annotations.images]).T
    is_inside = (-width < left) & (left < right) & (-height < top) & (top < bottom)
    odd: dict[str, Sequence[int]] = {
        "lack area or iscrowd, without which pycocotools fails": annotations.incomplete,
        "have a box outside of the image": np.flatnonzero(~is_inside).tolist(),
        "have a box without area": np.flatnonzero((width <= 0) | (height <= 0)).tolist(),
    }
    return [
        f"{len(numbers)} annotation(s) {what}; they are kept as they are:\n"
        f"{lines_of([str(annotations.ids[number]) for number in numbers])}"
        for what, numbers in odd.items()
        if numbers
    ]


def image_texts(found: Instances, positions: Iterable[int]) -> Iterator[bytes]:
    """Yield the JSON of the images at some positions of their list."""
    return map(found.images.texts.read, positions)


def annotation_texts(found: Instances, positions: Iterable[int]) -> Iterator[bytes]:
    """Yield a JSON list of the annotations of each of the images at some positions."""
    images, read = np.asarray(found.annotations.images), found.annotations.texts.read
    by_image = np.argsort(images, kind="stable")
    ids = [found.images.records[position].id for position in positions]
    in_order = images[by_image]
    starts, ends = np.searchsorted(in_order, ids), np.searchsorted(in_order, ids, "right")
    for start, end in zip(starts, ends, strict=True):
        yield b"[" + b",".join(map(read, by_image[start:end].tolist())) + b"]"

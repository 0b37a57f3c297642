"""COCO's ``instances_*.json``, read and checked one annotation at a time.

The file of train2017 has 450 MB, and would take ten times as much as Python objects. Only its
images are held in memory; its annotations are in no order, so their JSON texts wait in a temporary
file.
"""

from __future__ import annotations

import json
import os
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import pyarrow as pa

from sysnoise.manifests.json_documents import JsonObject, is_int64
from sysnoise.pipelines.errors import InputError, lines_of
from sysnoise.pipelines.readers.json_stream import members
from sysnoise.pipelines.readers.sources import BATCH_ROWS
from sysnoise.pipelines.storage.reading import open_text
from sysnoise.transforms.targets import annotation_problems

FIELDS: dict[str, dict[str, type]] = {
    "images": {"id": int, "file_name": str, "width": int, "height": int},
    "annotations": {"id": int, "image_id": int, "category_id": int},
    "categories": {"id": int},
}
"""Fields that every image, annotation and category must have; whole numbers are of 64 bits."""

MAX_QUOTED = 80
"""Characters of a value that a message quotes."""

LISTS = ("images", "annotations", "categories")
"""The lists that every instances file must have."""

HEADER: tuple[str, ...] = ("info", "licenses", "categories")
"""The members of an instances file that are copied to the annotations of a set."""


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An entry of the list of images: the fields in use, and the whole entry as JSON text."""

    id: int
    name: str
    width: int
    height: int
    text: str


@dataclass(frozen=True)
class AnnotationList:
    """The list of annotations, as JSON texts in a file.

    Attributes:
        file: the file of the JSON texts, one after the other.
        ends: offset of the end of each text in the file, after a 0.
        ids: id of each annotation.
        categories: category id of each annotation.
        by_image: positions of the annotations of an image in the list, by image id.
    """

    file: IO[bytes]
    ends: array[int] = field(default_factory=lambda: array("q", [0]))
    ids: list[int] = field(default_factory=list)
    categories: list[int] = field(default_factory=list)
    by_image: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, record: Mapping[str, Any]) -> None:
        """Append an annotation."""
        self.by_image[record["image_id"]].append(len(self.ids))
        self.ids.append(record["id"])
        self.categories.append(record["category_id"])
        self.ends.append(self.ends[-1] + self.file.write(_json(record).encode()))

    def text(self, number: int) -> bytes:
        """Return the JSON text of an annotation; the file must have been flushed."""
        start = self.ends[number]
        return os.pread(self.file.fileno(), self.ends[number + 1] - start, start)


@dataclass(frozen=True)
class Instances:
    """An instances file.

    Attributes:
        url: path or fsspec URL of the file.
        header: ``info``, ``licenses`` and ``categories``, where the file has them.
        images: the list of images.
        annotations: the list of annotations.
    """

    url: str
    header: JsonObject
    images: Sequence[ImageRecord]
    annotations: AnnotationList


def read_instances(url: str, file: IO[bytes]) -> Instances:
    """Read an instances file and check that it is whole and does not contradict itself.

    Args:
        url: path or fsspec URL.
        file: an empty temporary file for the annotations, open as long as they are needed.

    Raises:
        InputError: it cannot be read, is not an instances file, or is malformed.
    """
    problems: list[str] = []
    parts = _read_parts(url, file, problems)
    missing = [name for name in LISTS if not isinstance(parts.get(name), list | AnnotationList)]
    if missing:
        raise InputError(
            f"{url!r} is not a COCO instances file: it has no list of {', '.join(missing)}"
        )
    if not parts["images"] and not problems:
        problems.append("it holds no images")
    _refuse(url, "is malformed", problems)
    header = {name: parts[name] for name in HEADER if name in parts}
    _refuse(url, "is malformed", _header_problems(header))
    found = Instances(url, header, parts["images"], parts["annotations"])
    _refuse(url, "contradicts itself", sorted(_contradictions(found)))
    return found


def _read_parts(url: str, file: IO[bytes], problems: list[str]) -> dict[str, Any]:
    """Return the members of the document, and add what is wrong with the entries of its lists."""
    read: dict[str, Callable[[Iterator[Any]], Any]] = {
        "images": lambda records: _read_images(records, problems),
        "annotations": lambda records: _read_annotations(records, file, problems),
        "categories": lambda records: list(_well_formed("categories", records, problems)),
    }
    with open_text(url, "annotations") as opened:
        return {
            name: read.get(name, list)(value) if isinstance(value, Iterator) else value
            for name, value in members(opened)
        }


def _read_images(records: Iterator[Any], problems: list[str]) -> list[ImageRecord]:
    return [
        ImageRecord(each["id"], each["file_name"], each["width"], each["height"], _json(each))
        for each in _well_formed("images", records, problems)
    ]


def _read_annotations(
    records: Iterator[Any], file: IO[bytes], problems: list[str]
) -> AnnotationList:
    file.seek(0)
    annotations = AnnotationList(file)
    for record in _well_formed("annotations", records, problems):
        annotations.add(record)
    file.flush()
    return annotations


def _well_formed(
    part: str, records: Iterator[Any], problems: list[str]
) -> Iterator[Mapping[str, Any]]:
    """Yield the records that have all required fields; add what is wrong with the others."""
    for index, record in enumerate(records):
        found = _field_problems(record, FIELDS[part])
        problems += [f"{part}[{index}]: {problem}" for problem in found]
        if not found:
            yield record


def _field_problems(record: Any, fields: Mapping[str, type]) -> list[str]:
    if not isinstance(record, dict):
        return [f"expected a mapping, found {repr(record)[:MAX_QUOTED]}"]
    return [
        f"{name}: expected {kind.__name__}, found {repr(record.get(name))[:MAX_QUOTED]}"
        for name, kind in fields.items()
        if type(record.get(name)) is not kind or (kind is int and not is_int64(record[name]))
    ]


def _header_problems(header: JsonObject) -> list[str]:
    """List what cannot be written as JSON in UTF-8, such as infinities and halves of pairs."""
    try:
        json.dumps(header, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        return [f"{', '.join(header)}: {error}"]
    return []


def _contradictions(found: Instances) -> Iterator[str]:
    images = [record.id for record in found.images]
    categories = {each["id"] for each in found.header["categories"]}
    for image in found.annotations.by_image.keys() - images:
        yield f"annotation of image {image}, which is not listed"
    for number, category in zip(found.annotations.ids, found.annotations.categories, strict=True):
        if category not in categories:
            yield f"annotation {number} of category {category}, which is not listed"
    for kind, ids in (("image", images), ("annotation", found.annotations.ids)):
        if len(set(ids)) != len(ids):
            yield f"{len(ids) - len(set(ids))} {kind} id(s) are listed twice"


def check_annotations(found: Instances) -> list[str]:
    """Check the fields of all annotations.

    Returns:
        Warnings about annotations that evaluators cannot handle; they are kept as they are.

    Raises:
        InputError: some annotations are malformed.
    """
    problems: list[str] = []
    odd: dict[str, list[str]] = defaultdict(list)
    images = {record.id: record for record in found.images}
    for number, annotation_id in enumerate(found.annotations.ids):
        annotation = json.loads(found.annotations.text(number))
        image = images[annotation["image_id"]]
        wrong = annotation_problems(annotation, image.height, image.width)
        problems += [f"annotation {annotation_id}: {problem}" for problem in wrong]
        for oddity in [] if wrong else _oddities(annotation, image):
            odd[oddity].append(str(annotation_id))
    _refuse(found.url, "is malformed", problems)
    return [
        f"{len(ids)} annotation(s) {what}; they are kept as they are:\n{lines_of(ids)}"
        for what, ids in odd.items()
    ]


def _oddities(annotation: Mapping[str, Any], image: ImageRecord) -> Iterator[str]:
    x, y, width, height = annotation.get("bbox", (0, 0, 1, 1))
    if not {"area", "iscrowd"} <= annotation.keys():
        yield "lack area or iscrowd, without which pycocotools fails"
    if not (-width < x < image.width and -height < y < image.height):
        yield "have a box outside of the image"
    if width <= 0 or height <= 0:
        yield "have a box without area"


def annotations_column(found: Instances, images: Sequence[ImageRecord]) -> pa.ChunkedArray:
    """Return a JSON list of the annotations of each of the given images."""
    chunks = []
    for start in range(0, len(images), BATCH_ROWS):
        texts = [
            _annotations_of(found.annotations, each) for each in images[start : start + BATCH_ROWS]
        ]
        chunks.append(pa.array(texts, pa.string()))
    return pa.chunked_array(chunks, pa.string())


def _annotations_of(annotations: AnnotationList, image: ImageRecord) -> bytes:
    numbers = annotations.by_image.get(image.id, [])
    return b"[" + b",".join(map(annotations.text, numbers)) + b"]"


def _refuse(url: str, what: str, problems: Sequence[str]) -> None:
    if problems:
        raise InputError(f"{url!r} {what}:\n{lines_of(problems)}")


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)

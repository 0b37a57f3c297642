"""COCO's ``instances_*.json``, read and checked one annotation at a time.

That of train2017 has 450 MB, and takes ten times as much as Python objects. Only its images are
held; annotations stand in it in no order, and wait as JSON texts in a temporary file.
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

from sysnoise.manifests.json_documents import JsonObject
from sysnoise.pipelines.errors import InputError, lines_of
from sysnoise.pipelines.readers.json_stream import members
from sysnoise.pipelines.readers.sources import BATCH_ROWS
from sysnoise.pipelines.storage.reading import open_text
from sysnoise.transforms.targets import annotation_problems

FIELDS: dict[str, dict[str, type]] = {
    "images": {"id": int, "file_name": str, "width": int, "height": int},
    "annotations": {"id": int, "image_id": int, "category_id": int},
}
"""Fields that every image and annotation must have."""

LISTS = ("images", "annotations", "categories")
HEADER: tuple[str, ...] = ("info", "licenses", "categories")


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An entry of the list of images: what is needed of it, and all of it as a JSON text."""

    id: int
    name: str
    width: int
    height: int
    text: str


@dataclass(frozen=True)
class AnnotationTexts:
    """The list of annotations.

    Attributes:
        file: of the JSON texts, one after the other.
        ends: where each text ends in the file, after a 0.
        ids, categories: of each annotation.
        by_image: numbers of the annotations of each image id.
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
        """Return a text; the file must have been flushed."""
        start = self.ends[number]
        return os.pread(self.file.fileno(), self.ends[number + 1] - start, start)


@dataclass(frozen=True)
class Instances:
    """An instances file.

    Attributes:
        url: where it is.
        header: ``info``, ``licenses`` and ``categories``, as far as it has them.
        images, objects: its two long lists.
    """

    url: str
    header: JsonObject
    images: Sequence[ImageRecord]
    objects: AnnotationTexts


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
    missing = [name for name in LISTS if not isinstance(parts.get(name), list | AnnotationTexts)]
    if missing:
        raise InputError(
            f"{url!r} is not a COCO instances file: it has no list of {', '.join(missing)}"
        )
    if not parts["images"] and not problems:
        problems.append("it holds no images")
    _refuse(url, "is malformed", problems)
    header = {name: parts[name] for name in HEADER if name in parts}
    found = Instances(url, header, parts["images"], parts["annotations"])
    _refuse(url, "contradicts itself", sorted(_contradictions(found)))
    return found


def _read_parts(url: str, file: IO[bytes], problems: list[str]) -> dict[str, Any]:
    """Return the members of the document, and add what is wrong with the entries of its lists."""
    read: dict[str, Callable[[Iterator[Any]], Any]] = {
        "images": lambda records: _read_images(records, problems),
        "annotations": lambda records: _read_objects(records, file, problems),
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


def _read_objects(records: Iterator[Any], file: IO[bytes], problems: list[str]) -> AnnotationTexts:
    file.seek(0)
    objects = AnnotationTexts(file)
    for record in _well_formed("annotations", records, problems):
        objects.add(record)
    file.flush()
    return objects


def _well_formed(
    part: str, records: Iterator[Any], problems: list[str]
) -> Iterator[Mapping[str, Any]]:
    """Yield the records that have the fields they must have; add what is wrong with the others."""
    for index, record in enumerate(records):
        found = _field_problems(record, FIELDS[part])
        problems += [f"{part}[{index}]: {problem}" for problem in found]
        if not found:
            yield record


def _field_problems(record: Any, fields: Mapping[str, type]) -> list[str]:
    if not isinstance(record, dict):
        return [f"expected a mapping, found {record!r}"]
    return [
        f"{name}: expected {kind.__name__}, found {record.get(name)!r}"
        for name, kind in fields.items()
        if not isinstance(record.get(name), kind)
    ]


def _contradictions(found: Instances) -> Iterator[str]:
    images = [record.id for record in found.images]
    categories = {each.get("id") for each in found.header["categories"] if isinstance(each, dict)}
    for image in found.objects.by_image.keys() - images:
        yield f"annotation of image {image}, which is not listed"
    for number, category in zip(found.objects.ids, found.objects.categories, strict=True):
        if category not in categories:
            yield f"annotation {number} of category {category}, which is not listed"
    for kind, ids in (("image", images), ("annotation", found.objects.ids)):
        if len(set(ids)) != len(ids):
            yield f"{len(ids) - len(set(ids))} {kind} id(s) are listed twice"


def check_annotations(found: Instances) -> list[str]:
    """Check the fields of all annotations.

    Returns:
        Warnings of annotations that evaluators stumble over; they are kept as they are.

    Raises:
        InputError: there are malformed ones.
    """
    problems: list[str] = []
    odd: dict[str, list[str]] = defaultdict(list)
    images = {record.id: record for record in found.images}
    for number, annotation_id in enumerate(found.objects.ids):
        annotation = json.loads(found.objects.text(number))
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
            _annotations_of(found.objects, each) for each in images[start : start + BATCH_ROWS]
        ]
        chunks.append(pa.array(texts, pa.string()))
    return pa.chunked_array(chunks, pa.string())


def _annotations_of(objects: AnnotationTexts, image: ImageRecord) -> bytes:
    numbers = objects.by_image.get(image.id, [])
    return b"[" + b",".join(map(objects.text, numbers)) + b"]"


def _refuse(url: str, what: str, problems: Sequence[str]) -> None:
    if problems:
        raise InputError(f"{url!r} {what}:\n{lines_of(problems)}")


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))

"""Detections in COCO's results format: one JSON file per setting, which the file's name says.

Each has a box, a mask or both, as all others of its file. Ultralytics writes the same format, with
names of files in place of ids of images.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.scoring.files import prediction_files, setting_text
from sysnoise.pipelines.scoring.statistics import is_finite_number
from sysnoise.pipelines.storage.reading import open_text
from sysnoise.transforms.targets import annotation_problems

EXTENSIONS = (".json",)
"""The extensions of files of detections."""
RESULTS_CHARACTERS = 2**30
"""Largest number of characters of a file: some 10 million detections, 2,000 per image of COCO."""
LARGEST_PIXEL = 2**31
"""Largest number of pixels in a box, far beyond any image: areas of boxes stay exact."""
FILE_NAME = "file_name"
"""The field in which Ultralytics names the file of an image."""


class Shape(Enum):
    """What a detection finds of an object; the value is its field."""

    BOX = "bbox"
    MASK = "segmentation"


class ImageNaming(Enum):
    """How the detections of a file say which image they are of."""

    IDS = "ids"
    """By COCO's id, as in COCO's results format."""
    KEYS = "keys"
    """Some by the name of a file, without extension, in place of the id."""
    FILES = "files"
    """By the name of a file, in a field of its own."""


@dataclass(frozen=True)
class ResultDetections:
    """What a detector found in the images of one setting.

    Attributes:
        image_ids, category_ids: COCO's ids, shape (detections,).
        scores: the scores, shape (detections,).
        shapes: what the file has of each detection: boxes as x, y, width, height in pixels, shape
            (detections, 4); masks as :class:`sysnoise.transforms.targets.Rle`, shape (detections,).
            Without detections, a file has both.
    """

    image_ids: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    scores: NDArray[np.float64]
    shapes: Mapping[Shape, NDArray[Any]]

    def chosen(self, rows: NDArray[Any]) -> ResultDetections:
        """Return some of the detections, by a mask or by indices."""
        return ResultDetections(
            self.image_ids[rows],
            self.category_ids[rows],
            self.scores[rows],
            {shape: values[rows] for shape, values in self.shapes.items()},
        )


@dataclass(frozen=True)
class ResultFile:
    """A file of detections.

    Attributes:
        setting: the setting, as it is written in the name of the file or its folder.
        naming: how it names images.
        detections: the detections.
    """

    setting: str
    naming: ImageNaming
    detections: ResultDetections


def read_results(url: str, image_ids: Mapping[str, int]) -> Iterator[ResultFile]:
    """Yield the files of detections.

    Args:
        url: path or fsspec URL of the file or folder.
        image_ids: COCO's id of each image of the set, by its key.

    Raises:
        InputError: a file cannot be read, or an entry is malformed.
    """
    root, names = prediction_files(url, EXTENSIONS)
    for name in names:
        file = root.child(name)
        with open_text(file, "results file") as opened:
            text = opened.read(RESULTS_CHARACTERS + 1)
        document = _parsed(file, text)
        if not isinstance(document, list):
            raise InputError(f"the results file {file!r}: expected a list of detections")
        shapes = _shapes(document)
        for number, entry in enumerate(document):
            _check(file, number, entry, shapes)
        ids = [_image_id(file, number, entry, image_ids) for number, entry in enumerate(document)]
        detections = _detections(ids, document, shapes)
        yield ResultFile(setting_text(root, name), _naming(document), detections)


def _parsed(file: str, text: str) -> Any:
    if len(text) > RESULTS_CHARACTERS:
        raise InputError(
            f"the results file {file!r}: it is longer than {RESULTS_CHARACTERS} characters"
        )
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"reading the results file {file!r}: not JSON: {error}") from error


def _shapes(document: Sequence[Any]) -> tuple[Shape, ...]:
    """Return what the detections of a file have, as the first one says; by default a box."""
    first = document[0] if document else {shape.value: None for shape in Shape}
    found = tuple(shape for shape in Shape if isinstance(first, Mapping) and shape.value in first)
    return found or (Shape.BOX,)


def _check(file: str, number: int, entry: Any, shapes: Sequence[Shape]) -> None:
    source = _source(file, number)
    if not isinstance(entry, Mapping):
        raise InputError(f"{source}: expected an object, found {str(entry)[:80]}")
    others = [shape.value for shape in Shape if shape not in shapes and shape.value in entry]
    if others:
        raise InputError(f"{source}: expected no {others[0]}, which the first one lacks")
    for name in ("image_id", "category_id", "score", *(shape.value for shape in shapes)):
        expected, is_valid = _CHECKS[name]
        if not is_valid(entry.get(name)):
            found = str(entry[name])[:80] if name in entry else "nothing"
            raise InputError(f"{source}, {name}: expected {expected}, found {found}")


def _source(file: str, number: int) -> str:
    return f"the results file {file!r}, detection {number}"


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_image(value: Any) -> bool:
    return _is_id(value) or isinstance(value, str)


def _is_pixel(value: Any) -> bool:
    return is_finite_number(value) and abs(value) <= LARGEST_PIXEL


def _is_box(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(map(_is_pixel, value))
        and min(value[2:]) >= 0
    )


def _is_mask(value: Any) -> bool:
    return isinstance(value, Mapping) and not annotation_problems({"segmentation": value})


_CHECKS: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "image_id": ("a whole number, or the key of an image of the set", _is_image),
    "category_id": ("a whole number", _is_id),
    "bbox": ("x, y, width, height in pixels", _is_box),
    "segmentation": ("size and counts, run lengths that fill the size", _is_mask),
    "score": ("a finite number", is_finite_number),
}
"""What is expected of each field of a detection, in words and as a function."""


def _image_id(
    file: str, number: int, entry: Mapping[str, Any], image_ids: Mapping[str, int]
) -> int:
    """Return the id of the image that a detection is of.

    Exported images are named by their keys, from which Ultralytics makes numbers where it can, so
    that the name of the file counts where there is one.
    """
    named = entry.get(FILE_NAME)
    image = entry["image_id"]
    for name in (named, image):
        if isinstance(name, str) and (key := _key(name)) in image_ids:
            return image_ids[key]
    if isinstance(image, int):
        return image
    raise InputError(
        f"{_source(file, number)}, image_id: expected a whole number, or the key of an image of "
        f"the set, found {image[:80]!r}"
    )


def _key(name: str) -> str:
    return posixpath.splitext(posixpath.basename(name.replace("\\", "/")))[0]


def _naming(document: Sequence[Mapping[str, Any]]) -> ImageNaming:
    if any(isinstance(entry.get(FILE_NAME), str) for entry in document):
        return ImageNaming.FILES
    are_texts = any(isinstance(entry["image_id"], str) for entry in document)
    return ImageNaming.KEYS if are_texts else ImageNaming.IDS


def _detections(
    image_ids: Sequence[int], document: Sequence[Mapping[str, Any]], shapes: Sequence[Shape]
) -> ResultDetections:
    columns = {shape: [entry[shape.value] for entry in document] for shape in shapes}
    return ResultDetections(
        np.array(image_ids, np.int64),
        np.array([entry["category_id"] for entry in document], np.int64),
        np.array([entry["score"] for entry in document], np.float64),
        {shape: shape_array(shape, values) for shape, values in columns.items()},
    )


def shape_array(shape: Shape, values: Sequence[Any]) -> NDArray[Any]:
    """Return boxes as an array of shape (n, 4), masks as one of objects, shape (n,)."""
    if shape is Shape.BOX:
        return np.array(values, np.float64).reshape(-1, 4)
    masks = np.empty(len(values), object)
    masks[:] = values
    return masks

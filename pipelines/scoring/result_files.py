"""Detections in COCO's results format: one JSON file per setting, which is the file's name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.scoring.files import file_stem, prediction_files
from sysnoise.pipelines.scoring.statistics import is_finite_number
from sysnoise.pipelines.storage.reading import open_text

EXTENSIONS = (".json",)
"""The extensions of files of detections."""
RESULTS_CHARACTERS = 2**30
"""Largest number of characters of a file: some 10 million detections, 2,000 per image of COCO."""
LARGEST_PIXEL = 2**31
"""Largest number of pixels in a box, far beyond any image: areas of boxes stay exact."""


@dataclass(frozen=True)
class ResultDetections:
    """What a detector found in the images of one setting.

    Attributes:
        image_ids, category_ids: COCO's ids, shape (detections,).
        boxes: x, y, width, height in pixels, shape (detections, 4).
        scores: the scores, shape (detections,).
    """

    image_ids: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]

    def chosen(self, rows: NDArray[Any]) -> ResultDetections:
        """Return some of the detections, by a mask or by indices."""
        return ResultDetections(
            self.image_ids[rows], self.category_ids[rows], self.boxes[rows], self.scores[rows]
        )


def read_results(url: str) -> Iterator[tuple[str, ResultDetections]]:
    """Yield each file's setting, as it is written in the file's name, and its detections.

    Args:
        url: path or fsspec URL of the file or folder.

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
        for number, entry in enumerate(document):
            _check(file, number, entry)
        yield file_stem(root, name), _detections(document)


def _parsed(file: str, text: str) -> Any:
    if len(text) > RESULTS_CHARACTERS:
        raise InputError(
            f"the results file {file!r}: it is longer than {RESULTS_CHARACTERS} characters"
        )
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"reading the results file {file!r}: not JSON: {error}") from error


def _check(file: str, number: int, entry: Any) -> None:
    source = f"the results file {file!r}, detection {number}"
    if not isinstance(entry, Mapping):
        raise InputError(f"{source}: expected an object, found {str(entry)[:80]}")
    for name, (expected, is_valid) in _CHECKS.items():
        if not is_valid(entry.get(name)):
            found = str(entry[name])[:80] if name in entry else "nothing"
            raise InputError(f"{source}, {name}: expected {expected}, found {found}")


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_pixel(value: Any) -> bool:
    return is_finite_number(value) and abs(value) <= LARGEST_PIXEL


def _is_box(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 4
        and all(map(_is_pixel, value))
        and min(value[2:]) >= 0
    )


_CHECKS = {
    "image_id": ("a whole number", _is_id),
    "category_id": ("a whole number", _is_id),
    "bbox": ("x, y, width, height in pixels", _is_box),
    "score": ("a finite number", is_finite_number),
}
"""What is expected of each field of a detection, in words and as a function."""


def _detections(document: Sequence[Mapping[str, Any]]) -> ResultDetections:
    return ResultDetections(
        np.array([entry["image_id"] for entry in document], np.int64),
        np.array([entry["category_id"] for entry in document], np.int64),
        np.array([entry["bbox"] for entry in document], np.float64).reshape(-1, 4),
        np.array([entry["score"] for entry in document], np.float64),
    )

"""Matching the boxes of all images with the objects in them, one category at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from sysnoise.pipelines.scoring.average_precision import (
    MAX_DETECTIONS,
    THRESHOLDS,
    Matches,
    match_boxes,
)
from sysnoise.pipelines.scoring.result_files import ResultDetections


@dataclass(frozen=True)
class SortedObjects:
    """The objects of a ground truth.

    Attributes:
        places: number of each image, by its id.
        boxes: of the objects by category and number of the image: x, y, width, height, shape
            (objects, 4).
        crowds: which of these objects are crowds, by the same, shape (objects,).
        categories: ids of the categories.
    """

    places: Mapping[int, int]
    boxes: Mapping[tuple[int, int], NDArray[np.float64]]
    crowds: Mapping[tuple[int, int], NDArray[np.bool_]]
    categories: Sequence[int]

    @classmethod
    def of(cls, document: Mapping[str, Any], images: Sequence[int]) -> SortedObjects:
        """Sort the annotations of a COCO document.

        Args:
            document: with ``annotations`` and ``categories``.
            images: ids, in ascending order.
        """
        places = {image_id: place for place, image_id in enumerate(images)}
        grouped: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
        for each in document["annotations"]:
            pair = (each["category_id"], places[each["image_id"]])
            grouped.setdefault(pair, []).append(each)
        return cls(
            places,
            {
                pair: np.array([each["bbox"] for each in group], np.float64)
                for pair, group in grouped.items()
            },
            {
                pair: np.array([each["iscrowd"] for each in group], bool)
                for pair, group in grouped.items()
            },
            [each["id"] for each in document["categories"]],
        )

    def counts(self, category: int) -> NDArray[np.int64]:
        """Return the number of objects of a category that are no crowd, by image."""
        counts = np.zeros(len(self.places), np.int64)
        for (each, place), crowd in self.crowds.items():
            if each == category:
                counts[place] = (~crowd).sum()
        return counts


def category_matches(objects: SortedObjects, detections: ResultDetections) -> list[Matches]:
    """Match detections with objects.

    Args:
        objects: in pixels of the source images.
        detections: in the same pixels, of images that the objects know.

    Returns:
        The sorted matches of each category.
    """
    places = np.array([objects.places[each] for each in detections.image_ids.tolist()], np.int64)
    return [
        _matches(
            objects,
            category,
            places[detections.category_ids == category],
            detections.chosen(detections.category_ids == category),
        )
        for category in objects.categories
    ]


def _matches(
    objects: SortedObjects, category: int, places: NDArray[np.int64], detections: ResultDetections
) -> Matches:
    order = np.lexsort((-detections.scores, places))
    places, boxes = places[order], detections.boxes[order]
    scores = detections.scores[order]
    images, starts = np.unique(places, return_index=True)
    rank = np.arange(len(places)) - np.repeat(starts, np.diff(np.append(starts, len(places))))
    found = np.zeros((len(THRESHOLDS), len(places)), bool)
    ignored = np.zeros_like(found)
    for image, start in zip(images.tolist(), starts.tolist(), strict=True):
        pair = (category, image)
        if pair in objects.boxes:
            rows = slice(
                start, start + int((places[start : start + MAX_DETECTIONS] == image).sum())
            )
            crowd = objects.crowds[pair]
            overlaps = coco_mask.iou(boxes[rows], objects.boxes[pair], crowd.astype(np.uint8))
            found[:, rows], ignored[:, rows] = match_boxes(overlaps, crowd)
    best = rank < MAX_DETECTIONS
    return Matches(
        places[best], scores[best], found[:, best], ignored[:, best], objects.counts(category)
    ).sorted()

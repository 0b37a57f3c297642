"""Matching the detections of all images with the objects in them, one category at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from sysnoise.pipelines.scoring.average_precision import (
    MAX_DETECTIONS,
    THRESHOLDS,
    Matches,
    match_boxes,
)
from sysnoise.pipelines.scoring.coco_document import CocoDocument, CocoObject
from sysnoise.pipelines.scoring.result_files import ResultDetections, Shape, shape_array


@dataclass(frozen=True)
class SortedObjects:
    """The objects of a ground truth by category and image.

    Attributes:
        image_indices: the index of each image, by its id.
        shape: what of them is matched.
        shapes: the boxes or masks of the objects by category and index of the image, as
            :class:`ResultDetections` has them.
        crowds: which of these objects are crowds, by the same keys, shape (objects,).
        categories: the ids of the categories.
    """

    image_indices: Mapping[int, int]
    shape: Shape
    shapes: Mapping[tuple[int, int], NDArray[Any]]
    crowds: Mapping[tuple[int, int], NDArray[np.bool_]]
    categories: Sequence[int]

    @classmethod
    def of(cls, document: CocoDocument, images: Sequence[int], shape: Shape) -> SortedObjects:
        """Sort the objects of a ground truth.

        Args:
            document: the ground truth, of boxes or masks.
            images: the ids of the images, in ascending order.
            shape: which of both.
        """
        indices = {image_id: index for index, image_id in enumerate(images)}
        grouped: dict[tuple[int, int], list[CocoObject]] = {}
        for each in document["annotations"]:
            pair = (each["category_id"], indices[each["image_id"]])
            grouped.setdefault(pair, []).append(each)
        return cls(
            indices,
            shape,
            {
                pair: shape_array(shape, [cast("Any", each)[shape.value] for each in group])
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
        counts = np.zeros(len(self.image_indices), np.int64)
        for (each, image), crowd in self.crowds.items():
            if each == category:
                counts[image] = (~crowd).sum()
        return counts


def category_matches(objects: SortedObjects, detections: ResultDetections) -> list[Matches]:
    """Match detections with objects.

    Args:
        objects: the objects.
        detections: the detections in the same pixels, all of images that the objects are sorted by.

    Returns:
        The sorted matches of each category.
    """
    ids = detections.image_ids.tolist()
    images = np.array([objects.image_indices[each] for each in ids], np.int64)
    return [
        _matches(
            objects,
            category,
            images[detections.category_ids == category],
            detections.chosen(detections.category_ids == category),
        )
        for category in objects.categories
    ]


def _matches(
    objects: SortedObjects, category: int, images: NDArray[np.int64], detections: ResultDetections
) -> Matches:
    """Match the detections of a category, whose images are given by their indices."""
    order = np.lexsort((-detections.scores, images))
    images, shapes = images[order], detections.shapes[objects.shape][order]
    scores = detections.scores[order]
    distinct, starts = np.unique(images, return_index=True)
    rank = np.arange(len(images)) - np.repeat(starts, np.diff(np.append(starts, len(images))))
    matched = np.zeros((len(THRESHOLDS), len(images)), bool)
    ignored = np.zeros_like(matched)
    for image, start in zip(distinct.tolist(), starts.tolist(), strict=True):
        pair = (category, image)
        if pair in objects.shapes:
            rows = slice(
                start, start + int((images[start : start + MAX_DETECTIONS] == image).sum())
            )
            crowd = objects.crowds[pair]
            overlaps = overlaps_of(shapes[rows], objects.shapes[pair], crowd)
            matched[:, rows], ignored[:, rows] = match_boxes(overlaps, crowd)
    best = rank < MAX_DETECTIONS
    return Matches(
        images[best], scores[best], matched[:, best], ignored[:, best], objects.counts(category)
    ).sorted()


def overlaps_of(
    found: NDArray[Any], objects: NDArray[Any], crowd: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the intersection over union of boxes or masks, of crowds that over the detection.

    Args:
        found: the detections, as :class:`ResultDetections` has them.
        objects: the objects, in the same form.
        crowd: flags of the objects that are crowds, shape (objects,).

    Returns:
        Shape (detections, objects).
    """
    flags = crowd.astype(np.uint8)
    if found.ndim == 1:  # pycocotools takes masks as lists.
        return np.asarray(coco_mask.iou(found.tolist(), objects.tolist(), flags), np.float64)
    return np.asarray(coco_mask.iou(found, objects, flags), np.float64)

"""COCO's average precision from matches of single images, so that images can be resampled.

What a detection of an image matches does not depend on other images. An image that is drawn k times
counts k times in every cumulative sum, and one that is not drawn does not count, so that the
average precision of a resample is that of a dataset with so many copies of each image. Only where
one image has detections of the same score does the order of the copies make a difference.

Source of the rules: pycocotools, ``COCOeval.evaluateImg`` and ``COCOeval.accumulate``, for boxes of
all sizes and at most 100 detections of a category in an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""The thresholds of the intersection over union."""
RECALLS = np.linspace(0.0, 1.0, 101)
"""The recalls at which precision is read, 0 to 1."""
MAX_DETECTIONS = 100
"""Number of detections of a category in an image that count, the best ones."""


def match_boxes(
    overlaps: NDArray[np.float64], crowd: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Give each detection of an image and category the object that it overlaps most.

    Detections choose in turn among the objects that no earlier one took, and among crowds, which
    any number may take. A crowd is taken only where no other object is left; its detections do not
    count.

    Args:
        overlaps: intersection over union, shape (detections, objects), the best detection first.
        crowd: flags of the objects that are crowds, shape (objects,).

    Returns:
        Which detections found an object, and which do not count, each of shape
        (thresholds, detections).
    """
    count = len(THRESHOLDS)
    matched = np.zeros((count, len(overlaps)), bool)
    ignored = np.zeros((count, len(overlaps)), bool)
    taken = np.zeros((count, len(crowd)), bool)
    needed = np.minimum(THRESHOLDS, 1 - 1e-10)[:, None]
    levels = np.arange(count)
    for detection, overlap in enumerate(overlaps):
        if overlap.max(initial=0) < THRESHOLDS[0]:
            continue
        near = (overlap >= needed) & ~taken
        own, crowded = near & ~crowd, near & crowd
        choice = _last_best(np.where(own, overlap, -1))
        matched[:, detection] = own.any(axis=1)
        taken[levels[matched[:, detection]], choice[matched[:, detection]]] = True
        ignored[:, detection] = ~matched[:, detection] & crowded.any(axis=1)
    return matched, ignored


def _last_best(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the index of the largest value of each row, the last of equal ones."""
    indices: NDArray[np.intp] = values.shape[1] - 1 - values[:, ::-1].argmax(axis=1)
    return indices


@dataclass(frozen=True)
class Matches:
    """The detections of a category in all images.

    Attributes:
        images: the index of each detection's image, shape (detections,).
        scores: the scores, shape (detections,).
        matched, ignored: the flags of :func:`match_boxes`, shape (thresholds, detections).
        objects: the number of objects of each image that are no crowd, shape (images,).
    """

    images: NDArray[np.int64]
    scores: NDArray[np.float64]
    matched: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    objects: NDArray[np.int64]

    def sorted(self) -> Matches:
        """Return the matches with the best detection first, equal ones by their images."""
        order = np.lexsort((self.images, -self.scores))
        return Matches(
            self.images[order],
            self.scores[order],
            self.matched[:, order],
            self.ignored[:, order],
            self.objects,
        )


def mean_average_precision(
    categories: Sequence[Matches], drawn: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return COCO's mAP, 0 to 1, on resamples of the images.

    Args:
        categories: the sorted matches of every category.
        drawn: how often each image counts, shape (resamples, images).

    Returns:
        The mAP on each resample, shape (resamples,); NaN where no object was drawn.
    """
    total = np.zeros(len(drawn))
    with_objects = np.zeros(len(drawn))
    for matches in categories:
        objects = drawn @ matches.objects
        if objects.any():
            total += np.where(objects > 0, _average_precision(matches, drawn, objects), 0)
            with_objects += objects > 0
    mean = np.full(len(drawn), np.nan)
    np.divide(total, with_objects, out=mean, where=with_objects > 0)
    return mean


def _average_precision(
    matches: Matches, drawn: NDArray[np.int64], objects: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the average precision of a category, over all thresholds, on resamples.

    Precision needs to be known only at detections that found an object: between two of them it
    falls, and recall stays.
    """
    counts = drawn[:, matches.images]
    counted = counts.cumsum(axis=1)
    total = np.zeros(len(drawn))
    for matched, ignored in zip(matches.matched, matches.ignored, strict=True):
        hit_indices = np.flatnonzero(matched)
        if not len(hit_indices):
            continue
        hits = counts[:, hit_indices].cumsum(axis=1)
        tried = counted[:, hit_indices]
        if ignored.any():
            tried = tried - (counts * ignored).cumsum(axis=1)[:, hit_indices]
        precision = hits / np.maximum(tried, 1)
        best_from_here = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recall = hits / np.maximum(objects, 1)[:, None]
        read = np.searchsorted(RECALLS, recall, side="right")
        total += (best_from_here * np.diff(read, axis=1, prepend=0)).sum(axis=1)
    return np.asarray(total / (len(THRESHOLDS) * len(RECALLS)), np.float64)

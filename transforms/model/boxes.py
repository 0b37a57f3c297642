"""Detections: the outputs of a detector's head become boxes in a stored image.

All arithmetic on the model's outputs is in float64. Detections are decoded, clipped to the image,
compared with the score threshold, reduced by non-maximum suppression, limited to the best ones, and
mapped back to the stored image, in this order (Detectron2, ``fast_rcnn_inference``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from sysnoise.transforms.geometry import Placement
from sysnoise.transforms.model.decoding import (
    Candidates,
    Decoding,
    Floats,
    Outputs,
    candidates,
    decodes,
)
from sysnoise.transforms.model.heads import BoxesHead, Head
from sysnoise.transforms.model.masks import stored_mask
from sysnoise.transforms.model.suppression import suppress
from sysnoise.transforms.targets import Rle, unmap_boxes


class BoxOffset(Enum):
    """Where a box includes its last pixel, ``x2 = x1 + w - 1``; the values name the noises."""

    NONE = "none"
    """A box ends after its last pixel: ``x2 = x1 + w``."""
    DECODE = "box-offset-1-decode"
    """The last pixel is included where corners are computed from a size, and nowhere else."""
    ALL = "box-offset-1-all"
    """The last pixel is included there, in areas and overlaps, and in clipping."""


class NmsClasses(Enum):
    """Which boxes non-maximum suppression compares with each other."""

    SEPARATE = "separate"
    """Boxes of the same class."""
    TOGETHER = "together"
    """All boxes."""


@dataclass(frozen=True)
class Nms:
    """Greedy non-maximum suppression.

    Attributes:
        iou: the intersection over union, 0 to 1, above which the box of the lower score is removed.
        classes: which boxes are compared.
    """

    iou: float
    classes: NmsClasses = NmsClasses.SEPARATE


@dataclass(frozen=True)
class Detector:
    """How a detector's outputs are processed.

    Attributes:
        head: how the outputs hold boxes.
        categories: the id of each class in the ground truth; None for a class that has none, such
            as the background, whose boxes are left out.
        score_threshold: the score, 0 to 1, that detections must exceed.
        nms: the non-maximum suppression; None for models that include it.
        max_detections: the number of detections per image; the best are kept.
    """

    head: Head
    categories: tuple[int | None, ...]
    score_threshold: float
    nms: Nms | None
    max_detections: int


@dataclass(frozen=True)
class Detections:
    """The detections in an image, by falling score; those of equal score are in the head's order.

    Attributes:
        boxes: x, y, width, height in pixels of the stored image, shape (n, 4).
        scores: the scores, 0 to 1, shape (n,).
        classes: the classes, 0-based, shape (n,).
        masks: the masks in the stored image; None where the model gives none.
    """

    boxes: Floats
    scores: Floats
    classes: NDArray[np.int64]
    masks: tuple[Rle, ...] | None = None


def offset_matters(head: Head, box_offset: BoxOffset) -> bool:
    """Return whether a convention can change anything.

    Where the model itself gives corners, nothing is decoded, and :attr:`BoxOffset.DECODE` has no
    effect.

    Args:
        head: how the outputs hold boxes.
        box_offset: where a box includes its last pixel.
    """
    return box_offset is BoxOffset.ALL or (box_offset is BoxOffset.DECODE and decodes(head))


def detect(
    outputs: Outputs, detector: Detector, placement: Placement, box_offset: BoxOffset
) -> Detections:
    """Find the boxes that a detector's outputs hold for one image.

    However corners are computed, a box is returned with ``w = x2 - x1``, as the evaluator reads it,
    because the evaluation belongs to the training system. A box that is smaller than the pixel that
    is subtracted has a size of zero. Boxes and scores that are not a number are left out.

    Args:
        outputs: the outputs of the head by name, each without its first dimension, N.
        detector: how the outputs are processed.
        placement: the placement of the stored image in the model's input.
        box_offset: where a box includes its last pixel.

    Raises:
        ValueError: the model returns a class that has no category.
    """
    decoding = Decoding(
        counted=np.array([category is not None for category in detector.categories]),
        threshold=np.float64(detector.score_threshold),
        width=placement.output.width,
        height=placement.output.height,
        offset=float(box_offset is not BoxOffset.NONE),
    )
    found = candidates(outputs, detector.head, decoding)
    comparing = float(box_offset is BoxOffset.ALL)
    corners = _clipped(found.corners, placement, comparing)
    chosen = _best(corners, found, detector, comparing)
    lower, upper = corners[chosen, :2], corners[chosen, 2:]
    boxes = unmap_boxes(np.hstack([lower, np.maximum(upper - lower, 0)]), placement)
    masks = _masks(outputs, detector.head, found, chosen, placement)
    return Detections(boxes, found.scores[chosen], found.classes[chosen], masks)


def _masks(
    outputs: Outputs,
    head: Head,
    found: Candidates,
    chosen: NDArray[np.intp],
    placement: Placement,
) -> tuple[Rle, ...] | None:
    """Return the masks of the chosen boxes, if the model gives some."""
    if not isinstance(head, BoxesHead) or head.masks is None or found.places is None:
        return None
    given = outputs[head.masks]
    return tuple(
        stored_mask(given[place].reshape(given.shape[-2:]), placement)
        for place in found.places[chosen]
    )


def _clipped(corners: Floats, placement: Placement, offset: float) -> Floats:
    """Clip boxes to the part of the input that the image covers."""
    lower, size = np.array(placement.pad), np.array(placement.resized)
    return np.clip(corners, np.tile(lower, 2), np.tile(lower + size - offset, 2))


def _best(
    corners: Floats, found: Candidates, detector: Detector, offset: float
) -> NDArray[np.intp]:
    """Return the indices of the detections that are kept, the best first."""
    order = np.argsort(-found.scores, kind="stable")
    order = order[~np.isnan(corners[order]).any(axis=1)]
    if detector.nms is not None:
        classes = found.classes[order]
        if detector.nms.classes is NmsClasses.TOGETHER:
            classes = np.zeros_like(classes)
        most = detector.max_detections
        order = order[suppress(corners[order], classes, detector.nms.iou, most, offset)]
    return order[: detector.max_detections]

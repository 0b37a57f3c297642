"""Detections: the outputs of a detector's head become boxes in a stored image.

All arithmetic on the model's outputs is in float64. Detections are decoded, clipped to the image,
compared with the score threshold, reduced by non-maximum suppression, limited to the best ones, and
mapped back to the stored image, in this order (Detectron2, ``fast_rcnn_inference``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sysnoise.transforms.geometry import Placement
from sysnoise.transforms.targets import unmap_boxes

Floats = NDArray[np.float64]

_CHUNK = 64
"""The number of boxes that non-maximum suppression compares with each other at a time."""


class BoxOffset(Enum):
    """Where a box includes its last pixel, ``x2 = x1 + w - 1``; the values name the noises."""

    NONE = "none"
    """A box ends after its last pixel: ``x2 = x1 + w``."""
    DECODE = "box-offset-1-decode"
    """The last pixel is included where corners are computed from a size, and nowhere else."""
    ALL = "box-offset-1-all"
    """The last pixel is included there, in areas and overlaps, and in clipping."""


class BoxFormat(Enum):
    """The meaning of the four numbers of a box."""

    XYXY = "xyxy"
    """The left, upper, right and lower edge."""
    XYWH = "xywh"
    """The left and upper edge, width and height."""
    CXCYWH = "cxcywh"
    """The center, width and height."""


class BoxUnits(Enum):
    """The unit of the numbers of a box."""

    PIXELS = "pixels"
    """Pixels of the model's input."""
    NORMALIZED = "normalized"
    """Fractions of the width and height of the model's input."""


class NmsClasses(Enum):
    """Which boxes non-maximum suppression compares with each other."""

    SEPARATE = "separate"
    """Boxes of the same class."""
    TOGETHER = "together"
    """All boxes."""


@dataclass(frozen=True)
class YoloOutput:
    """A grid of cells that each hold one box per anchor.

    Attributes:
        name: the name of the model's output, N x (anchors * (5 + classes)) x rows x columns.
        anchors: the width and height of each anchor in pixels of the input.
    """

    name: str
    anchors: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class YoloHead:
    """The head of YOLO version 3.

    Attributes:
        outputs: the grids.
    """

    outputs: tuple[YoloOutput, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the outputs that are needed."""
        return tuple(output.name for output in self.outputs)


@dataclass(frozen=True)
class BoxesHead:
    """The head of a model that decodes its boxes itself.

    Attributes:
        boxes: the name of the output with the boxes, N x boxes x 4.
        scores: the name of the output with the scores, 0 to 1: N x boxes x classes, or N x boxes
            where there is an output with the classes.
        labels: the name of the output with the classes, 0-based, N x boxes; None where there are
            scores of all classes.
        format: the meaning of the four numbers of a box.
        units: the unit of these numbers.
    """

    boxes: str
    scores: str
    labels: str | None
    format: BoxFormat
    units: BoxUnits

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the outputs that are needed."""
        return tuple(name for name in (self.boxes, self.scores, self.labels) if name is not None)


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
        categories: the id of each class in the ground truth.
        score_threshold: the score, 0 to 1, that detections must exceed.
        nms: the non-maximum suppression; None for models that include it.
        max_detections: the number of detections per image; the best are kept.
    """

    head: YoloHead | BoxesHead
    categories: tuple[int, ...]
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
    """

    boxes: Floats
    scores: Floats
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class _Candidates:
    """Boxes in pixels of the input, in the head's format, with one class each."""

    boxes: Floats
    scores: Floats
    classes: NDArray[np.int64]


def offset_matters(head: YoloHead | BoxesHead, box_offset: BoxOffset) -> bool:
    """Return whether a convention can change anything.

    Where the model itself gives corners, nothing is decoded, and :attr:`BoxOffset.DECODE` has no
    effect.

    Args:
        head: how the outputs hold boxes.
        box_offset: where a box includes its last pixel.
    """
    decodes = _format(head) is not BoxFormat.XYXY
    return box_offset is BoxOffset.ALL or (box_offset is BoxOffset.DECODE and decodes)


def detect(
    outputs: Mapping[str, NDArray[Any]],
    detector: Detector,
    placement: Placement,
    box_offset: BoxOffset,
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
    candidates = _candidates(outputs, detector, placement)
    decoding = float(box_offset is not BoxOffset.NONE)
    comparing = float(box_offset is BoxOffset.ALL)
    corners = _corners(candidates.boxes, _format(detector.head), decoding)
    corners = _clipped(corners, placement, comparing)
    chosen = _best(corners, candidates, detector, comparing)
    lower, upper = corners[chosen, :2], corners[chosen, 2:]
    boxes = unmap_boxes(np.hstack([lower, np.maximum(upper - lower, 0)]), placement)
    return Detections(boxes, candidates.scores[chosen], candidates.classes[chosen])


def _format(head: YoloHead | BoxesHead) -> BoxFormat:
    return head.format if isinstance(head, BoxesHead) else BoxFormat.CXCYWH


def _candidates(
    outputs: Mapping[str, NDArray[Any]], detector: Detector, placement: Placement
) -> _Candidates:
    """Return all boxes with a score above the threshold, in the order of the outputs."""
    head, threshold = detector.head, np.float64(detector.score_threshold)
    size = np.array(placement.output, np.float64)
    if isinstance(head, BoxesHead):
        return _given(outputs, head, len(detector.categories), threshold, size)
    grids = [
        _decode_grid(outputs[each.name], np.array(each.anchors), threshold, size)
        for each in head.outputs
    ]
    return _Candidates(
        np.concatenate([grid.boxes for grid in grids]),
        np.concatenate([grid.scores for grid in grids]),
        np.concatenate([grid.classes for grid in grids]),
    )


def _decode_grid(
    grid: NDArray[Any], anchors: Floats, threshold: np.float64, size: Floats
) -> _Candidates:
    """Decode a grid: boxes as center and size.

    Source: darknet, ``yolo_layer.c`` (YOLO version 3). In a grid of R x C cells, the center is
    ``(sigmoid(t_x) + column) / C`` and ``(sigmoid(t_y) + row) / R`` of the input, the size
    ``exp(t_w)`` and ``exp(t_h)`` times the anchor, and the score
    ``sigmoid(objectness) * sigmoid(class)``.

    Args:
        grid: the output, (anchors * (5 + classes)) x rows x columns.
        anchors: the widths and heights in pixels of the input, shape (anchors, 2).
        threshold: the score that detections must exceed.
        size: the width and height of the input.
    """
    rows, columns = grid.shape[1:]
    cells = grid.reshape(len(anchors), -1, rows, columns)
    objectness = _sigmoid(cells[:, 4])
    # No class's score exceeds the objectness, so most cells need not be decoded.
    anchor, row, column = np.nonzero(objectness > threshold)
    values = cells[anchor, :, row, column].astype(np.float64)
    scores = objectness[anchor, row, column, None] * _sigmoid(values[:, 5:])
    place, label = np.nonzero(scores > threshold)
    cell = np.stack([column, row], axis=1)
    centers = (_sigmoid(values[:, :2]) + cell) / (columns, rows) * size
    with np.errstate(over="ignore"):
        sizes = np.exp(values[:, 2:4]) * anchors[anchor]
    return _Candidates(np.hstack([centers, sizes])[place], scores[place, label], label)


def _given(
    outputs: Mapping[str, NDArray[Any]],
    head: BoxesHead,
    categories: int,
    threshold: np.float64,
    size: Floats,
) -> _Candidates:
    """Return the boxes of a model that has decoded them, in pixels of the input."""
    scores = outputs[head.scores]
    if head.labels is None:
        place, label = np.nonzero(scores > threshold)
        chosen = scores[place, label]
    else:
        place = np.flatnonzero(scores > threshold)
        chosen = scores[place]
        label = outputs[head.labels][place].astype(np.int64)
        foreign = label[(label < 0) | (label >= categories)]
        if len(foreign):
            raise ValueError(
                f"the model gives class {foreign[0]}, and the config has {categories} categories, "
                f"for classes from 0 to {categories - 1}"
            )
    boxes = outputs[head.boxes][place].astype(np.float64)
    if head.units is BoxUnits.NORMALIZED:
        boxes *= np.tile(size, 2)
    return _Candidates(boxes, chosen.astype(np.float64), label)


def _sigmoid(values: NDArray[Any]) -> Floats:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-values.astype(np.float64))))


def _corners(boxes: Floats, box_format: BoxFormat, offset: float) -> Floats:
    """Return the four edges of each box; ``offset`` is 1 where the last pixel is included."""
    if box_format is BoxFormat.XYXY:
        return boxes
    lower, size = boxes[:, :2], boxes[:, 2:]
    if box_format is BoxFormat.CXCYWH:
        return np.hstack([lower - size / 2, lower + size / 2 - offset])
    return np.hstack([lower, lower + size - offset])


def _clipped(corners: Floats, placement: Placement, offset: float) -> Floats:
    """Clip boxes to the part of the input that the image covers."""
    lower, size = np.array(placement.pad), np.array(placement.resized)
    return np.clip(corners, np.tile(lower, 2), np.tile(lower + size - offset, 2))


def _best(
    corners: Floats, candidates: _Candidates, detector: Detector, offset: float
) -> NDArray[np.intp]:
    """Return the indices of the detections that are kept, the best first."""
    order = np.argsort(-candidates.scores, kind="stable")
    order = order[~np.isnan(corners[order]).any(axis=1)]
    if detector.nms is not None:
        classes = candidates.classes[order]
        if detector.nms.classes is NmsClasses.TOGETHER:
            classes = np.zeros_like(classes)
        most = detector.max_detections
        order = order[suppress(corners[order], classes, detector.nms.iou, most, offset)]
    return order[: detector.max_detections]


def suppress(
    corners: Floats, classes: NDArray[np.int64], iou: float, most: int, offset: float
) -> NDArray[np.intp]:
    """Choose boxes by greedy non-maximum suppression.

    A box is removed where its intersection over union with a chosen box of its class exceeds
    ``iou``.
    Boxes are compared in chunks, so that the comparison ends with the last box that is needed.
    Libraries compare all of them, and none supports widths that include the last pixel.

    Args:
        corners: the left, upper, right and lower edges, the best box first, shape (n, 4).
        classes: the classes of the boxes, shape (n,).
        iou: the threshold.
        most: the largest number of boxes that are chosen.
        offset: 1 where the last pixel is included, so that a width is ``x2 - x1 + 1``; otherwise 0.

    Returns:
        The indices of the chosen boxes, in their order.
    """
    kept = np.empty(0, np.intp)
    for start in range(0, len(corners), _CHUNK):
        chunk = np.arange(start, min(start + _CHUNK, len(corners)))
        chunk = chunk[~_clash(corners, classes, kept, chunk, iou, offset).any(axis=0)]
        alive = np.ones(len(chunk), bool)
        for place, clash in enumerate(_clash(corners, classes, chunk, chunk, iou, offset)):
            if alive[place]:
                alive[place + 1 :] &= ~clash[place + 1 :]
        kept = np.concatenate([kept, chunk[alive]])
        if len(kept) >= most:
            break
    return kept[:most]


def _clash(
    corners: Floats,
    classes: NDArray[np.int64],
    one: NDArray[np.intp],
    other: NDArray[np.intp],
    iou: float,
    offset: float,
) -> NDArray[np.bool_]:
    """Return which boxes overlap too much with which others of their class."""
    first, second = corners[one, None], corners[None, other]
    sides = np.minimum(first, second)[..., 2:] - np.maximum(first, second)[..., :2] + offset
    shared = np.maximum(sides, 0).prod(axis=-1)
    areas = np.maximum(corners[:, 2:] - corners[:, :2] + offset, 0).prod(axis=1)
    union = areas[one, None] + areas[None, other] - shared
    same = classes[one, None] == classes[None, other]
    # There is no division, because the union of two boxes without an area is zero.
    return np.asarray(same & (shared > iou * union))

"""After a detector: from the outputs of its head to boxes in a stored image.

All arithmetic is in float64 on what the model gives. Detections are decoded, clipped to the image,
compared with the score threshold, thinned out by non-maximum suppression, cut to the best ones, and
mapped back into the stored image, in this order (Detectron2, ``fast_rcnn_inference``).
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
"""Boxes that non-maximum suppression compares with each other at a time."""


class BoxOffset(Enum):
    """Whether the last pixel counts to a box: ``x2 = x1 + w - 1``; named as a noise."""

    NONE = "none"
    """A box ends behind its last pixel: ``x2 = x1 + w``."""
    DECODE = "box-offset-1-decode"
    """The last pixel counts where corners are computed from a size, and nowhere else."""
    ALL = "box-offset-1-all"
    """It counts there, in areas and overlaps, and in clipping."""


class BoxFormat(Enum):
    """What the four numbers of a box are."""

    XYXY = "xyxy"
    """The left, upper, right and lower edge."""
    XYWH = "xywh"
    """The left and upper edge, width and height."""
    CXCYWH = "cxcywh"
    """The center, width and height."""


class BoxUnits(Enum):
    """What the numbers of a box count."""

    PIXELS = "pixels"
    """Pixels of the model's input."""
    NORMALIZED = "normalized"
    """Widths and heights of the model's input."""


class NmsClasses(Enum):
    """Which boxes non-maximum suppression compares."""

    SEPARATE = "separate"
    """Those of one class."""
    TOGETHER = "together"
    """All."""


@dataclass(frozen=True)
class YoloOutput:
    """A grid of cells that each hold a box an anchor.

    Attributes:
        name: of the model's output, N x (anchors * (5 + classes)) x rows x columns.
        anchors: width and height of each in pixels of the input.
    """

    name: str
    anchors: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class YoloHead:
    """Grids of YOLO version 3.

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
    """Boxes that the model has decoded.

    Attributes:
        boxes: name of the output with the boxes, N x boxes x 4.
        scores: name of the output with the scores, 0 to 1: N x boxes x classes, or N x boxes where
            the model says which class.
        labels: name of the output with the classes, 0-based, N x boxes; None where scores are of
            all classes.
        format: what the four numbers of a box are.
        units: what they count.
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
        iou: intersection over union above which the box of the lower score goes, 0 to 1.
        classes: which boxes are compared.
    """

    iou: float
    classes: NmsClasses = NmsClasses.SEPARATE


@dataclass(frozen=True)
class Detector:
    """What becomes of a detector's outputs.

    Attributes:
        head: how they hold boxes.
        categories: id of each class in the ground truth.
        score_threshold: detections need a higher score, 0 to 1.
        nms: None for models that did it themselves.
        max_detections: of an image; the best are kept.
    """

    head: YoloHead | BoxesHead
    categories: tuple[int, ...]
    score_threshold: float
    nms: Nms | None
    max_detections: int


@dataclass(frozen=True)
class Detections:
    """What a detector finds in an image, the best first; of equal scores, in the head's order.

    Attributes:
        boxes: x, y, width, height in pixels of the stored image, shape (n, 4).
        scores: 0 to 1, shape (n,).
        classes: 0-based, shape (n,).
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
    """Tell whether a convention can change anything.

    Where the model itself gives corners, nothing is decoded: :attr:`BoxOffset.DECODE` is then a
    noise that does nothing.

    Args:
        head: how the outputs hold boxes.
        box_offset: whether the last pixel counts.
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

    However corners are computed, a box is given with ``w = x2 - x1``, as the evaluator reads it,
    because that belongs to the training system. A size below zero, of boxes that are smaller than
    the pixel that is taken off, is given as zero. Boxes or scores that are not a number are left
    out.

    Args:
        outputs: the head's, by name, each without its first dimension, N.
        detector: what becomes of them.
        placement: where in the model's input the stored image stands.
        box_offset: whether the last pixel counts.

    Raises:
        ValueError: the model gives a class that has no category.
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
        grid: (anchors * (5 + classes)) x rows x columns.
        anchors: width and height in pixels of the input, shape (anchors, 2).
        threshold: scores have to exceed it.
        size: width and height of the input.
    """
    rows, columns = grid.shape[1:]
    cells = grid.reshape(len(anchors), -1, rows, columns)
    objectness = _sigmoid(cells[:, 4])
    # No class's score exceeds the objectness, so that most cells need no further look.
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


def _corners(boxes: Floats, box_format: BoxFormat, last: float) -> Floats:
    """Return left, upper, right and lower edge; ``last`` is 1 where the last pixel counts."""
    if box_format is BoxFormat.XYXY:
        return boxes
    lower, size = boxes[:, :2], boxes[:, 2:]
    if box_format is BoxFormat.CXCYWH:
        return np.hstack([lower - size / 2, lower + size / 2 - last])
    return np.hstack([lower, lower + size - last])


def _clipped(corners: Floats, placement: Placement, last: float) -> Floats:
    """Clip boxes to the part of the input in which the image stands."""
    lower, size = np.array(placement.pad), np.array(placement.resized)
    return np.clip(corners, np.tile(lower, 2), np.tile(lower + size - last, 2))


def _best(
    corners: Floats, candidates: _Candidates, detector: Detector, last: float
) -> NDArray[np.intp]:
    """Return the places of the detections that are kept, the best first."""
    order = np.argsort(-candidates.scores, kind="stable")
    order = order[~np.isnan(corners[order]).any(axis=1)]
    if detector.nms is not None:
        classes = candidates.classes[order]
        if detector.nms.classes is NmsClasses.TOGETHER:
            classes = np.zeros_like(classes)
        most = detector.max_detections
        order = order[suppress(corners[order], classes, detector.nms.iou, most, last)]
    return order[: detector.max_detections]


def suppress(
    corners: Floats, classes: NDArray[np.int64], iou: float, most: int, last: float
) -> NDArray[np.intp]:
    """Choose boxes by greedy non-maximum suppression.

    A box goes where its intersection over union with a chosen one of its class exceeds ``iou``.
    Boxes are compared in chunks, so that the work ends with the last box that is needed; libraries
    go through all of them, and none knows widths that include the last pixel.

    Args:
        corners: left, upper, right and lower edge, the best box first, shape (n, 4).
        classes: of the boxes, shape (n,).
        iou: the threshold.
        most: number of boxes after which it ends.
        last: 1 where the last pixel counts, so that a width is ``x2 - x1 + 1``, else 0.

    Returns:
        Places of the chosen boxes, in their order.
    """
    kept = np.empty(0, np.intp)
    for start in range(0, len(corners), _CHUNK):
        chunk = np.arange(start, min(start + _CHUNK, len(corners)))
        chunk = chunk[~_clash(corners, classes, kept, chunk, iou, last).any(axis=0)]
        alive = np.ones(len(chunk), bool)
        for place, clash in enumerate(_clash(corners, classes, chunk, chunk, iou, last)):
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
    last: float,
) -> NDArray[np.bool_]:
    """Tell which boxes overlap too much with which others of their class."""
    first, second = corners[one, None], corners[None, other]
    sides = np.minimum(first, second)[..., 2:] - np.maximum(first, second)[..., :2] + last
    shared = np.maximum(sides, 0).prod(axis=-1)
    areas = np.maximum(corners[:, 2:] - corners[:, :2] + last, 0).prod(axis=1)
    union = areas[one, None] + areas[None, other] - shared
    same = classes[one, None] == classes[None, other]
    # Not divided, because the union of two boxes without an area is zero.
    return np.asarray(same & (shared > iou * union))

"""The outputs of a head become boxes of one class each, by their corners in the model's input.

All arithmetic is in float64. ``offset`` is 1 where the last pixel of a box is included, so that its
right edge is ``x1 + w - 1``, and otherwise 0.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sysnoise.transforms.model.anchors import anchor_corners, decode_deltas, level_counts
from sysnoise.transforms.model.heads import (
    NUMBERS,
    Activation,
    AnchorsHead,
    BoxesHead,
    BoxFormat,
    BoxUnits,
    Head,
    TensorAxes,
    TensorHead,
    TensorValue,
    YoloHead,
)

Floats = NDArray[np.float64]
Outputs = Mapping[str, NDArray[Any]]
"""The outputs of a head by name, each of one image, without the first dimension, N."""

_REORDERED = {BoxFormat.XYXY: [0, 1, 2, 3], BoxFormat.YXYX: [1, 0, 3, 2]}
"""The places of the left, upper, right and lower edge in the formats that have them."""


@dataclass(frozen=True)
class Candidates:
    """Boxes with a score above the threshold, in the order of the outputs.

    Attributes:
        corners: left, upper, right and lower edge in pixels of the input, shape (n, 4).
        scores: scores, 0 to 1, shape (n,).
        classes: classes, 0-based, shape (n,).
        places: the places of the boxes in the outputs, shape (n,), of heads with masks.
    """

    corners: Floats
    scores: Floats
    classes: NDArray[np.int64]
    places: NDArray[np.intp] | None = None


@dataclass(frozen=True)
class Decoding:
    """What decoding needs beside the outputs.

    Attributes:
        counted: whether each class of the model is one of the ground truth, shape (classes,).
        threshold: the score that candidates must exceed.
        width, height: the size of the input in pixels.
        offset: 1 where the last pixel of a box is included, otherwise 0.
    """

    counted: NDArray[np.bool_]
    threshold: np.float64
    width: int
    height: int
    offset: float


def decodes(head: Head) -> bool:
    """Return whether corners are computed from sizes, which models that give corners did."""
    return isinstance(head, YoloHead | AnchorsHead) or head.format not in _REORDERED


def candidates(outputs: Outputs, head: Head, how: Decoding) -> Candidates:
    """Decode the outputs of a head for one image.

    Raises:
        ValueError: the model gives a class that has no category.
    """
    match head:
        case YoloHead():
            return _joined(
                [
                    _decode_grid(outputs[each.name], np.array(each.anchors), how)
                    for each in head.outputs
                ]
            )
        case BoxesHead():
            return _given(outputs, head, how)
        case TensorHead():
            return _from_tensor(outputs[head.output], head, how)
        case AnchorsHead():
            return _from_anchors(outputs, head, how)


def corners(boxes: Floats, box_format: BoxFormat, offset: float) -> Floats:
    """Return left, upper, right and lower edge of boxes, shape (n, 4), in the unit of the boxes."""
    if box_format in _REORDERED:
        return boxes[:, _REORDERED[box_format]]
    lower, size = boxes[:, :2], boxes[:, 2:]
    if box_format is BoxFormat.CXCYWH:
        return np.hstack([lower - size / 2, lower + size / 2 - offset])
    return np.hstack([lower, lower + size - offset])


def _joined(parts: list[Candidates]) -> Candidates:
    return Candidates(
        np.concatenate([part.corners for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.classes for part in parts]),
    )


def _decode_grid(grid: NDArray[Any], anchors: Floats, how: Decoding) -> Candidates:
    """Decode a grid, (anchors * (5 + classes)) x rows x columns; anchors are in pixels.

    Source: darknet, ``yolo_layer.c`` (YOLO version 3). In a grid of R x C cells, the center is
    ``(sigmoid(t_x) + column) / C`` and ``(sigmoid(t_y) + row) / R`` of the input, the size
    ``exp(t_w)`` and ``exp(t_h)`` times the anchor, and the score
    ``sigmoid(objectness) * sigmoid(class)``.
    """
    rows, columns = grid.shape[1:]
    cells = grid.reshape(len(anchors), -1, rows, columns)
    objectness = _sigmoid(cells[:, 4])
    # No class's score exceeds the objectness, so most cells need not be decoded.
    anchor, row, column = np.nonzero(objectness > how.threshold)
    values = cells[anchor, :, row, column].astype(np.float64)
    scores = objectness[anchor, row, column, None] * _sigmoid(values[:, 5:])
    place, label = np.nonzero((scores > how.threshold) & how.counted)
    cell = np.stack([column, row], axis=1)
    centers = (_sigmoid(values[:, :2]) + cell) / (columns, rows) * (how.width, how.height)
    with np.errstate(over="ignore"):
        sizes = np.exp(values[:, 2:4]) * anchors[anchor]
    boxes = np.hstack([centers, sizes])[place]
    return Candidates(corners(boxes, BoxFormat.CXCYWH, how.offset), scores[place, label], label)


def _given(outputs: Outputs, head: BoxesHead, how: Decoding) -> Candidates:
    """Return the boxes of a model that has decoded them."""
    scores = _activated(outputs[head.scores], head.activation)
    labels = None if head.labels is None else outputs[head.labels]
    place, chosen, classes = _above(scores, labels, how)
    boxes = outputs[head.boxes].reshape(-1, 4)[place]
    return Candidates(_in_pixels(boxes, head, how), chosen, classes, place)


def _from_tensor(tensor: NDArray[Any], head: TensorHead, how: Decoding) -> Candidates:
    """Return the boxes of a head of one tensor."""
    table = tensor if head.axes is TensorAxes.BOXES_VALUES else tensor.T
    expected = head.width(len(how.counted))
    if table.shape[1] != expected:
        raise ValueError(
            f"output {head.output!r} has {table.shape[1]} numbers per box, expected {expected}"
        )
    columns = dict(_columns(head, len(how.counted)))
    scores = table[:, columns.get(TensorValue.SCORES, columns.get(TensorValue.SCORE, slice(0)))]
    kept = np.arange(len(table))
    if TensorValue.OBJECTNESS in columns:
        objectness = table[:, columns[TensorValue.OBJECTNESS]].astype(np.float64)
        # No score exceeds the objectness, so most boxes need not be looked at.
        kept = np.flatnonzero(objectness > how.threshold)
        scores = objectness[kept] * scores[kept]
    labels = None
    if TensorValue.LABEL in columns:
        scores, labels = scores[:, 0], table[kept, columns[TensorValue.LABEL]][:, 0]
    place, chosen, classes = _above(scores, labels, how)
    boxes = table[kept[place], columns[TensorValue.BOX]]
    if head.strides:
        boxes = _from_cells(boxes, kept[place], head.strides, how)
    return Candidates(_in_pixels(boxes, head, how), chosen, classes)


def _columns(head: TensorHead, classes: int) -> Iterator[tuple[TensorValue, slice]]:
    """Yield which numbers of a box are which of its values."""
    start = 0
    for value in head.values:
        end = start + NUMBERS.get(value, classes)
        yield value, slice(start, end)
        start = end


def _from_anchors(outputs: Outputs, head: AnchorsHead, how: Decoding) -> Candidates:
    """Return the boxes of a head of anchors."""
    scores = _activated(outputs[head.scores], head.activation)
    given = outputs[head.deltas]
    counts = level_counts(head, how.width, how.height)
    if head.proposals is not None:
        counts = [len(outputs[head.proposals])]
    count = sum(counts)
    if len(scores) != count or len(given) != count:
        raise ValueError(
            f"there are {count} anchors at {how.width} x {how.height} pixels, and the model gives "
            f"scores of {len(scores)} and boxes of {len(given)}"
        )
    if head.proposals is None:
        anchors = anchor_corners(head, how.width, how.height)
    else:
        anchors = outputs[head.proposals].astype(np.float64)
    deltas = given.reshape(count, given.shape[-1] // 4, 4)
    place, chosen, classes = _above(scores, None, how)
    if head.candidates is not None:
        kept = _best_of_levels(place, chosen, counts, head.candidates)
        place, chosen, classes = place[kept], chosen[kept], classes[kept]
    of_class = classes if deltas.shape[1] > 1 else np.zeros_like(classes)
    relative = deltas[place, of_class].astype(np.float64)
    boxes = decode_deltas(anchors[place], relative, head.weights, how.offset)
    return Candidates(boxes, chosen, classes)


def _best_of_levels(
    places: NDArray[np.intp], scores: Floats, counts: Sequence[int], most: int
) -> NDArray[np.intp]:
    """Return the indices of the best candidates of each level, in their order.

    Source: RetinaNet (arXiv 1708.02002), section 4.1, which decodes the best 1,000 of a level.

    Args:
        places: the anchors of the candidates, rising, shape (n,).
        scores: their scores, shape (n,).
        counts: the number of anchors of each level.
        most: the number of candidates of a level that are kept; the earlier of equal ones are.
    """
    kept = []
    edges = np.searchsorted(places, np.cumsum([0, *counts]))
    for start, end in itertools.pairwise(edges):
        of_level = scores[start:end]
        best = np.arange(len(of_level))
        if len(best) > most:
            # Few are sorted, because a model without training has millions above the threshold.
            best = np.flatnonzero(of_level >= np.partition(of_level, -most)[-most])
            best = best[np.argsort(-of_level[best], kind="stable")[:most]]
        kept.append(start + np.sort(best))
    return np.concatenate(kept)


def _from_cells(
    boxes: NDArray[Any], places: NDArray[np.intp], strides: tuple[int, ...], how: Decoding
) -> Floats:
    """Decode boxes, center and size, that are relative to cells of square grids.

    Source: YOLOX (arXiv 2107.08430), ``yolo_head.py``, ``decode_outputs``. The grids follow one
    another, and the cells of a grid are in the order of its rows. The center is the number of the
    column or row plus the given one, the size the exponential of the given one, both times the
    stride.

    Args:
        boxes: the numbers of the boxes, shape (n, 4).
        places: the places of the boxes among those of all grids, shape (n,).
        strides: the pixels of the input per cell of each grid.
        how: what decoding needs beside the outputs.

    Raises:
        ValueError: there are boxes beyond the last grid.
    """
    count = cell_count(how.width, how.height, strides)
    if len(places) and places[-1] >= count:
        raise ValueError(
            f"the grids of strides {', '.join(map(str, strides))} have {count} cells at this "
            "input size, but the model gives more boxes"
        )
    cells = np.concatenate([_grid_cells(how.width, how.height, stride) for stride in strides])
    column, row, stride = cells[places].T
    centers = (boxes[:, :2] + np.stack([column, row], axis=1)) * stride[:, None]
    with np.errstate(over="ignore"):
        return np.hstack([centers, np.exp(boxes[:, 2:].astype(np.float64)) * stride[:, None]])


def cell_count(width: int, height: int, strides: Iterable[int]) -> int:
    """Return how many cells grids of these strides have over an input."""
    return sum((width // stride) * (height // stride) for stride in strides)


def _grid_cells(width: int, height: int, stride: int) -> Floats:
    """Return column, row and stride of each cell of a grid over an input, shape (cells, 3)."""
    rows, columns = np.mgrid[: height // stride, : width // stride].reshape(2, -1)
    return np.stack([columns, rows, np.full(rows.shape, stride)], axis=1).astype(np.float64)


def _above(
    scores: NDArray[Any], labels: NDArray[Any] | None, how: Decoding
) -> tuple[NDArray[np.intp], Floats, NDArray[np.int64]]:
    """Return the places of the boxes whose scores exceed the threshold, the scores and classes.

    Args:
        scores: scores of all classes, shape (boxes, classes), or of one, shape (boxes,).
        labels: the classes in the second case, shape (boxes,).
        how: what decoding needs beside the outputs.

    Raises:
        ValueError: a class has no category.
    """
    if labels is None:
        place, label = np.nonzero((scores > how.threshold) & how.counted)
        return place, scores[place, label].astype(np.float64), label
    place = np.flatnonzero(scores > how.threshold)
    label = labels[place].astype(np.int64)
    classes = len(how.counted)
    foreign = label[(label < 0) | (label >= classes)]
    if len(foreign):
        hint = "; where it counts from 1, put null before the first category"
        raise ValueError(
            f"the model gives class {foreign[0]}, and the config has {classes} categories, "
            f"for classes from 0 to {classes - 1}{hint if (foreign == classes).all() else ''}"
        )
    counted = how.counted[label]
    place = place[counted]
    return place, scores[place].astype(np.float64), label[counted]


def _in_pixels(boxes: NDArray[Any], head: BoxesHead | TensorHead, how: Decoding) -> Floats:
    """Return the corners of boxes in pixels of the input."""
    size = np.ones(4)
    if head.units is BoxUnits.NORMALIZED:
        size = np.tile([how.width, how.height], 2).astype(np.float64)
        if head.format is BoxFormat.YXYX:
            size = size[::-1]
    return corners(boxes.astype(np.float64) * size, head.format, how.offset)


def _activated(values: NDArray[Any], activation: Activation | None) -> NDArray[Any]:
    """Return scores; softmax is over the last dimension."""
    if activation is None:
        return values
    if activation is Activation.SIGMOID:
        return _sigmoid(values)
    logits = values.astype(np.float64)
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def _sigmoid(values: NDArray[Any]) -> Floats:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-values.astype(np.float64))))

"""Heads of the families of detectors, against loops over single numbers."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sysnoise.transforms.model.decoding import Candidates, Decoding, candidates
from sysnoise.transforms.model.heads import (
    Activation,
    BoxesHead,
    BoxFormat,
    BoxUnits,
    TensorAxes,
    TensorHead,
    TensorValue,
)

WIDTH, HEIGHT = 96, 64
HOW = Decoding(
    np.array([True, True, True]), np.float64(0.3), width=WIDTH, height=HEIGHT, offset=0.0
)
BOX, OBJECTNESS, SCORES = TensorValue.BOX, TensorValue.OBJECTNESS, TensorValue.SCORES
SCORE, LABEL, OTHER = TensorValue.SCORE, TensorValue.LABEL, TensorValue.OTHER
BY_ROWS, BY_COLUMNS = TensorAxes.BOXES_VALUES, TensorAxes.VALUES_BOXES
CENTERED, EDGES = BoxFormat.CXCYWH, BoxFormat.XYXY
GIVEN = BoxesHead("boxes", "scores", None, EDGES, BoxUnits.PIXELS)


def tensor_head(axes: TensorAxes, values: list[TensorValue], kind: BoxFormat) -> TensorHead:
    return TensorHead("output", axes, tuple(values), kind, BoxUnits.PIXELS)


def drawn(boxes: int, width: int) -> NDArray[np.float32]:
    """Numbers of 0 to 1, the first four times the height of the input."""
    numbers = np.random.default_rng(3).random((boxes, width)).astype(np.float32)
    numbers[:, :4] *= HEIGHT
    return numbers


def found(made: Candidates) -> list[tuple[list[float], float, int]]:
    columns = (made.corners, made.scores, made.classes)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def edges(numbers: list[float]) -> list[float]:
    x, y, width, height = numbers
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def same(made: Candidates, expected: list[tuple[list[float], float, int]]) -> None:
    assert len(expected) > 5
    assert made.classes.tolist() == [label for _, _, label in expected]
    np.testing.assert_allclose(made.scores, [score for _, score, _ in expected], rtol=1e-12)
    np.testing.assert_allclose(made.corners, [box for box, _, _ in expected], rtol=1e-12)


@pytest.mark.parametrize("axes", TensorAxes)
def test_one_tensor_of_scores(axes: TensorAxes) -> None:
    """As YOLOv8 and YOLO11 give it, 84 x 8400, and RT-DETR of Ultralytics, 300 x 84."""
    table = drawn(20, 7)
    expected = [
        (edges(row[:4]), score, label)
        for row in table.tolist()
        for label, score in enumerate(row[4:])
        if score > 0.3
    ]
    tensor = table if axes is BY_ROWS else table.T
    same(candidates({"output": tensor}, tensor_head(axes, [BOX, SCORES], CENTERED), HOW), expected)


def test_one_tensor_with_objectness() -> None:
    """As YOLOv5 and YOLOv7 give it, 25200 x 85."""
    table = drawn(30, 8)
    expected = [
        (edges(row[:4]), row[4] * score, label)
        for row in table.tolist()
        for label, score in enumerate(row[5:])
        if row[4] * score > 0.3
    ]
    head = tensor_head(BY_ROWS, [BOX, OBJECTNESS, SCORES], CENTERED)
    same(candidates({"output": table}, head, HOW), expected)


def test_cells_of_several_grids_are_decoded_as_in_yolox() -> None:
    head = tensor_head(BY_ROWS, [BOX, OBJECTNESS, SCORES], CENTERED)
    head = dataclasses.replace(head, strides=(16, 32))
    cells = [
        (column, row, stride)
        for stride in (16, 32)
        for row in range(HEIGHT // stride)
        for column in range(WIDTH // stride)
    ]
    table = np.random.default_rng(4).random((len(cells), 8)).astype(np.float32)
    expected = []
    for (column, row, stride), numbers in zip(cells, table.tolist(), strict=True):
        x, y, width, height, objectness, *scores = numbers
        center = [(x + column) * stride, (y + row) * stride]
        box = edges([*center, math.exp(width) * stride, math.exp(height) * stride])
        expected += [
            (box, objectness * score, label)
            for label, score in enumerate(scores)
            if objectness * score > 0.3
        ]
    made = candidates({"output": table}, head, HOW)
    np.testing.assert_allclose(made.corners, [box for box, _, _ in expected], rtol=1e-6)
    assert made.classes.tolist() == [label for _, _, label in expected]
    more = np.vstack([table, np.ones((1, 8), np.float32)])
    with pytest.raises(ValueError, match="the grids of strides 16, 32 have 30 cells at this input"):
        candidates({"output": more}, head, HOW)


def test_boxes_that_were_suppressed_in_the_model() -> None:
    """YOLOv10 and YOLO26 give x1, y1, x2, y2, score, class; YOLOv7 the image before them."""
    rows = [[0, 1, 8, 9, 0.9, 2], [4, 4, 6, 8, 0.25, 0], [1, 1, 2, 2, 0.5, 0]]
    expected = [([0, 1, 8, 9], np.float32(0.9), 2), ([1, 1, 2, 2], 0.5, 0)]
    head = tensor_head(BY_ROWS, [BOX, SCORE, LABEL], EDGES)
    assert found(candidates({"output": np.array(rows, np.float32)}, head, HOW)) == expected
    head = tensor_head(BY_ROWS, [OTHER, BOX, LABEL, SCORE], EDGES)
    other = [[0, *row[:4], row[5], row[4]] for row in rows]
    assert found(candidates({"output": np.array(other, np.float32)}, head, HOW)) == expected


def test_a_tensor_of_another_width() -> None:
    head = tensor_head(BY_ROWS, [BOX, OBJECTNESS, SCORES], CENTERED)
    with pytest.raises(ValueError, match=r"^output 'output' has 7 numbers per box, expected 8$"):
        candidates({"output": drawn(5, 7)}, head, HOW)


def test_logits_become_scores() -> None:
    """DETR's softmax, whose last class is no object, and the sigmoid of RT-DETR."""
    logits = np.random.default_rng(5).normal(0, 2, (12, 4)).astype(np.float32)
    boxes = drawn(12, 4)
    last_is_none = dataclasses.replace(HOW, counted=np.array([True, True, True, False]))
    expected: dict[Activation, list[Any]] = {Activation.SOFTMAX: [], Activation.SIGMOID: []}
    for box, row in zip(boxes.tolist(), logits.tolist(), strict=True):
        total = sum(math.exp(number) for number in row)
        for label, number in enumerate(row[:3]):
            softmax, sigmoid = math.exp(number) / total, 1 / (1 + math.exp(-number))
            if softmax > 0.3:
                expected[Activation.SOFTMAX].append((box, softmax, label))
            if sigmoid > 0.3:
                expected[Activation.SIGMOID].append((box, sigmoid, label))
    for activation in Activation:
        head = dataclasses.replace(GIVEN, activation=activation)
        made = candidates({"boxes": boxes, "scores": logits}, head, last_is_none)
        same(made, expected[activation])


def test_classes_without_a_category_are_left_out() -> None:
    """The background and the gaps of COCO's ids, as torchvision counts them from 1."""
    how = dataclasses.replace(HOW, counted=np.array([False, True, False, True]))
    outputs = {
        "boxes": drawn(5, 4),
        "scores": np.array([0.9, 0.8, 0.7, 0.6, 0.1], np.float32),
        "labels": np.array([3, 2, 0, 1, 9]),
    }
    made = candidates(outputs, dataclasses.replace(GIVEN, labels="labels"), how)
    assert made.classes.tolist() == [3, 1]
    assert made.corners.tolist() == outputs["boxes"][[0, 3]].tolist()
    outputs["scores"] = np.tile(outputs["scores"][:, None], (1, 4))
    made = candidates(outputs, GIVEN, how)
    assert made.classes.tolist() == [1, 3] * 4


def test_classes_that_are_counted_from_1_are_refused_with_the_way_on() -> None:
    outputs: dict[str, NDArray[Any]] = {"boxes": drawn(2, 4), "scores": np.ones(2)}
    outputs["labels"] = np.array([3, 1])
    with pytest.raises(ValueError, match=r"gives class 3, .* put null before the first category$"):
        candidates(outputs, dataclasses.replace(GIVEN, labels="labels"), HOW)


def test_boxes_with_a_dimension_of_one_between() -> None:
    """As the PyTorch port of YOLOv4 gives them, N x boxes x 1 x 4."""
    boxes = drawn(5, 4)
    scores = np.ones((5, 3), np.float32)
    made, flat = (
        candidates({"boxes": each, "scores": scores}, GIVEN, HOW)
        for each in (boxes[:, np.newaxis], boxes)
    )
    assert found(made) == found(flat)

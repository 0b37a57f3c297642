"""Heads to boxes: straight-line formulas, brute-force suppression, and boxes worked out by hand."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sysnoise.transforms.geometry import Native, Placement, place_letterbox
from sysnoise.transforms.model.boxes import (
    BoxOffset,
    Detections,
    Detector,
    Nms,
    NmsClasses,
    detect,
    offset_matters,
)
from sysnoise.transforms.model.heads import (
    BoxesHead,
    BoxFormat,
    BoxUnits,
    YoloHead,
    YoloOutput,
)
from sysnoise.transforms.model.suppression import suppress
from sysnoise.transforms.pixels import Size

ANCHORS = ((10.0, 20.0), (30.0, 15.0))
GIVEN = BoxesHead("boxes", "scores", None, BoxFormat.XYXY, BoxUnits.PIXELS)
DETECTOR = Detector(GIVEN, categories=(1, 2, 3), score_threshold=0.5, nms=None, max_detections=100)


def detector(**changes: Any) -> Detector:
    return dataclasses.replace(DETECTOR, **changes)


def given(box_format: BoxFormat, units: BoxUnits = BoxUnits.PIXELS) -> BoxesHead:
    return dataclasses.replace(GIVEN, format=box_format, units=units)


def whole(width: int, height: int) -> Placement:
    """The placement of an image that is the model's input as it stands."""
    return Native().place(Size(width, height), 0, "")


def outputs(boxes: Any, scores: Any) -> dict[str, NDArray[Any]]:
    return {"boxes": np.array(boxes, np.float32), "scores": np.array(scores, np.float32)}


def found(detections: Detections) -> list[tuple[list[float], float, int]]:
    columns = (detections.boxes, detections.scores, detections.classes)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def plain_yolo(
    grids: Mapping[str, NDArray[np.float32]],
    head: YoloHead,
    size: tuple[int, int],
    threshold: float,
) -> list[tuple[list[float], float, int]]:
    """Decode in loops: center, size, score and class in the order of the outputs."""
    decoded = []
    for output in head.outputs:
        channels, rows, columns = grids[output.name].shape
        fields = channels // len(output.anchors)
        for number, (width, height) in enumerate(output.anchors):
            for row in range(rows):
                for column in range(columns):
                    first = number * fields
                    cell = grids[output.name][first : first + fields, row, column].tolist()
                    box = [
                        (sigmoid(cell[0]) + column) / columns * size[0],
                        (sigmoid(cell[1]) + row) / rows * size[1],
                        math.exp(cell[2]) * width,
                        math.exp(cell[3]) * height,
                    ]
                    for label, logit in enumerate(cell[5:]):
                        score = sigmoid(cell[4]) * sigmoid(logit)
                        if score > threshold:
                            decoded.append((box, score, label))
    return decoded


def plain_iou(one: Any, other: Any, last: float) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0]) + last
    height = min(one[3], other[3]) - max(one[1], other[1]) + last
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0] + last) * (box[3] - box[1] + last) for box in (one, other)]
    return float(shared / (sum(areas) - shared))


def plain_suppression(corners: Any, classes: Any, iou: float, last: float) -> list[int]:
    kept: list[int] = []
    for place, corner in enumerate(corners):
        rivals = [other for other in kept if classes[other] == classes[place]]
        if all(plain_iou(corner, corners[other], last) <= iou for other in rivals):
            kept.append(place)
    return kept


@pytest.mark.parametrize(
    "placement", [whole(96, 64), place_letterbox(Size(200, 50), Size(96, 64), 114)]
)
@pytest.mark.parametrize("threshold", [0.001, 0.3])
def test_yolo_grids_are_decoded_as_darknet_does(placement: Placement, threshold: float) -> None:
    generator = np.random.default_rng(0)
    head = YoloHead((YoloOutput("coarse", ANCHORS), YoloOutput("fine", ANCHORS[:1])))
    grids = {
        "coarse": generator.normal(0, 2, (16, 2, 3)).astype(np.float32),
        "fine": generator.normal(0, 2, (8, 4, 6)).astype(np.float32),
    }
    expected = plain_yolo(grids, head, (96, 64), threshold)
    expected.sort(key=lambda each: -each[1])
    detections = detect(
        grids,
        detector(head=head, score_threshold=threshold, max_detections=10**6),
        placement,
        BoxOffset.NONE,
    )
    assert len(expected) > 10
    np.testing.assert_allclose(detections.scores, [score for _, score, _ in expected], rtol=1e-12)
    assert detections.classes.tolist() == [label for _, _, label in expected]
    left, top = placement.pad.x, placement.pad.y
    right, lower = left + placement.resized.width, top + placement.resized.height
    for box, (center, _, _) in zip(detections.boxes, expected, strict=True):
        x, y, width, height = center
        x1, x2 = (min(max(edge, left), right) for edge in (x - width / 2, x + width / 2))
        y1, y2 = (min(max(edge, top), lower) for edge in (y - height / 2, y + height / 2))
        across = placement.source.width / placement.resized.width
        down = placement.source.height / placement.resized.height
        stored = [(x1 - left) * across, (y1 - top) * down, (x2 - x1) * across, (y2 - y1) * down]
        np.testing.assert_allclose(box, stored, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(
    ("box_format", "numbers"),
    [
        (BoxFormat.XYXY, [10, 20, 30, 60]),
        (BoxFormat.YXYX, [20, 10, 60, 30]),
        (BoxFormat.XYWH, [10, 20, 20, 40]),
        (BoxFormat.CXCYWH, [20, 40, 20, 40]),
    ],
)
def test_formats_and_units_of_boxes(box_format: BoxFormat, numbers: list[int]) -> None:
    expected = [([10, 20, 20, 40], 0.75, 2)]
    made = outputs([numbers], [[0.1, 0.5, 0.75]])
    head = given(box_format)
    assert found(detect(made, detector(head=head), whole(64, 128), BoxOffset.NONE)) == expected
    head = given(box_format, BoxUnits.NORMALIZED)
    upright = box_format is BoxFormat.YXYX
    made["boxes"] /= np.array([128, 64, 128, 64] if upright else [64, 128, 64, 128], np.float32)
    assert found(detect(made, detector(head=head), whole(64, 128), BoxOffset.NONE)) == expected


def test_a_box_of_several_classes_is_a_detection_of_each_above_the_threshold() -> None:
    made = outputs([[0, 0, 4, 4], [8, 8, 12, 12]], [[0.75, 0.5, 1], [0.5, 0.875, 0]])
    assert found(detect(made, DETECTOR, whole(16, 16), BoxOffset.NONE)) == [
        ([0, 0, 4, 4], 1, 2),
        ([8, 8, 4, 4], 0.875, 1),
        ([0, 0, 4, 4], 0.75, 0),
    ]


def test_classes_that_the_model_gives() -> None:
    head = dataclasses.replace(GIVEN, labels="labels")
    made = outputs([[0, 0, 4, 4], [8, 8, 12, 12], [0, 0, 1, 1]], [0.75, 1, 0.25])
    made["labels"] = np.array([2, 0, 9])
    expected = [([8, 8, 4, 4], 1, 0), ([0, 0, 4, 4], 0.75, 2)]
    for kind in (np.int64, np.float32):
        made["labels"] = made["labels"].astype(kind)
        result = detect(made, detector(head=head), whole(16, 16), BoxOffset.NONE)
        assert found(result) == expected
    made["scores"][2] = 1
    message = "^the model gives class 9, and the config has 3 categories, for classes from 0 to 2$"
    with pytest.raises(ValueError, match=message):
        detect(made, detector(head=head), whole(16, 16), BoxOffset.NONE)


def test_half_precision_is_read_as_it_stands() -> None:
    made = outputs([[0, 0, 4, 4]], [[0.1, 0.7, 0.2]])
    halves = {name: each.astype(np.float16) for name, each in made.items()}
    detections = detect(halves, DETECTOR, whole(16, 16), BoxOffset.NONE)
    assert found(detections) == [([0, 0, 4, 4], float(np.float16(0.7)), 1)]
    assert detections.boxes.dtype == detections.scores.dtype == np.float64
    assert detections.classes.dtype == np.int64


@pytest.mark.parametrize("nms", [None, Nms(0.5)])
def test_nothing_is_found(nms: Nms | None) -> None:
    head = YoloHead((YoloOutput("grid", ANCHORS),))
    low = {"grid": np.full((16, 2, 2), -1000, np.float32)}
    low |= outputs(np.zeros((5, 4)), np.full((5, 3), 0.5))
    for each in (head, GIVEN):
        made = detector(head=each, nms=nms)
        detections = detect(low, made, whole(16, 16), BoxOffset.NONE)
        assert detections.boxes.shape == (0, 4)
        assert found(detections) == []


def test_what_is_not_a_number_is_left_out_and_what_is_endless_is_clipped() -> None:
    numbers = [[0, 0, 4, np.nan], [0, 0, np.inf, np.inf], [0, 0, 4, 4]]
    made = outputs(numbers, [[1, 0, 0], [0.75, 0, 0], [np.nan, 0, 0]])
    head = given(BoxFormat.CXCYWH)
    detections = detect(made, detector(head=head, nms=Nms(0.5)), whole(16, 8), BoxOffset.NONE)
    assert found(detections) == [([0, 0, 16, 8], 0.75, 0)]
    grid = np.zeros((8, 1, 1), np.float32)
    grid[2:4] = 1000
    grid[4:6] = 1000
    head_of_grid = YoloHead((YoloOutput("grid", ANCHORS[:1]),))
    made = {"grid": grid}
    detections = detect(made, detector(head=head_of_grid), whole(16, 8), BoxOffset.NONE)
    assert found(detections) == [([0, 0, 16, 8], 1, 0)]


@pytest.mark.parametrize("last", [0.0, 1.0])
@pytest.mark.parametrize(("boxes", "classes", "spread"), [(40, 1, 20), (700, 3, 60), (65, 9, 5)])
def test_suppression_is_the_greedy_one(boxes: int, classes: int, spread: int, last: float) -> None:
    generator = np.random.default_rng(boxes)
    lower = generator.random((boxes, 2)) * spread
    corners = np.hstack([lower, lower + generator.random((boxes, 2)) * 40])
    labels = generator.integers(0, classes, boxes)
    expected = plain_suppression(corners, labels, 0.45, last)
    assert 1 < len(expected) < boxes
    for most in (1, 7, 10**6):
        kept = suppress(corners, labels, 0.45, most, last)
        assert kept.tolist() == expected[:most]


def test_classes_are_compared_separately_or_together() -> None:
    made = outputs(
        [[0, 0, 8, 8], [0, 0, 8, 7], [0, 0, 8, 8]], [[1, 0, 0], [0, 0.9, 0], [0.8, 0, 0]]
    )
    for nms, expected in ((Nms(0.5), [0, 1]), (Nms(0.5, NmsClasses.TOGETHER), [0])):
        detections = detect(made, detector(nms=nms), whole(8, 8), BoxOffset.NONE)
        assert detections.classes.tolist() == expected


def test_of_equal_scores_the_earlier_box_is_the_better() -> None:
    made = outputs([[4, 4, 8, 8], [0, 0, 4, 4], [4, 4, 8, 8.5]], [[1, 0, 0]] * 3)
    for nms, expected in ((None, [4, 0, 4]), (Nms(0.5), [4, 0])):
        detections = detect(made, detector(nms=nms), whole(16, 16), BoxOffset.NONE)
        assert detections.boxes[:, 0].tolist() == expected
    many = outputs(
        [[x, 0, x + 1, 1] for x in range(50)], [[0.6 + x % 3 / 10, 0, 0] for x in range(50)]
    )
    detections = detect(many, DETECTOR, whole(64, 64), BoxOffset.NONE)
    assert detections.boxes[:, 0].tolist() == sorted(range(50), key=lambda x: (-(x % 3), x))


def test_suppression_starts_above_the_threshold_and_not_at_it() -> None:
    made = outputs([[0, 0, 8, 8], [0, 0, 4, 8]], [[1, 0, 0], [0.9, 0, 0]])  # IoU 0.5
    for iou, count in ((0.5, 2), (0.4999, 1)):
        detections = detect(made, detector(nms=Nms(iou)), whole(8, 8), BoxOffset.NONE)
        assert len(detections.scores) == count


def test_only_the_best_detections_are_kept() -> None:
    corners = [[8 * place, 0, 8 * place + 8, 8] for place in range(5)]
    scores = [[score, 0, 0] for score in (0.6, 0.9, 0.7, 1, 0.8)]
    for nms in (None, Nms(0.5)):
        made = detector(nms=nms, max_detections=3)
        detections = detect(outputs(corners, scores), made, whole(64, 64), BoxOffset.NONE)
        assert detections.boxes[:, 0].tolist() == [24, 8, 32]


@pytest.mark.parametrize(
    ("box_format", "numbers"), [(BoxFormat.CXCYWH, [8, 16, 8, 8]), (BoxFormat.XYWH, [4, 12, 8, 8])]
)
def test_box_whose_last_pixel_counts_is_a_pixel_smaller(
    box_format: BoxFormat, numbers: list[int]
) -> None:
    made = outputs([numbers], [[1, 0, 0]])
    boxes = {
        offset: found(detect(made, detector(head=given(box_format)), whole(64, 64), offset))[0][0]
        for offset in BoxOffset
    }
    assert boxes[BoxOffset.NONE] == [4, 12, 8, 8]
    assert boxes[BoxOffset.DECODE] == boxes[BoxOffset.ALL] == [4, 12, 7, 7]
    # What the evaluator makes of it: 49 of 64 pixels.
    x, y, width, height = boxes[BoxOffset.DECODE]
    assert plain_iou([4, 12, 12, 20], [x, y, x + width, y + height], 0) == 49 / 64
    assert round(49 / 64, 3) == 0.766


def test_the_pixel_is_one_of_the_models_input() -> None:
    grid = np.zeros((8, 2, 2), np.float32)
    grid[4:6, 0, 0] = 20  # One box, with its center in the first cell: (8, 8) of 32 x 32.
    grid[4, 0, 1] = grid[4, 1] = -20
    head = YoloHead((YoloOutput("grid", ((8.0, 8.0),)),))
    placement = place_letterbox(
        Size(128, 64), Size(32, 32), 114
    )  # Four times smaller, from row 8 on.
    for offset, expected in (
        (BoxOffset.NONE, [16, 0, 32, 16]),
        (BoxOffset.DECODE, [16, 0, 28, 12]),
        (BoxOffset.ALL, [16, 0, 28, 12]),
    ):
        detections = detect({"grid": grid}, detector(head=head), placement, offset)
        np.testing.assert_allclose(detections.boxes, [expected])


def test_suppression_in_both_conventions() -> None:
    """Two boxes of 8 pixels, 2 apart: 6 of 10 columns shared; of 7 pixels, 5 of 9."""
    made = outputs([[4, 4, 8, 8], [6, 4, 8, 8]], [[1, 0, 0], [0.9, 0, 0]])
    counts = {}
    for offset in BoxOffset:
        one = detector(head=given(BoxFormat.XYWH), nms=Nms(0.58))
        counts[offset] = len(detect(made, one, whole(64, 64), offset).scores)
    assert counts == {BoxOffset.NONE: 1, BoxOffset.DECODE: 2, BoxOffset.ALL: 1}


def test_corners_that_the_model_gives_are_decoded_by_nobody() -> None:
    """Sides of 4 and a distance of 2: 2 of 6 columns shared, or 3 of 7 where the last counts."""
    made = outputs([[0, 0, 4, 4], [2, 0, 6, 4]], [[1, 0, 0], [0.9, 0, 0]])
    one = detector(nms=Nms(0.4))
    none, decode, everywhere = (
        found(detect(made, one, whole(64, 64), offset)) for offset in BoxOffset
    )
    assert none == decode == [([0, 0, 4, 4], 1, 0), ([2, 0, 4, 4], float(np.float32(0.9)), 0)]
    assert everywhere == none[:1]


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        # Edges at -2 and 18, or 17 where the last pixel counts; the image ends at 16, or 15.
        (BoxOffset.NONE, [0, 0, 16, 16]),
        (BoxOffset.DECODE, [0, 0, 16, 16]),
        (BoxOffset.ALL, [0, 0, 15, 15]),
    ],
)
def test_clipping_in_both_conventions(offset: BoxOffset, expected: list[int]) -> None:
    made = outputs([[8, 8, 20, 20]], [[1, 0, 0]])
    one = detector(head=given(BoxFormat.CXCYWH))
    assert found(detect(made, one, whole(16, 16), offset)) == [(expected, 1, 0)]


def test_boxes_smaller_than_the_pixel_that_is_taken_off_have_no_size() -> None:
    made = outputs([[8, 8, 0.5, 4]], [[1, 0, 0]])
    one = detector(head=given(BoxFormat.CXCYWH), nms=Nms(0.5))
    for offset in (BoxOffset.DECODE, BoxOffset.ALL):
        assert found(detect(made, one, whole(16, 16), offset)) == [([7.75, 6, 0, 3], 1, 0)]


@pytest.mark.parametrize("head", [YoloHead(()), *map(given, BoxFormat)])
def test_which_conventions_matter(head: YoloHead | BoxesHead) -> None:
    corners = isinstance(head, BoxesHead) and head.format in (BoxFormat.XYXY, BoxFormat.YXYX)
    matters = [offset_matters(head, offset) for offset in BoxOffset]
    assert matters == [False, not corners, True]

"""Anchors and boxes relative to them, against the paper's formulas number by number."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sysnoise.transforms.geometry import Native
from sysnoise.transforms.model.anchors import anchor_corners, decode_deltas, level_counts
from sysnoise.transforms.model.boxes import (
    BoxOffset,
    Detector,
    Nms,
    detect,
    offset_matters,
)
from sysnoise.transforms.model.decoding import Decoding, candidates
from sysnoise.transforms.model.heads import (
    Activation,
    AnchorEdges,
    AnchorLevel,
    AnchorsHead,
    AnchorSpacing,
)
from sysnoise.transforms.pixels import Size

WIDTH, HEIGHT = 100, 70
LEVELS = (
    AnchorLevel(8, ((16.0, 16.0), (23.0, 11.5))),
    AnchorLevel(32, ((45.2, 22.6),)),
)
HEAD = AnchorsHead(
    scores="scores",
    deltas="deltas",
    activation=Activation.SIGMOID,
    weights=(10.0, 10.0, 5.0, 5.0),
    proposals=None,
    levels=LEVELS,
    spacing=AnchorSpacing.STRIDE,
    center=0.0,
    edges=AnchorEdges.EXACT,
    candidates=None,
)
ANCHORS = 13 * 9 * 2 + 4 * 3
Box = list[float]


def plain_anchors(spacing: AnchorSpacing, center: float, edges: AnchorEdges) -> list[Box]:
    made = []
    for level in LEVELS:
        columns, rows = -(-WIDTH // level.stride), -(-HEIGHT // level.stride)
        across = level.stride if spacing is AnchorSpacing.STRIDE else WIDTH // columns
        down = level.stride if spacing is AnchorSpacing.STRIDE else HEIGHT // rows
        for row in range(rows):
            for column in range(columns):
                x, y = (column + center) * across, (row + center) * down
                for width, height in level.anchors:
                    half, upper = width / 2, height / 2
                    if edges is AnchorEdges.ROUNDED:
                        half, upper = round(half), round(upper)
                    made.append([x - half, y - upper, x + half, y + upper])
    return made


def with_center(box: Box, offset: int) -> Box:
    """The paper's ``xyxy2xywh``, which counts the last pixel if the offset is 1."""
    x1, y1, x2, y2 = box
    width, height = x2 - x1 + offset, y2 - y1 + offset
    return [x1 + 0.5 * width, y1 + 0.5 * height, width, height]


def plain_decode(anchor: Box, delta: Box, weights: tuple[float, ...], offset: int) -> Box:
    x, y, width, height = with_center(anchor, offset)
    dx, dy, dw, dh = (each / weight for each, weight in zip(delta, weights, strict=True))
    dw, dh = min(dw, math.log(1000 / 16)), min(dh, math.log(1000 / 16))
    x, y = dx * width + x, dy * height + y
    width, height = math.exp(dw) * width, math.exp(dh) * height
    return [
        x - 0.5 * width,
        y - 0.5 * height,
        x + 0.5 * width - offset,
        y + 0.5 * height - offset,
    ]


def overlap(one: Box, other: Box, offset: int, iou: float) -> bool:
    """Whether the intersection over union exceeds a limit; boxes without an area never do."""
    width = min(one[2], other[2]) - max(one[0], other[0]) + offset
    height = min(one[3], other[3]) - max(one[1], other[1]) + offset
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (one, other)]
    return shared > iou * (sum(areas) - shared)


def drawn(classes: int, per_class: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    generator = np.random.default_rng(2)
    scores = generator.normal(-1, 2, (ANCHORS, classes)).astype(np.float32)
    deltas = generator.normal(0, 3, (ANCHORS, 4 * per_class)).astype(np.float32)
    deltas[3, 2:4] = 100  # More than the logarithm of 1000 / 16.
    return scores, deltas


@pytest.mark.parametrize("spacing", AnchorSpacing)
@pytest.mark.parametrize("center", [0, 0.5])
@pytest.mark.parametrize("edges", AnchorEdges)
def test_anchors_of_all_levels(spacing: AnchorSpacing, center: float, edges: AnchorEdges) -> None:
    head = dataclasses.replace(HEAD, spacing=spacing, center=center, edges=edges)
    expected = plain_anchors(spacing, center, edges)
    np.testing.assert_allclose(anchor_corners(head, WIDTH, HEIGHT), expected, atol=1e-12)
    assert level_counts(head, WIDTH, HEIGHT) == [13 * 9 * 2, 4 * 3]
    assert len(expected) == ANCHORS


@pytest.mark.parametrize("offset", [0, 1])
def test_boxes_relative_to_anchors(offset: int) -> None:
    anchors = anchor_corners(HEAD, WIDTH, HEIGHT)
    _, deltas = drawn(1, 1)
    expected = [
        plain_decode(anchor, delta, HEAD.weights, offset)
        for anchor, delta in zip(anchors.tolist(), deltas.tolist(), strict=True)
    ]
    made = decode_deltas(anchors, deltas.astype(np.float64), HEAD.weights, float(offset))
    np.testing.assert_allclose(made, expected, rtol=1e-12, atol=1e-9)
    assert np.isfinite(made).all()


def plain_detections(
    scores: NDArray[Any], deltas: NDArray[Any], offsets: tuple[int, int], iou: float
) -> list[tuple[Box, float, int]]:
    """Decode, clip and suppress; the first offset is that of decoding, the other of the rest."""
    decoding, comparing = offsets
    anchors = plain_anchors(HEAD.spacing, HEAD.center, HEAD.edges)
    found = []
    for anchor, row, delta in zip(anchors, scores.tolist(), deltas.tolist(), strict=True):
        for label, logit in enumerate(row):
            score = 1 / (1 + math.exp(-logit))
            if score > 0.6:
                of_class = delta[4 * label : 4 * label + 4] if len(delta) > 4 else delta
                box = plain_decode(anchor, of_class, HEAD.weights, decoding)
                most = [WIDTH - comparing, HEIGHT - comparing] * 2
                clipped = [min(max(edge, 0), limit) for edge, limit in zip(box, most, strict=True)]
                found.append((clipped, score, label))
    found.sort(key=lambda each: -each[1])
    kept: list[tuple[Box, float, int]] = []
    for each in found:
        rivals = [other for other in kept if other[2] == each[2]]
        if not any(overlap(each[0], other[0], comparing, iou) for other in rivals):
            kept.append(each)
    return kept


@pytest.mark.parametrize("per_class", [1, 3])
@pytest.mark.parametrize("offset", BoxOffset)
def test_detections_in_each_convention(per_class: int, offset: BoxOffset) -> None:
    scores, deltas = drawn(3, per_class)
    offsets = {BoxOffset.NONE: (0, 0), BoxOffset.DECODE: (1, 0), BoxOffset.ALL: (1, 1)}[offset]
    expected = plain_detections(scores, deltas, offsets, 0.3)
    detector = Detector(HEAD, (1, 2, 3), 0.6, Nms(0.3), 10**6)
    whole = Native().place(Size(WIDTH, HEIGHT), 0, "")
    made = detect({"scores": scores, "deltas": deltas}, detector, whole, offset)
    assert len(expected) > 30
    assert made.classes.tolist() == [label for _, _, label in expected]
    np.testing.assert_allclose(made.scores, [score for _, score, _ in expected], rtol=1e-12)
    boxes = [[x1, y1, x2 - x1, y2 - y1] for (x1, y1, x2, y2), _, _ in expected]
    np.testing.assert_allclose(made.boxes, boxes, rtol=1e-10, atol=1e-9)
    assert offset_matters(HEAD, offset) == (offset is not BoxOffset.NONE)


@pytest.mark.parametrize("most", [1, 5, 40, 1000])
def test_the_best_of_each_level_are_decoded(most: int) -> None:
    scores, deltas = drawn(3, 1)
    scores = np.round(scores)  # With equal ones, of which the earlier are kept.
    head = dataclasses.replace(HEAD, candidates=most)
    expected = []
    for start, end in ((0, 13 * 9 * 2), (13 * 9 * 2, ANCHORS)):
        of_level = [
            (-scores[place, label], place, label)
            for place in range(start, end)
            for label in range(3)
            if scores[place, label] > 0
        ]
        expected += sorted(of_level)[:most]
    counted = np.array([True, True, True])
    how = Decoding(counted, np.float64(0.5), width=WIDTH, height=HEIGHT, offset=0.0)
    made = candidates({"scores": scores, "deltas": deltas}, head, how)
    by_place = sorted(expected, key=lambda each: each[1:])
    assert made.classes.tolist() == [label for _, _, label in by_place]
    corners = decode_deltas(
        anchor_corners(HEAD, WIDTH, HEIGHT), deltas.astype(np.float64), HEAD.weights, 0.0
    )
    assert np.array_equal(made.corners, corners[[place for _, place, _ in by_place]])


def test_the_conventions_differ() -> None:
    """A box as large as its anchor is the same in both; others are not."""
    anchors = np.array([[0.0, 0.0, 10.0, 20.0]])
    same, larger = np.zeros((1, 4)), np.array([[0, 0, math.log(2), 0]])
    ones = (1.0, 1.0, 1.0, 1.0)
    for offset in (0.0, 1.0):
        assert decode_deltas(anchors, same, ones, offset).tolist() == anchors.tolist()
    np.testing.assert_allclose(decode_deltas(anchors, larger, ones, 0.0), [[-5, 0, 15, 20]])
    np.testing.assert_allclose(decode_deltas(anchors, larger, ones, 1.0), [[-5.5, 0, 15.5, 20]])


def test_boxes_of_a_first_stage_stand_for_anchors() -> None:
    scores, deltas = drawn(3, 3)
    anchors = anchor_corners(HEAD, WIDTH, HEIGHT).astype(np.float32)
    outputs = {"scores": scores, "deltas": deltas, "proposals": anchors}
    second = dataclasses.replace(HEAD, proposals="proposals", levels=())
    whole = Native().place(Size(WIDTH, HEIGHT), 0, "")
    made, expected = (
        detect(outputs, Detector(head, (1, 2, 3), 0.6, None, 10**6), whole, BoxOffset.ALL)
        for head in (second, HEAD)
    )
    np.testing.assert_allclose(made.boxes, expected.boxes, rtol=1e-5, atol=1e-5)
    assert second.names == ("scores", "deltas", "proposals")


def test_no_boxes_of_a_first_stage_are_no_detections() -> None:
    head = dataclasses.replace(HEAD, proposals="proposals", levels=())
    outputs = {name: np.zeros((0, 4), np.float32) for name in ("deltas", "proposals")}
    outputs["scores"] = np.zeros((0, 3), np.float32)
    whole = Native().place(Size(WIDTH, HEIGHT), 0, "")
    made = detect(outputs, Detector(head, (1, 2, 3), 0.6, Nms(0.5), 100), whole, BoxOffset.NONE)
    assert made.boxes.shape == (0, 4)


def test_another_number_of_anchors_is_refused() -> None:
    scores, deltas = drawn(3, 1)
    whole = Native().place(Size(WIDTH + 8, HEIGHT), 0, "")
    detector = Detector(HEAD, (1, 2, 3), 0.6, None, 100)
    with pytest.raises(ValueError, match="there are 264 anchors at 108 x 70 pixels, and the"):
        detect({"scores": scores, "deltas": deltas}, detector, whole, BoxOffset.NONE)

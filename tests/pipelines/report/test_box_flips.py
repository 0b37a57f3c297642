"""Boxes of two settings against each other, by hand and by the formula of their overlap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sysnoise.pipelines.report.box_flips import BoxChange, compare_boxes, reduced
from sysnoise.pipelines.scoring.result_files import ResultDetections, Shape

VANISHED, APPEARED = BoxChange.VANISHED, BoxChange.APPEARED
MOVED, STAYED = BoxChange.MOVED, BoxChange.STAYED


def detections(*found: tuple[int, list[float]]) -> ResultDetections | None:
    """Boxes of an image with their categories; the first one has the score 0.9, the next 0.8."""
    if not found:
        return None
    return ResultDetections(
        np.ones(len(found), np.int64),
        np.array([category for category, _ in found], np.int64),
        np.linspace(0.9, 1 - len(found) / 10, len(found)),
        {Shape.BOX: np.array([box for _, box in found], np.float64)},
    )


PLACE = [10.0, 20.0, 100.0, 50.0]
NEAR = [30.0, 20.0, 100.0, 50.0]
FAR = [300.0, 20.0, 100.0, 50.0]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [], []),
        ([(1, PLACE)], [(1, PLACE)], [STAYED]),
        ([(1, PLACE)], [(1, NEAR)], [MOVED]),
        ([(1, PLACE)], [], [VANISHED]),
        ([], [(1, PLACE)], [APPEARED]),
        ([(1, PLACE)], [(1, FAR)], [VANISHED, APPEARED]),
        ([(1, PLACE)], [(2, PLACE)], [VANISHED, APPEARED]),
        ([(1, PLACE)], [(1, NEAR), (1, PLACE)], [STAYED, APPEARED]),
        ([(1, NEAR), (1, PLACE)], [(1, PLACE)], [STAYED, VANISHED]),
    ],
    ids=[
        *("nothing", "same", "moved", "vanished", "appeared", "far", "category", "second", "first"),
    ],
)
def test_what_becomes_of_boxes(before: Any, after: Any, expected: list[BoxChange]) -> None:
    found = compare_boxes(detections(*before), detections(*after))
    assert [each.change for each in found] == expected


def test_boxes_and_scores_are_those_of_both_settings() -> None:
    moved, lost = compare_boxes(detections((7, PLACE), (7, FAR)), detections((3, FAR), (7, NEAR)))[
        :2
    ]
    assert (moved.category, moved.before, moved.after) == (7, tuple(PLACE), tuple(NEAR))
    assert moved.scores == pytest.approx((0.9, 0.8))
    assert (lost.change, lost.before, lost.after) == (VANISHED, tuple(FAR), None)
    assert lost.scores == pytest.approx((0.8,))


def overlap(one: list[float], other: list[float]) -> float:
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def test_pairs_overlap_most_and_no_box_is_in_two() -> None:
    """Pairs are taken from all that are left, until none overlaps by half."""
    generator = np.random.default_rng(0)
    for _ in range(50):
        sides = [
            [(int(generator.integers(2)), generator.uniform(1, 60, 4).tolist()) for _ in range(n)]
            for n in generator.integers(1, 9, 2)
        ]
        left: list[list[Any]] = [list(enumerate(side)) for side in sides]
        expected = []
        while True:
            candidates = [
                (overlap(one[1][1], other[1][1]), one, other)
                for one in left[0]
                for other in left[1]
                if one[1][0] == other[1][0]
            ]
            best = max(candidates, key=lambda each: each[0], default=(0.0, None, None))
            if best[0] < 0.5:
                break
            for side, each in zip(left, best[1:], strict=True):
                side.remove(each)
            expected.append((tuple(best[1][1][1]), tuple(best[2][1][1])))  # type: ignore[index]
        found = compare_boxes(detections(*sides[0]), detections(*sides[1]))
        pairs = [(each.before, each.after) for each in found if each.before and each.after]
        assert pairs == expected
        assert sum(each.change is VANISHED for each in found) == len(left[0])
        assert sum(each.change is APPEARED for each in found) == len(left[1])


def test_pictures_are_reduced_to_means() -> None:
    generator = np.random.default_rng(1)
    pixels = generator.integers(0, 256, (960, 640, 3), np.uint8)
    small = reduced(pixels)
    assert small.shape == (320, 213, 3)
    blocks = pixels[:960, :320].reshape(480, 2, 160, 2, 3)
    halved = reduced(np.ascontiguousarray(pixels[:640, :320]))
    expected = blocks[:320].mean((1, 3))
    assert np.abs(halved - expected).max() <= 1
    assert np.array_equal(reduced(small), small)

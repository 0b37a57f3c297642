"""Lines of boxes for Ultralytics, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from sysnoise.pipelines.export.boxes import label_lines

GEOMETRY = {"output_width": 200, "output_height": 100}


def lines(**annotation: Any) -> list[str]:
    fields = {"geometry": GEOMETRY, "annotations": [{"category_id": 7, **annotation}]}
    return list(label_lines(fields, {7: 3}))


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([20, 10, 40, 20], "3 0.200000000 0.200000000 0.200000000 0.200000000\n"),
        ([-20, 90, 60, 20], "3 0.100000000 0.950000000 0.200000000 0.100000000\n"),
        ([0, 0, 200, 100], "3 0.500000000 0.500000000 1.000000000 1.000000000\n"),
    ],
    ids=["inside", "cut-off", "whole-image"],
)
def test_boxes_are_centers_and_sizes(box: list[float], expected: str) -> None:
    assert lines(bbox=box) == lines(bbox=box, iscrowd=0) == [expected]


@pytest.mark.parametrize(
    "annotation",
    [
        {"bbox": [20, 10, 40, 20], "iscrowd": 1},
        {},
        {"bbox": None},
        {"bbox": [20, 10, 0, 20]},
        {"bbox": [200, 10, 5, 5]},
    ],
    ids=["crowd", "no-box", "null", "no-width", "outside"],
)
def test_objects_that_are_no_boxes_of_one_thing_are_left_out(annotation: dict[str, Any]) -> None:
    assert lines(**annotation) == []


@pytest.mark.parametrize("box", [[float("nan"), 0, 1, 1], [0, 0, float("inf"), 1], [1, 2], "box"])
def test_boxes_that_are_none_are_refused(box: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        lines(bbox=box)

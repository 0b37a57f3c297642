"""The region around a box: inside of the image, and with the box in it where it can be."""

from __future__ import annotations

import numpy as np
import pytest

from sysnoise.pipelines.report.box_crops import Box, region_around
from sysnoise.transforms.pixels import Size


@pytest.mark.parametrize(
    ("box", "size", "expected"),
    [
        ((300, 200, 20, 10), Size(640, 480), (262, 157, 96, 96, 1)),
        ((0, 0, 20, 10), Size(640, 480), (0, 0, 96, 96, 1)),
        ((620, 470, 20, 10), Size(640, 480), (544, 384, 96, 96, 1)),
        ((200, 100, 100, 64), Size(640, 480), (175, 57, 150, 150, 2)),
        ((0, 0, 640, 480), Size(640, 480), (0, 0, 640, 480, 7)),
        ((10, 10, 5, 5), Size(60, 300), (0, 0, 60, 96, 1)),
        ((-30, 500, 20, 10), Size(640, 480), (0, 384, 96, 96, 1)),
    ],
    ids=["inside", "corner", "end", "large", "whole", "narrow", "outside"],
)
def test_regions(box: Box, size: Size, expected: tuple[int, ...]) -> None:
    found = region_around(box, size)
    assert (found.left, found.top, found.width, found.height, found.step) == expected
    columns, rows = np.meshgrid(np.arange(size.width), np.arange(size.height))
    pixels = np.stack([columns % 256, rows % 256, columns // 256], -1).astype(np.uint8)
    shown = found.of(pixels)
    assert max(shown.shape[:2]) <= 96
    # Every pixel says where it is from.
    assert (shown[..., 0] + 256 * shown[..., 2].astype(int)).min() == found.left
    np.testing.assert_array_equal(np.diff(shown[:, 0, 1].astype(int)) % 256, found.step)

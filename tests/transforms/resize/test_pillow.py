"""Pillow's resizes of a part, against the plain call whose result is cut."""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image

from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resize.pillow import resize_pillow
from sysnoise.transforms.resize.task import Box, ResizeTask

FILTERS = list(Image.Resampling)
CASES = 120


@pytest.mark.parametrize("methods", [1, 2])
@pytest.mark.parametrize("resample", FILTERS, ids=lambda each: str(each.name))
def test_parts_are_those_of_the_whole_result(
    resample: Image.Resampling, methods: int, photos: dict[str, Pixels]
) -> None:
    """For a method alone, which works on Pillow's own image, and for one that shares a strip."""
    draw = random.Random(resample.name)
    for number in range(CASES):
        image = _part(photos[draw.choice(sorted(photos))], draw)
        size = _size(image, draw)
        box = _box(size, draw) if number % 8 else (0, 0, *size)
        expected = np.asarray(Image.fromarray(image).resize(size, resample).crop(box))
        source = Image.fromarray(image) if methods == 1 else image
        task = ResizeTask(source, size, box, methods)
        found = resize_pillow(task, resample=resample)
        np.testing.assert_array_equal(found, expected, f"{image.shape} {size} {box}", strict=True)
        np.testing.assert_array_equal(task.pixels, image)


def _part(photo: Pixels, draw: random.Random) -> Pixels:
    """Cut out a part, whose sides are sometimes one pixel."""
    height, width = (draw.choice((1, 2, 37, draw.randint(3, side))) for side in photo.shape[:2])
    top, left = draw.randint(0, len(photo) - height), draw.randint(0, photo.shape[1] - width)
    return np.ascontiguousarray(photo[top : top + height, left : left + width])


def _size(image: Pixels, draw: random.Random) -> tuple[int, int]:
    """Draw a size; scales are often fractions of a power of two, where parts are resized alone."""
    height, width = image.shape[:2]
    sides = [
        draw.choice((64, 256, 1, draw.randint(2, 300), max(1, side // 2), 2 * side, side))
        for side in (width, height)
    ]
    return sides[0], sides[1]


def _box(size: tuple[int, int], draw: random.Random) -> Box:
    left, upper = (draw.randint(0, side - 1) for side in size)
    return left, upper, draw.randint(left + 1, size[0]), draw.randint(upper + 1, size[1])


@pytest.mark.parametrize("resample", FILTERS, ids=lambda each: str(each.name))
def test_images_a_hundred_times_as_high_as_wide(resample: Image.Resampling) -> None:
    draw = np.random.default_rng(0)
    for height, width in ((100, 1), (101, 1), (200, 2), (201, 2), (301, 2), (1000, 7)):
        image = draw.integers(0, 256, (height, width, 3), np.uint8)
        for size in ((1, 50), (5, 131), (3, 256), (2, 1100)):
            box = (0, size[1] // 4, size[0], size[1] // 4 + 17)
            expected = np.asarray(Image.fromarray(image).resize(size, resample).crop(box))
            found = resize_pillow(ResizeTask(image, size, box), resample=resample)
            np.testing.assert_array_equal(found, expected, f"{image.shape} {size}", strict=True)

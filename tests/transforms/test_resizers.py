"""Resizes, against the plain library calls and against the definition of nearest."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from fractions import Fraction
from math import floor

import numpy as np
import pytest

from sysnoise.transforms.methods import UnknownNameError, get_method
from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resizers import RESIZES, ResizeError, resize, resize_each
from tests.transforms import plain

PAPER_NAMES = {
    "pil-nearest": "pillow-nearest",
    "pil-box": "pillow-box",
    "pil-bilinear": "pillow-bilinear",
    "pil-hamming": "pillow-hamming",
    "pil-cubic": "pillow-bicubic",
    "pil-lanczos": "pillow-lanczos",
    "opencv-nearest": "opencv-nearest",
    "opencv-bilinear": "opencv-linear",
    "opencv-area": "opencv-area",
    "opencv-cubic": "opencv-cubic",
    "opencv-bicubic": "opencv-cubic",
    "opencv-lanczos": "opencv-lanczos4",
}


@pytest.mark.parametrize("name", plain.RESIZES)
@pytest.mark.parametrize("photo", ["chelsea", "coffee"])
@pytest.mark.parametrize("size", [(384, 256), (97, 211), (700, 801)])
def test_pixels_are_those_of_the_plain_call(
    name: str, photo: str, size: tuple[int, int], photos: dict[str, Pixels]
) -> None:
    resized = resize(name, photos[photo], size)
    assert resized.shape == (size[1], size[0], 3)
    np.testing.assert_array_equal(resized, plain.RESIZES[name](photos[photo], size), strict=True)


def random_boxes() -> Iterator[tuple[tuple[int, int], tuple[int, int], tuple[int, ...]]]:
    """Sizes of source and result, reduced or enlarged, and a box of at least a pixel."""
    generator = random.Random(4)
    for _ in range(150):
        source = generator.randint(1, 451), generator.randint(1, 300)
        size = generator.randint(1, 350), generator.randint(1, 350)
        left, upper = generator.randrange(size[0]), generator.randrange(size[1])
        right, lower = generator.randint(left + 1, size[0]), generator.randint(upper + 1, size[1])
        yield source, size, (left, upper, right, lower)
    for upper in range(256):  # Each row alone, so that no filter may miss a source row.
        yield (200, 299), (150, 256), (20, upper, 60, upper + 1)


@pytest.mark.parametrize("name", plain.RESIZES)
def test_box_is_cut_out_of_the_plain_call(name: str, photos: dict[str, Pixels]) -> None:
    @functools.cache
    def whole(width: int, height: int, size: tuple[int, int]) -> tuple[Pixels, Pixels]:
        source = photos["chelsea"][:height, :width].copy()
        return source, plain.RESIZES[name](source, size)

    for (width, height), size, (left, upper, right, lower) in random_boxes():
        source, resized = whole(width, height, size)
        expected = resized[upper:lower, left:right]
        (part,) = resize_each([name], source, size, (left, upper, right, lower))
        what = f"{width} x {height} to {size}, {(left, upper, right, lower)}"
        np.testing.assert_array_equal(part, expected, err_msg=what, strict=True)
        assert part.flags.c_contiguous


def test_methods_do_not_disturb_each_other(photos: dict[str, Pixels]) -> None:
    source, size, (left, upper, right, lower) = photos["coffee"], (384, 256), (80, 16, 304, 240)
    names = [*plain.RESIZES, *reversed(list(plain.RESIZES))]
    parts = list(resize_each(names, source, size, (left, upper, right, lower)))
    for name, part in zip(names, parts, strict=True):
        expected = plain.RESIZES[name](source, size)[upper:lower, left:right]
        np.testing.assert_array_equal(part, expected, err_msg=name, strict=True)


@pytest.mark.parametrize(("name", "offset"), [("pillow-nearest", 0.5), ("opencv-nearest", 0)])
def test_nearest_takes_pixel_centers_in_pillow_and_corners_in_opencv(
    name: str, offset: float, photos: dict[str, Pixels]
) -> None:
    source = photos["chelsea"][:299]
    width, height = 97, 212  # No point falls on the border of two source pixels.
    rows = [floor((y + Fraction(offset)) * 299 / height) for y in range(height)]
    columns = [floor((x + Fraction(offset)) * 451 / width) for x in range(width)]
    expected = [[source[row, column] for column in columns] for row in rows]
    np.testing.assert_array_equal(resize(name, source, (width, height)), expected)


@pytest.mark.parametrize("name", plain.RESIZES)
def test_one_pixel_fills_any_size(name: str) -> None:
    resized = resize(name, np.array([[[7, 130, 251]]], np.uint8), (5, 3))
    np.testing.assert_array_equal(resized, np.full((3, 5, 3), (7, 130, 251), np.uint8))


@pytest.mark.parametrize(("paper_name", "name"), PAPER_NAMES.items())
def test_names_of_the_paper(paper_name: str, name: str) -> None:
    assert get_method(RESIZES, "resize", paper_name) is RESIZES[name]


def test_none_keeps_the_pixels(photos: dict[str, Pixels]) -> None:
    np.testing.assert_array_equal(resize("none", photos["coffee"], (600, 400)), photos["coffee"])


@pytest.mark.parametrize("size", [(400, 600), (600, 401), (599, 400)])
def test_none_refuses_another_size(size: tuple[int, int], photos: dict[str, Pixels]) -> None:
    with pytest.raises(ResizeError, match=rf"keeps 600 x 400, but \({size[0]}, {size[1]}\)"):
        resize("none", photos["coffee"], size)


def test_unknown_resize_lists_the_valid_names(photos: dict[str, Pixels]) -> None:
    with pytest.raises(UnknownNameError) as caught:
        resize("pillow-linear", photos["coffee"], (5, 5))
    message = str(caught.value)
    assert message.startswith("unknown resize 'pillow-linear' (did you mean 'pillow-")
    assert message.endswith(f" and {len(RESIZES) - 8} more; docs/catalogue.md lists them")

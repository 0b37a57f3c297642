"""Resizes, against the plain library calls and against the definition of nearest."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from tests.transforms import plain
from transforms.arrays import Pixels
from transforms.methods import UnknownNameError, get_method
from transforms.resizers import RESIZES, ResizeError, resize

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
    assert message.endswith("; valid: " + ", ".join(RESIZES))

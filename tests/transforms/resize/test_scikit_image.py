"""scikit-image's resize, against the formula of its filter in float64."""

from __future__ import annotations

import numpy as np
import pytest

from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resizers import resize
from tests.transforms.resize.formulas import Floats, half_pixel, resized, triangle, weights

pytestmark = pytest.mark.extras


def gaussian(length: int, result: int) -> Floats:
    """Weights that smooth a side; beyond the border, the pixels are mirrored about the last one.

    The window ends at four standard deviations (SciPy, ``gaussian_filter``).
    """
    sigma = max(0.0, (length / result - 1) / 2)
    radius = int(4 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    window = np.exp(-(offsets**2) / (2 * sigma**2)) if radius else np.ones(1)
    matrix = np.zeros((length, length))
    for pixel in range(length):
        for offset, share in zip(offsets, window / window.sum(), strict=True):
            other = abs(pixel + int(offset))
            matrix[pixel, min(other, 2 * (length - 1) - other)] += share
    return matrix


def mirrored(pixel: int, source: int, result: int) -> float:
    """A place beyond the center of the first or last pixel, mirrored about it."""
    place = abs(half_pixel(pixel, source, result))
    return min(place, 2 * (source - 1) - place)


@pytest.mark.parametrize("size", [(341, 256), (224, 224), (99, 77), (700, 801)])
def test_it_is_a_gaussian_and_an_interpolation(
    size: tuple[int, int], photos: dict[str, Pixels]
) -> None:
    rows = weights(400, size[1], triangle, 1, mirrored) @ gaussian(400, size[1])
    columns = weights(600, size[0], triangle, 1, mirrored) @ gaussian(600, size[0])
    exact = resized(photos["coffee"], rows, columns)
    difference = np.abs(resize("skimage-gaussian", photos["coffee"], size) - exact)
    assert difference.max() <= 0.5 + 1e-6

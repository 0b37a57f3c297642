"""Skia's resizes, against the formulas of their filters in float64."""

from __future__ import annotations

import numpy as np
import pytest

from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resizers import resize
from tests.transforms.resize.formulas import Kernel, cubic, mitchell, resized, triangle, weights

pytestmark = pytest.mark.extras

SIZES = [(341, 256), (224, 224), (99, 77), (700, 801)]
FLOAT32 = 0.02


@pytest.mark.parametrize(
    ("name", "kernel", "support"),
    [("skia-mitchell", mitchell, 2), ("skia-catmull-rom", cubic(-0.5), 2)],
    ids=["mitchell", "catmull-rom"],
)
@pytest.mark.parametrize("size", SIZES)
def test_cubics_are_the_rounded_formula(
    name: str, kernel: Kernel, support: int, size: tuple[int, int], photos: dict[str, Pixels]
) -> None:
    """They do not widen with the reduction, and repeat the border."""
    rows = weights(400, size[1], kernel, support)
    exact = resized(photos["coffee"], rows, weights(600, size[0], kernel, support))
    assert np.abs(resize(name, photos["coffee"], size) - exact).max() <= 0.5 + FLOAT32


def test_mipmaps_of_half_the_size_are_means(photos: dict[str, Pixels]) -> None:
    blocks = photos["coffee"].reshape(200, 2, 300, 2, 3).mean(axis=(1, 3))
    assert np.abs(resize("skia-mipmap", photos["coffee"], (300, 200)) - blocks).max() <= 1


@pytest.mark.parametrize("size", [(500, 333), (400, 267), (341, 256), (224, 224)])
def test_mipmaps_mix_two_images_of_the_pyramid(
    size: tuple[int, int], photos: dict[str, Pixels]
) -> None:
    """The place between them is the logarithm of the larger reduction, less half a level.

    Half a level less was found by fitting shares of the two images to results.
    """
    source = photos["coffee"]
    share = max(0.0, np.log2(max(600 / size[0], 400 / size[1])) - 0.5)
    half = source.reshape(200, 2, 300, 2, 3).mean(axis=(1, 3)).round().astype(np.uint8)
    whole, smaller = (
        resized(
            image,
            weights(image.shape[0], size[1], triangle, 1),
            weights(image.shape[1], size[0], triangle, 1),
        )
        for image in (source, half)
    )
    difference = np.abs(
        resize("skia-mipmap", source, size) - (whole * (1 - share) + smaller * share)
    )
    assert difference.mean() < 0.5
    assert difference.max() < 2


def test_mipmaps_have_no_effect_on_enlarging(photos: dict[str, Pixels]) -> None:
    rows = weights(400, 801, triangle, 1)
    exact = resized(photos["coffee"], rows, weights(600, 900, triangle, 1))
    difference = np.abs(resize("skia-mipmap", photos["coffee"], (900, 801)) - exact)
    assert difference.max() <= 0.5 + FLOAT32

"""libvips's resizes, against the formulas of their filters and libvips's own ways to the same."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resizers import resize
from tests.transforms.resize import plain
from tests.transforms.resize.formulas import Floats, cubic, lanczos3, resized, weights

pytestmark = pytest.mark.extras

SMALLER = [(341, 256), (301, 250), (450, 300)]


def lanczos(pixels: Pixels, size: tuple[int, int]) -> Floats:
    height, width = pixels.shape[:2]
    rows = weights(height, size[1], lanczos3, 3, widened=True)
    return resized(pixels, rows, weights(width, size[0], lanczos3, 3, widened=True))


@pytest.mark.parametrize("size", SMALLER)
def test_reducing_is_lanczos(size: tuple[int, int], photos: dict[str, Pixels]) -> None:
    """It rounds its weights, their places, and the values between rows and columns."""
    difference = np.abs(
        resize("vips-lanczos3", photos["coffee"], size) - lanczos(photos["coffee"], size)
    )
    assert difference.mean() < 0.4
    assert difference.max() < 20


def test_enlarging_is_a_cubic_shifted_by_half_a_pixel(photos: dict[str, Pixels]) -> None:
    """Source: libvips/libvips#517, bicubic for enlarging; #943, shifted by half a pixel."""

    def shifted(pixel: int, source: int, result: int) -> float:
        return pixel * source / result - 0.5

    source = photos["chelsea"]
    rows = weights(300, 421, cubic(-0.5), 2, shifted)
    exact = resized(source, rows, weights(451, 700, cubic(-0.5), 2, shifted))
    difference = np.abs(resize("vips-lanczos3", source, (700, 421)) - exact)
    assert difference.mean() < 0.4
    assert difference.max() < 5


def linear_light(values: Floats) -> Floats:
    """sRGB's values, 0 to 255, as light, 0 to 1 (IEC 61966-2-1)."""
    shares = values / 255
    return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)


def test_linear_light_is_lanczos_on_light(photos: dict[str, Pixels]) -> None:
    source, size = photos["coffee"], (341, 256)
    rows = weights(400, 256, lanczos3, 3, widened=True)
    columns = weights(600, 341, lanczos3, 3, widened=True)
    light = np.einsum(
        "yh,xw,hwc->yxc", rows, columns, linear_light(source.astype(float)), optimize=True
    )
    exact = np.interp(light, linear_light(np.linspace(0, 255, 4096)), np.linspace(0, 255, 4096))
    difference = np.abs(resize("vips-linear-light", source, size) - exact)
    assert difference.mean() < 0.5
    in_values = np.abs(resize("vips-linear-light", source, size) - lanczos(source, size))
    assert in_values.mean() > 2 * difference.mean()


@pytest.mark.parametrize("size", [(341, 256), (224, 224), (97, 41), (300, 200), (600, 77), (1, 1)])
def test_shrink_is_the_operation_of_that_name(
    size: tuple[int, int], photos: dict[str, Pixels]
) -> None:
    shrunk = plain.vips(photos["coffee"]).shrink(600 / size[0], 400 / size[1])
    np.testing.assert_array_equal(resize("vips-shrink", photos["coffee"], size), shrunk.numpy())


def test_shrink_averages_whole_factors(photos: dict[str, Pixels]) -> None:
    blocks = photos["coffee"].reshape(100, 4, 150, 4, 3).mean(axis=(1, 3))
    shrunk = resize("vips-shrink", photos["coffee"], (150, 100))
    assert np.abs(shrunk - blocks).max() <= 1  # It rounds between rows and columns.


def random_sizes() -> Iterator[tuple[int, int, int, int]]:
    generator = random.Random(7)
    for longest in (12, 6000):
        for _ in range(300):
            width, height = (generator.randint(1, longest) for _ in range(2))
            yield width, height, generator.randint(1, 1500), generator.randint(1, 1500)


def test_libvips_gives_exactly_the_size() -> None:
    import pyvips

    for width, height, *size in random_sizes():
        image = pyvips.Image.black(width, height, bands=3).copy(interpretation="srgb")
        scales = size[0] / width, size[1] / height
        for gap in (1.0, 2.0):
            resized_image = image.resize(scales[0], vscale=scales[1], kernel="lanczos3", gap=gap)
            assert [resized_image.width, resized_image.height] == size
        thumbnail = image.thumbnail_image(size[0], height=size[1], size="force", linear=True)
        assert [thumbnail.width, thumbnail.height] == size


@pytest.mark.parametrize("name", ["vips-lanczos3", "vips-shrink", "vips-linear-light"])
@pytest.mark.parametrize("size", [(341, 256), (224, 224), (1200, 900)])
def test_threads_of_libvips_have_no_effect(
    name: str, size: tuple[int, int], photos: dict[str, Pixels]
) -> None:
    import pyvips

    one = resize(name, photos["coffee"], size)
    assert pyvips.concurrency_get() == 1
    pyvips.concurrency_set(4)
    try:
        np.testing.assert_array_equal(resize(name, photos["coffee"], size), one)
    finally:
        pyvips.concurrency_set(1)

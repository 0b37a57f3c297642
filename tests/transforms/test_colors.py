"""Color modes, against the formulas written anew in floating point and in exact fractions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sysnoise.transforms.colors import COLORS, convert
from sysnoise.transforms.methods import UnknownNameError
from sysnoise.transforms.pixels import Pixels

Row = tuple[Fraction, ...]
Values = NDArray[np.float64]


def row(*coefficients: str | Fraction | int) -> Row:
    """Coefficients to six decimals, as they are published."""
    return tuple(round(Fraction(each), 6) for each in coefficients)


@dataclass(frozen=True)
class Space:
    """Rows of Y, U, V over R, G, B and of R, G, B over Y, U, V; Y, U and V of black."""

    forward: tuple[Row, Row, Row]
    backward: tuple[Row, Row, Row]
    black: tuple[int, int, int]


def derived(red: str, blue: str, black: int, luma_levels: int, chroma_levels: int) -> Space:
    """Derive a space from the luma weights Kr and Kb and the number of levels of Y and of U, V."""
    kr, kb = Fraction(red), Fraction(blue)
    kg = 1 - kr - kb
    y = Fraction(luma_levels, 255)
    u = Fraction(chroma_levels, 255) / (2 * (1 - kb))  # U = u (B - Y)
    v = Fraction(chroma_levels, 255) / (2 * (1 - kr))  # V = v (R - Y)
    return Space(
        forward=(
            row(kr * y, kg * y, kb * y),
            row(-kr * u, -kg * u, (1 - kb) * u),
            row((1 - kr) * v, -kg * v, -kb * v),
        ),
        backward=(
            row(1 / y, 0, 1 / v),
            row(1 / y, -kb / kg / u, -kr / kg / v),
            row(1 / y, 1 / u, 0),
        ),
        black=(black, 128, 128),
    )


PAPER = Space(  # Appendix A of the paper, equations 5 and 6.
    forward=(
        row("0.256788", "0.504129", "0.097906"),
        row("-0.148223", "-0.290993", "0.439216"),
        row("0.439216", "-0.367788", "-0.071427"),
    ),
    backward=(
        row("1.164383", 0, "1.596027"),
        row("1.164383", "-0.391762", "-0.812968"),
        row("1.164383", "2.017232", 0),
    ),
    black=(16, 128, 128),
)
SUBSAMPLED = {
    "nv12-bt601": PAPER,
    "nv12-bt601-full": derived("0.299", "0.114", 0, 255, 255),
    "nv12-bt709": derived("0.2126", "0.0722", 16, 219, 224),
}
SPACES = {"yuv444-bt601": PAPER} | SUBSAMPLED


def half_up(value: Fraction) -> int:
    return min(255, max(0, math.floor(value + Fraction(1, 2))))


def dot(weights: Row, values: Sequence[Fraction | int]) -> Fraction:
    return sum((w * value for w, value in zip(weights, values, strict=True)), Fraction(0))


def as_fractions(pixels: Pixels) -> list[list[Fraction]]:
    return [[Fraction(int(value)) for value in pixel] for pixel in pixels.reshape(-1, 3)]


def exact(rgb: Sequence[Fraction], chroma_rgb: Sequence[Fraction], space: Space) -> list[int]:
    """One pixel to YUV and back; U and V come from the color ``chroma_rgb``."""
    sources = (rgb, chroma_rgb, chroma_rgb)
    yuv = [
        half_up(dot(weights, source) + black)
        for weights, source, black in zip(space.forward, sources, space.black, strict=True)
    ]
    centered = [value - black for value, black in zip(yuv, space.black, strict=True)]
    return [half_up(dot(weights, centered)) for weights in space.backward]


def is_tie(values: Values) -> NDArray[np.bool_]:
    """Rows with a value so near to a half that floating point cannot tell how it rounds."""
    near = np.abs(values - np.floor(values) - 0.5) < 1e-9
    return np.asarray(near.any(axis=1))


def in_floating_point(rgb: Values, space: Space) -> tuple[Values, NDArray[np.bool_]]:
    """Colors to YUV and back, and which of them meet a tie on the way."""
    yuv = rgb @ np.array(space.forward, float).T + space.black
    rounded = np.clip(np.floor(yuv + 0.5), 0, 255)
    back = (rounded - space.black) @ np.array(space.backward, float).T
    return np.clip(np.floor(back + 0.5), 0, 255), is_tie(yuv) | is_tie(back)


@pytest.fixture(scope="module")
def colors() -> Pixels:
    """A lattice of 140,608 colors with all corners, and 200,000 random ones; shape (N, 3)."""
    lattice = np.array(list(itertools.product(range(0, 256, 5), repeat=3)), np.uint8)
    return np.vstack([lattice, np.random.default_rng(0).integers(0, 256, (200_000, 3), np.uint8)])


def convert_blocks(name: str, colors: Pixels) -> Pixels:
    """Convert colors that each fill a block of 2 x 2 pixels, so that averaging changes nothing."""
    blocks = convert(name, colors.repeat(2, axis=0)[np.newaxis].repeat(2, axis=0))
    for y, x in itertools.product(range(2), repeat=2):
        np.testing.assert_array_equal(blocks[y, x::2], blocks[0, ::2])
    return blocks[0, ::2]


@pytest.mark.parametrize("name", SPACES)
def test_colors_follow_the_formula(name: str, colors: Pixels) -> None:
    expected, tie = in_floating_point(colors.astype(float), SPACES[name])
    assert tie.mean() < 0.02
    np.testing.assert_array_equal(convert_blocks(name, colors)[~tie], expected[~tie])


@pytest.mark.parametrize("name", SPACES)
def test_ties_and_corners_are_rounded_half_up(name: str, colors: Pixels) -> None:
    corners = np.array(list(itertools.product((0, 255), repeat=3)), np.uint8)
    _, tie = in_floating_point(colors.astype(float), SPACES[name])
    chosen = np.vstack([corners, colors[tie][:2000], colors[-200:]])
    assert tie.any()
    expected = [exact(color, color, SPACES[name]) for color in as_fractions(chosen)]
    np.testing.assert_array_equal(convert_blocks(name, chosen), expected)


def test_full_range_blue_meets_a_tie_in_u() -> None:
    """Of (0, 0, 1), Y is 0.114, so 0, and U is 128.5, so 129; hence blue is 1.772, so 2."""
    blue = np.full((2, 2, 3), (0, 0, 1), np.uint8)
    np.testing.assert_array_equal(
        convert("nv12-bt601-full", blue), np.full((2, 2, 3), (0, 0, 2), np.uint8)
    )


def block_mean(pixels: Pixels, y: int, x: int) -> list[Fraction]:
    """Mean color of the 2 x 2 block around a pixel, rows and columns outside repeating the last."""
    height, width = pixels.shape[:2]
    total = [Fraction(0)] * 3
    for dy, dx in itertools.product(range(2), repeat=2):
        row, column = min(y // 2 * 2 + dy, height - 1), min(x // 2 * 2 + dx, width - 1)
        total = [t + int(value) for t, value in zip(total, pixels[row, column], strict=True)]
    return [value / 4 for value in total]


def noise(shape: tuple[int, int]) -> Iterator[Pixels]:
    """Noise of all levels, and noise of saturated colors."""
    generator = np.random.default_rng(shape)
    yield generator.integers(0, 256, (*shape, 3), np.uint8)
    yield generator.integers(0, 2, (*shape, 3), np.uint8) * 255


@pytest.mark.parametrize("name", SUBSAMPLED)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 3), (6, 4), (21, 34)])
def test_chroma_is_the_mean_of_its_block(name: str, shape: tuple[int, int]) -> None:
    for pixels in noise(shape):
        means = [block_mean(pixels, y, x) for y in range(shape[0]) for x in range(shape[1])]
        expected = [
            exact(pixel, mean, SUBSAMPLED[name])
            for pixel, mean in zip(as_fractions(pixels), means, strict=True)
        ]
        np.testing.assert_array_equal(convert(name, pixels).reshape(-1, 3), expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 3), (6, 4), (300, 451)])
def test_nv12_opencv_is_opencv_with_repeated_edges(
    shape: tuple[int, int], photos: dict[str, Pixels]
) -> None:
    height, width = shape
    pixels = photos["chelsea"][:height, :width]
    even = cv2.copyMakeBorder(pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    i420 = cv2.cvtColor(even, cv2.COLOR_RGB2YUV_I420)
    expected = cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420)[:height, :width]
    converted = convert("nv12-opencv", pixels)
    np.testing.assert_array_equal(converted, expected, strict=True)


def test_rgb_keeps_and_bgr_swaps(photos: dict[str, Pixels]) -> None:
    pixels = photos["chelsea"]
    np.testing.assert_array_equal(convert("rgb", pixels), pixels, strict=True)
    red, green, blue = (pixels[:, :, channel] for channel in range(3))
    np.testing.assert_array_equal(convert("bgr", pixels), np.dstack([blue, green, red]))


@pytest.mark.parametrize("name", COLORS)
def test_photograph_keeps_its_shape_and_is_not_written_to(
    name: str, photos: dict[str, Pixels]
) -> None:
    before = photos["chelsea"].copy()
    converted = convert(name, photos["chelsea"])
    assert converted.dtype == np.uint8
    assert converted.shape == (300, 451, 3)
    assert converted.flags.c_contiguous
    np.testing.assert_array_equal(photos["chelsea"], before)


def test_every_yuv_mode_has_a_space() -> None:
    assert set(COLORS) == {*SPACES, "rgb", "bgr", "nv12-opencv"}


def test_unknown_color_lists_the_valid_names(photos: dict[str, Pixels]) -> None:
    with pytest.raises(UnknownNameError) as caught:
        convert("nv21", photos["chelsea"])
    message = str(caught.value)
    assert message.startswith("unknown color 'nv21'")
    assert message.endswith("; valid: " + ", ".join(COLORS))

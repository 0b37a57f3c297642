"""Color modes: RGB pixels are converted to another color space and back, as in deployed systems.

Every function takes and returns uint8 of shape (H, W, 3). The YUV modes emulate hardware in exact
integer arithmetic; the paper's own color set came from Ascend hardware, whose chroma filter is not
published. All YUV modes share these conventions:

* Coefficients are millionths, as in the paper's appendix A. Every conversion is the exact linear
  formula, rounded once, half up, to an integer, and clipped to 0..255 (Y, U, V and R, G, B alike).
* 4:2:0 chroma is computed from the mean color of each 2 x 2 block and replicated over the block.
* An odd width or height is extended by repeating the last column or row, which is cut off again.

``nv12-opencv`` is OpenCV's own conversion and has OpenCV's conventions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sysnoise.transforms.methods import Method, get_method, registry
from sysnoise.transforms.pixels import Pixels

Color = Callable[[Pixels], Pixels]
Plane = NDArray[np.int32]

_UNIT = 1_000_000
_Triple = tuple[int, int, int]


@dataclass(frozen=True)
class YuvMatrix:
    """A YCbCr matrix with its range; the coefficients are in millionths.

    Attributes:
        y, u, v: the weights of R, G and B; Y is offset by ``black``, U and V by 128.
        black: the Y of black: 16 in the limited range, 0 in the full range.
        luma: the weight of Y - black in R, G and B.
        red_v, green_u, green_v, blue_u: the weights of U - 128 and V - 128 in R, G and B.
    """

    y: _Triple
    u: _Triple
    v: _Triple
    black: int
    luma: int
    red_v: int
    green_u: int
    green_v: int
    blue_u: int


BT601 = YuvMatrix(
    y=(256788, 504129, 97906),
    u=(-148223, -290993, 439216),
    v=(439216, -367788, -71427),
    black=16,
    luma=1164383,
    red_v=1596027,
    green_u=-391762,
    green_v=-812968,
    blue_u=2017232,
)
"""ITU-R BT.601, limited range, as printed in the SysNoise paper, appendix A."""

BT601_FULL = YuvMatrix(
    y=(299000, 587000, 114000),
    u=(-168736, -331264, 500000),
    v=(500000, -418688, -81312),
    black=0,
    luma=1000000,
    red_v=1402000,
    green_u=-344136,
    green_v=-714136,
    blue_u=1772000,
)
"""ITU-R BT.601, full range, as JPEG uses it (JFIF 1.02; ITU-T T.871)."""

BT709 = YuvMatrix(
    y=(182586, 614231, 62007),
    u=(-100644, -338572, 439216),
    v=(439216, -398942, -40274),
    black=16,
    luma=1164384,
    red_v=1792741,
    green_u=-213249,
    green_v=-532909,
    blue_u=2112402,
)
"""ITU-R BT.709 (Kr 0.2126, Kb 0.0722), limited range of 8 bits."""


def color_rgb(pixels: Pixels) -> Pixels:
    """Return the pixels as they are."""
    return pixels


def color_bgr(pixels: Pixels) -> Pixels:
    """Swap red and blue, like a system that takes OpenCV's BGR for RGB."""
    return np.ascontiguousarray(pixels[:, :, ::-1])


def color_yuv444(pixels: Pixels, *, matrix: YuvMatrix) -> Pixels:
    """Convert RGB to YUV 4:4:4 and back (paper, appendix A, equations in rounded form)."""
    planes = _planes(pixels)
    luma = _weighted(matrix.y, planes, matrix.black)
    u = _weighted(matrix.u, planes, 128)
    v = _weighted(matrix.v, planes, 128)
    return _to_rgb(luma, u, v, matrix)


def color_nv12(pixels: Pixels, *, matrix: YuvMatrix) -> Pixels:
    """Convert RGB to NV12 (YUV 4:2:0) and back, with averaged and replicated chroma."""
    height, width = pixels.shape[:2]
    planes = _planes(_pad_to_even(pixels))
    luma = _weighted(matrix.y, planes, matrix.black)
    sums = [_block_sums(plane) for plane in planes]
    u = _weighted(matrix.u, sums, 128, count=4)
    v = _weighted(matrix.v, sums, 128, count=4)
    rgb = _to_rgb(luma, u, v, matrix)
    return np.ascontiguousarray(rgb[:height, :width])


def color_nv12_opencv(pixels: Pixels) -> Pixels:
    """Convert RGB to OpenCV's I420 and back: BT.601, limited range, chroma of the top-left pixel.

    Source: OpenCV, ``cvtColor`` with ``COLOR_RGB2YUV_I420`` and ``COLOR_YUV2RGB_I420``; I420 and
    NV12 hold the same values in another order.
    """
    height, width = pixels.shape[:2]
    i420 = cv2.cvtColor(_pad_to_even(pixels), cv2.COLOR_RGB2YUV_I420)
    rgb = cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420)
    return np.ascontiguousarray(rgb[:height, :width], np.uint8)


def _planes(pixels: Pixels) -> list[Plane]:
    return [np.asarray(plane).astype(np.int32) for plane in cv2.split(pixels)]


def _weighted(weights: _Triple, planes: Sequence[Plane], offset: int, count: int = 1) -> Plane:
    """Return the weighted mean of sums over ``count`` pixels, in 0..255.

    No number here exceeds int32 for a count of up to 4.
    """
    unit = _UNIT * count
    total = planes[0] * weights[0]
    total += planes[1] * weights[1]
    total += planes[2] * weights[2]
    total += unit // 2
    total //= unit
    total += offset
    return np.clip(total, 0, 255, out=total)


def _to_rgb(luma: Plane, u: Plane, v: Plane, matrix: YuvMatrix) -> Pixels:
    """Convert to RGB; ``u`` and ``v`` may have half the height and width of ``luma``."""
    gray = (luma - matrix.black) * matrix.luma
    gray += _UNIT // 2
    u = u - 128
    v = v - 128
    channels = []
    for chroma in (matrix.red_v * v, matrix.green_u * u + matrix.green_v * v, matrix.blue_u * u):
        channel = _replicate(chroma, gray.shape)
        channel += gray
        channel //= _UNIT
        channels.append(np.clip(channel, 0, 255, out=channel).astype(np.uint8))
    return np.asarray(cv2.merge(channels), np.uint8)


def _pad_to_even(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return pixels
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def _block_sums(plane: Plane) -> Plane:
    rows = plane[0::2] + plane[1::2]
    return rows[:, 0::2] + rows[:, 1::2]


def _replicate(plane: Plane, shape: tuple[int, ...]) -> Plane:
    """Return a copy of this shape, in which each value of a smaller plane fills a 2 x 2 block."""
    if plane.shape == shape:
        return plane.copy()
    replicated = cv2.resize(plane, shape[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(replicated, np.int32)


def _yuv(
    name: str, function: Callable[..., Pixels], matrix: YuvMatrix, space: str
) -> Method[Color]:
    standard, value_range = space.split()
    options: dict[str, str | int | bool] = {
        "matrix": standard,
        "range": value_range,
        "rounding": "half up, once",
    }
    if function is color_nv12:
        options |= {"chroma_down": "2x2 mean", "chroma_up": "replicate", "odd_size": "repeat edge"}
    return Method(name, "numpy", functools.partial(function, matrix=matrix), options)


COLORS = registry(
    (
        Method[Color]("rgb", "numpy", color_rgb),
        _yuv("yuv444-bt601", color_yuv444, BT601, "bt601 limited"),
        _yuv("nv12-bt601", color_nv12, BT601, "bt601 limited"),
        _yuv("nv12-bt601-full", color_nv12, BT601_FULL, "bt601 full"),
        _yuv("nv12-bt709", color_nv12, BT709, "bt709 limited"),
        Method[Color](
            "nv12-opencv",
            "opencv",
            color_nv12_opencv,
            {
                "matrix": "bt601",
                "range": "limited",
                "rounding": "OpenCV fixed point",
                "chroma_down": "top-left pixel",
                "chroma_up": "replicate",
                "odd_size": "repeat edge",
            },
        ),
        Method[Color]("bgr", "numpy", color_bgr),
    )
)


def convert(name: str, pixels: Pixels) -> Pixels:
    """Convert pixels with the color mode called ``name``.

    Args:
        name: a name in :data:`COLORS`.
        pixels: uint8, shape (H, W, 3).

    Raises:
        UnknownNameError: there is no such color mode.
    """
    return get_method(COLORS, "color", name).function(pixels)

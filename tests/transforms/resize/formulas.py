"""Resizes by their formulas in float64: weights for the rows, and weights for the columns."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kernel = Callable[[float], float]


class Border(Enum):
    REPEATED = "repeated"
    LEFT_OUT = "left out"


def triangle(distance: float) -> float:
    return max(0.0, 1 - abs(distance))


def cubic(a: float) -> Kernel:
    """Keys, Cubic convolution interpolation for digital image processing, 1981; his a is -0.5."""

    def kernel(distance: float) -> float:
        d = abs(distance)
        if d <= 1:
            return (a + 2) * d**3 - (a + 3) * d**2 + 1
        return a * (d**3 - 5 * d**2 + 8 * d - 4) if d < 2 else 0.0

    return kernel


def mitchell(distance: float) -> float:
    """Mitchell and Netravali, Reconstruction filters in computer graphics, 1988: B = C = 1/3."""
    d = abs(distance)
    if d < 1:
        return (7 * d**3 - 12 * d**2 + 16 / 3) / 6
    return (-7 / 3 * d**3 + 12 * d**2 - 20 * d + 32 / 3) / 6 if d < 2 else 0.0


def lanczos3(distance: float) -> float:
    return float(np.sinc(distance) * np.sinc(distance / 3)) if abs(distance) < 3 else 0.0


Place = Callable[[int, int, int], float]
"""Output pixel, length of the source and of the result -> place in the source's pixels."""


def half_pixel(pixel: int, source: int, result: int) -> float:
    return (pixel + 0.5) * source / result - 0.5


def asymmetric(pixel: int, source: int, result: int) -> float:
    return pixel * source / result


def align_corners(pixel: int, source: int, result: int) -> float:
    return pixel * (source - 1) / (result - 1) if result > 1 else 0.0


def weights(
    source: int,
    result: int,
    kernel: Kernel,
    support: int,
    place: Place = half_pixel,
    border: Border = Border.REPEATED,
    *,
    widened: bool = False,
) -> Floats:
    """The weights of the source's pixels for those of the result, shape (result, source)."""
    matrix = np.zeros((result, source))
    width = max(source / result, 1.0) if widened else 1.0
    for pixel in range(result):
        center = place(pixel, source, result)
        for other in range(floor(center - support * width), ceil(center + support * width) + 1):
            inside = min(max(other, 0), source - 1)
            if inside == other or border is Border.REPEATED:
                matrix[pixel, inside] += kernel((other - center) / width)
    normalized: Floats = matrix / matrix.sum(axis=1, keepdims=True)
    return normalized


def resized(pixels: NDArray[np.uint8], rows: Floats, columns: Floats) -> Floats:
    """Apply weights to both sides; cut off at 0 and 255, not rounded."""
    result: Floats = np.einsum("yh,xw,hwc->yxc", rows, columns, pixels.astype(float), optimize=True)
    return result.clip(0, 255)

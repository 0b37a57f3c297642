"""The pixel array that every transform takes and returns, and its size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""An RGB image: uint8, shape (height, width, 3), values 0 to 255, C order."""


class Size(NamedTuple):
    """Width and height in pixels, in this order, as Pillow and OpenCV take it."""

    width: int
    height: int


def size_of(pixels: Pixels) -> Size:
    """Return the width and height of an image."""
    height, width = pixels.shape[:2]
    return Size(width, height)


def check_pixels(pixels: Pixels) -> None:
    """Raise ValueError unless ``pixels`` is a non-empty uint8 array of shape (H, W, 3)."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ValueError(
            f"expected a non-empty uint8 RGB image of shape (H, W, 3), "
            f"found {pixels.dtype} of shape {pixels.shape}"
        )

"""The pixel array that every transform takes and gives, and its digest."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""RGB image: uint8, shape (height, width, 3), values 0 to 255, C order."""


def pixel_digest(pixels: Pixels) -> bytes:
    r"""Return the 32-byte sha256 that identifies an image by its pixels alone.

    The hashed message is ``uint8 H W 3\n`` with decimal height and width, then the RGB bytes in
    C order, so that anyone can recompute it from a stored image in any language.

    Args:
        pixels: uint8, shape (H, W, 3).

    Raises:
        ValueError: another dtype or shape.
    """
    check_pixels(pixels)
    height, width, channels = pixels.shape
    digest = hashlib.sha256(f"uint8 {height} {width} {channels}\n".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()


def check_pixels(pixels: Pixels) -> None:
    """Raise ValueError unless ``pixels`` is a non-empty uint8 array of shape (H, W, 3)."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ValueError(
            f"expected a non-empty uint8 RGB image of shape (H, W, 3), "
            f"found {pixels.dtype} of shape {pixels.shape}"
        )

"""Digests that identify an image by its pixels and a JSON document by its content."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from sysnoise.transforms.pixels import Pixels, check_pixels


def canonical_sha256(document: Any) -> str:
    """Return the hexadecimal sha256 of a JSON-compatible value; the order of keys has no effect."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def pixel_digest(pixels: Pixels) -> bytes:
    r"""Return the 32-byte sha256 that identifies an image by its pixels alone.

    The hashed message is ``uint8 H W 3\n``, with height and width as decimal numbers, followed by
    the RGB bytes in C order, so that the digest of a stored image can be computed in any language.

    Args:
        pixels: uint8, shape (H, W, 3).

    Raises:
        ValueError: the array is empty, or has another dtype or shape.

    Examples:
        >>> import numpy as np
        >>> from sysnoise import pixel_digest
        >>> gray = np.full((2, 3, 3), 128, np.uint8)
        >>> pixel_digest(gray).hex()[:16]
        '6734149ebad77b07'
    """
    check_pixels(pixels)
    height, width, channels = pixels.shape
    digest = hashlib.sha256(f"uint8 {height} {width} {channels}\n".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()

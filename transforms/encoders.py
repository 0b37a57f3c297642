"""Encoders of the stored images. All are lossless: a lossy one would add noise of its own.

Every function takes uint8 RGB of shape (H, W, 3) and returns the bytes of one file. The bytes
depend on the library's build; the pixels do not.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from transforms.arrays import Pixels
from transforms.methods import Method, get_method, registry

Encode = Callable[[Pixels], bytes]


@dataclass(frozen=True)
class Encoder(Method[Encode]):
    """A format of the stored images; its name is also the file extension.

    Attributes:
        media_type: the registered media type, or the nearest to one.
    """

    media_type: str = ""


class EncodeError(Exception):
    """An image that cannot be encoded; the message is the library's, the cause is chained."""


def encode_png(pixels: Pixels) -> bytes:
    """PNG with OpenCV's default flags: SUB filter, zlib level 1, run-length strategy."""
    done, data = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError("cv2.imencode gave no PNG")
    return data.tobytes()


def encode_webp(pixels: Pixels) -> bytes:
    """Lossless WebP by Pillow at its fastest, quality 0 and method 0.

    Raises:
        ValueError: a side is longer than 16,383 pixels, the format's limit.
    """
    if max(pixels.shape) > 16_383:
        raise ValueError(
            f"WebP holds at most 16383 x 16383 pixels, found {pixels.shape[1]} x {pixels.shape[0]}"
        )
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, quality=0, method=0)
    return buffer.getvalue()


def encode_jxl(pixels: Pixels) -> bytes:
    """Lossless JPEG XL by imagecodecs (libjxl), effort 1."""
    import imagecodecs  # An extra: the core does without it.

    return bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, effort=1, numthreads=1))


def encode_npy(pixels: Pixels) -> bytes:
    """NumPy's own format, uncompressed."""
    buffer = io.BytesIO()
    np.save(buffer, pixels, allow_pickle=False)
    return buffer.getvalue()


ENCODERS = registry(
    (
        Encoder("png", "opencv", encode_png, {"flags": "default"}, media_type="image/png"),
        Encoder(
            "webp",
            "pillow",
            encode_webp,
            {"lossless": True, "quality": 0, "method": 0},
            media_type="image/webp",
        ),
        Encoder(
            "jxl",
            "imagecodecs",
            encode_jxl,
            {"lossless": True, "effort": 1},
            extra="jxl",
            media_type="image/jxl",
        ),
        Encoder("npy", "numpy", encode_npy, media_type="application/x-npy"),
    )
)


def encode(name: str, pixels: Pixels) -> bytes:
    """Encode pixels losslessly in the format called ``name``.

    Args:
        name: a name of :data:`ENCODERS`.
        pixels: uint8, shape (H, W, 3).

    Raises:
        UnknownNameError: no such format.
        EncodeError: the format or its library cannot hold these pixels.
    """
    encoder = get_method(ENCODERS, "image format", name)
    try:
        return encoder.function(pixels)
    except Exception as error:
        height, width = pixels.shape[:2]
        raise EncodeError(f"encoding {width} x {height} pixels as {name}: {error}") from error

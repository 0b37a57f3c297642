"""Encoders of the stored images. All are lossless, because a lossy one would add its own noise.

Every function takes uint8 RGB of shape (H, W, 3) and returns the bytes of one file. The bytes
depend on the library's build; the pixels do not.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from isal import isal_zlib
from PIL import Image

from sysnoise.transforms.methods import Method, get_method, registry
from sysnoise.transforms.pixels import Pixels

Encode = Callable[[Pixels], bytes]


@dataclass(frozen=True)
class Encoder(Method[Encode]):
    """A format of the stored images; its name is also the file extension.

    Attributes:
        media_type: the registered media type, or the closest text to one.
    """

    media_type: str = ""


class EncodeError(Exception):
    """An image that cannot be encoded; the message is the library's, and the cause is chained."""


_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_TRUECOLOR = 2
_PNG_FILTER_UP = 2
_PNG_LEVEL = 1
_PNG_WINDOW_BITS = 9
_PNG_FIRST_BYTES = 8
_PNG_LONGEST_CHUNK = 2**31 - 1
_SCRATCH = np.zeros(64, np.uint8)


def encode_png(pixels: Pixels) -> bytes:
    """Encode as PNG with filter Up in every row, compressed by ISA-L's deflate at level 1.

    Matches go back at most 512 bytes, the smallest window that the zlib format has, because longer
    distances are rare in filtered photographs and take longer to search.

    Source: W3C, PNG specification, sections 5, 9.2 (filter Up) and 11.2.

    Raises:
        ValueError: the compressed pixels exceed the length of a chunk, 2 GiB.
    """
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, 3 * width)
    filtered = np.empty((height, 1 + 3 * width), np.uint8)
    filtered[:, 0] = _PNG_FILTER_UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])  # Modulo 256, as the filter is defined.
    header = struct.pack(">IIBBBBB", width, height, 8, _PNG_TRUECOLOR, 0, 0, 0)
    chunks = (
        *_png_chunk(b"IHDR", header),
        *_png_chunk(b"IDAT", *deflate(filtered.reshape(-1))),
        *_png_chunk(b"IEND"),
    )
    _clear_vector_registers()
    return b"".join((_PNG_SIGNATURE, *chunks))


def deflate(data: Pixels) -> tuple[bytes, ...]:
    """Compress with ISA-L at level 1; the same data always give the same bytes.

    ISA-L's levels 1 and 2 begin a longer input with the hash of a register that holds an address
    (2.32.1, ``.write_first_byte`` in ``igzip_icf_body_h1_gr_bt.asm``), so that equal input
    sometimes gives other bytes in another process (docs/image-formats.md). Up to 16 bytes are
    compressed by other code, after which the stream has begun; so the first bytes come alone.

    Args:
        data: uint8, shape (N,), contiguous.

    Returns:
        The parts of a zlib stream (RFC 1950) with a window of 512 bytes.
    """
    stream = isal_zlib.compressobj(_PNG_LEVEL, isal_zlib.DEFLATED, _PNG_WINDOW_BITS)
    return (
        stream.compress(data[:_PNG_FIRST_BYTES]),
        stream.flush(isal_zlib.Z_SYNC_FLUSH),
        stream.compress(data[_PNG_FIRST_BYTES:]),
        stream.flush(),
    )


def _png_chunk(name: bytes, *parts: bytes) -> tuple[bytes, ...]:
    length = sum(map(len, parts))
    if length > _PNG_LONGEST_CHUNK:
        raise ValueError(f"a PNG chunk holds {_PNG_LONGEST_CHUNK} bytes, found {length}")
    checksum = isal_zlib.crc32(name)
    for part in parts:
        checksum = isal_zlib.crc32(part, checksum)
    return struct.pack(">I", length), name, *parts, struct.pack(">I", checksum)


def _clear_vector_registers() -> None:
    """Run NumPy's AVX code, which clears the upper halves of the vector registers when it ends.

    ISA-L (2.32.1, isal 1.9.1) leaves them set, and SSE code that runs next, such as OpenCV's
    INTER_AREA, then takes four times as long (measured on an AMD EPYC with AVX-512).
    """
    np.subtract(_SCRATCH, _SCRATCH, out=_SCRATCH)


def encode_webp(pixels: Pixels) -> bytes:
    """Encode as lossless WebP with Pillow's fastest settings, quality 0 and method 0.

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
    """Encode as lossless JPEG XL with imagecodecs (libjxl), effort 1."""
    import imagecodecs  # It comes with an extra.

    return bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, effort=1, numthreads=1))


def encode_npy(pixels: Pixels) -> bytes:
    """Encode in NumPy's own format, uncompressed."""
    buffer = io.BytesIO()
    np.save(buffer, pixels, allow_pickle=False)
    return buffer.getvalue()


ENCODERS = registry(
    (
        Encoder(
            "png",
            "isal",
            encode_png,
            {"filter": "up", "level": _PNG_LEVEL, "window": 1 << _PNG_WINDOW_BITS},
            media_type="image/png",
        ),
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
            media_type="image/jxl",
        ),
        Encoder("npy", "numpy", encode_npy, media_type="application/x-npy"),
    )
)


def encode(name: str, pixels: Pixels) -> bytes:
    """Encode pixels losslessly in the format called ``name``.

    Args:
        name: a name in :data:`ENCODERS`.
        pixels: uint8, shape (H, W, 3).

    Raises:
        UnknownNameError: there is no such format.
        EncodeError: the format or its library does not support these pixels.
    """
    encoder = get_method(ENCODERS, "image format", name)
    try:
        return encoder.function(pixels)
    except Exception as error:
        height, width = pixels.shape[:2]
        raise EncodeError(f"encoding {width} x {height} pixels as {name}: {error}") from error

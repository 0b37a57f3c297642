"""zune-jpeg, the decoder of Rust's ``image`` crate, from the extra ``zune``: kornia-rs."""

from __future__ import annotations

import numpy as np

from sysnoise.transforms.codecs.jpeg import has_end_of_image
from sysnoise.transforms.codecs.sniff import ImageKind
from sysnoise.transforms.pixels import Pixels

_WIDTHS = {1, 2, 4}
"""The horizontal sampling factors that zune-jpeg supports."""

_LONGEST_SIDE = 1 << 14
"""The width and height, in pixels, up to which zune-jpeg decodes."""


def decode_zune(data: bytes) -> Pixels:
    """Decode with zune-jpeg, as kornia-rs has it, in the stored orientation; to RGB.

    A gray image has one channel there, which is repeated here. zune-jpeg would fill up a file
    without an end with gray, so such a file is refused first.

    Source: ``kornia_rs.io.decode_image_jpeg``.

    Args:
        data: the bytes of a JPEG file.

    Raises:
        ValueError: the data is not a complete JPEG.
        Exception: zune-jpeg cannot read the file.
    """
    from kornia_rs import io  # It comes with an extra.

    if not has_end_of_image(data):
        raise ValueError("not a JPEG, or one without its end-of-image marker")
    pixels = np.asarray(io.decode_image_jpeg(data))
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def zune_kind(kind: ImageKind) -> bool:
    """Accept Huffman-coded gray and three-component JPEGs of 8 bits and up to 16384 pixels a side.

    zune-jpeg 0.5 returns wrong pixels where chroma has more samples than luma, and where a
    sequential JPEG has a scan for each component.
    """
    frame = kind.frame
    if frame is None or not frame.is_common or (frame.scans > 1 and not frame.progressive):
        return False
    if max(frame.width, frame.height) > _LONGEST_SIDE:
        return False
    (width, height), *chroma = frame.sampling
    return {h for h, _ in frame.sampling} <= _WIDTHS and all(
        h <= width and v <= height for h, v in chroma
    )

"""FFmpeg's JPEG decoder and libswscale's conversions and resizes, in process through PyAV.

libswscale runs in one thread here; its flags are those of ``-sws_flags`` (FFmpeg,
``libswscale/swscale.h``).
"""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import ColorRange, Interpolation

from sysnoise.transforms.codecs.jpeg import has_end_of_image
from sysnoise.transforms.codecs.sniff import Entropy, ImageKind
from sysnoise.transforms.pixels import Pixels

SWS_FULL_CHR_H_INT = 0x2000
SWS_ACCURATE_RND = 0x40000
ACCURATE_BICUBIC = Interpolation.BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT
"""Bicubic, with accurate rounding and a chroma value for every pixel of a row."""


def decode_ffmpeg(data: bytes, *, flags: int) -> Pixels:
    """Decode with FFmpeg's own JPEG decoder, and convert to rgb24 with libswscale.

    Without accurate rounding, libswscale does not use its scaler where the height of a 4:2:0 or
    4:2:2 image is even, but a converter that replicates chroma, whatever the flags say (FFmpeg,
    ``libswscale/swscale_unscaled.c``).

    Args:
        data: the bytes of a JPEG file.
        flags: the flags of libswscale, whose scaler interpolates chroma.

    Raises:
        ValueError: the data is not a complete JPEG.
        av.error.FFmpegError: the file is damaged.
    """
    return _rgb24(_decoded_frame(data), flags)


def decode_ffmpeg_nv12(data: bytes) -> Pixels:
    """Keep the JPEG's own planes as NV12, and convert to rgb24, as hardware does; full range.

    NV12 holds 4:2:0 planes as the file has them; libswscale converts the chroma of other
    subsamplings to 4:2:0, bicubic. An odd width or height has a chroma sample for its last column
    or row. A JPEG in RGB or CMYK is first converted to YCbCr.

    Args:
        data: the bytes of a JPEG file.

    Raises:
        ValueError: the data is not a complete JPEG.
        av.error.FFmpegError: the file is damaged.
    """
    nv12 = _decoded_frame(data).reformat(
        format="nv12",
        interpolation=Interpolation.BICUBIC,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    )
    return _rgb24(nv12, Interpolation.BICUBIC)


def resize_ffmpeg(pixels: Pixels, size: tuple[int, int], *, flags: int) -> Pixels:
    """Resize with libswscale in rgb24; its filters widen with the reduction (antialiasing).

    Args:
        pixels: uint8, shape (H, W, 3).
        size: the width and height of the result.
        flags: the flags of libswscale, which name the filter.

    Raises:
        av.error.FFmpegError: libswscale does not support the size or the ratio of sizes.
    """
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    width, height = size
    return _rgb24(frame, flags, width, height)


def ffmpeg_kind(kind: ImageKind) -> bool:
    """Accept lossy Huffman-coded JPEGs of 8 bits."""
    frame = kind.frame
    if frame is None or frame.precision != 8 or frame.lossless:
        return False
    return frame.entropy is Entropy.HUFFMAN


def _decoded_frame(data: bytes) -> av.VideoFrame:
    """Decode with libavcodec's ``mjpeg``.

    With ``err_detect=explode`` it fails on a damaged file instead of filling the gap. It would
    still complete a file without an end, so such a file is refused first.
    """
    if not has_end_of_image(data):
        raise ValueError("not a JPEG, or one without its end-of-image marker")
    context = av.CodecContext.create("mjpeg", "r")
    context.thread_count = 1
    context.options = {"err_detect": "explode"}
    frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    if not frames:
        raise ValueError("libavcodec's mjpeg decoder returned no frame")
    return frames[0]


def _rgb24(
    frame: av.VideoFrame,
    flags: int,
    width: int | None = None,
    height: int | None = None,
) -> Pixels:
    converted = frame.reformat(width, height, "rgb24", interpolation=flags, threads=1)
    return np.ascontiguousarray(converted.to_ndarray(), np.uint8)

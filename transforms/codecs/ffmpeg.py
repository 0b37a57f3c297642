"""FFmpeg in process, through PyAV: its JPEG decoder, and libswscale's conversions and resizes.

libswscale works in one thread here; its flags are those of ``-sws_flags`` (FFmpeg,
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
"""Bicubic with accurate rounding and a chroma value for every pixel of a row."""


def decode_ffmpeg(data: bytes, *, flags: int) -> Pixels:
    """FFmpeg's own JPEG decoder, then libswscale to rgb24.

    Without accurate rounding, libswscale leaves its scaler where the height of a 4:2:0 or 4:2:2
    image is even and takes a converter that replicates chroma, whatever the flags say
    (FFmpeg, ``libswscale/swscale_unscaled.c``).

    Args:
        data: the bytes of a JPEG file.
        flags: of libswscale; its scaler interpolates chroma.

    Raises:
        ValueError: not a whole JPEG.
        av.error.FFmpegError: the file is damaged.
    """
    return _rgb24(_decoded_frame(data), flags)


def decode_ffmpeg_nv12(data: bytes) -> Pixels:
    """The JPEG's own planes to NV12, then to rgb24, as hardware decoders do; full (JPEG) range.

    4:2:0 planes stand in NV12 as the file has them; libswscale brings the chroma of other
    subsamplings to 4:2:0, bicubic. An odd width or height has a chroma sample for its last column
    or row. A JPEG in RGB or CMYK is converted to YCbCr on the way.

    Args:
        data: the bytes of a JPEG file.

    Raises:
        ValueError: not a whole JPEG.
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
    """Resize by libswscale from rgb24 to rgb24; its filters widen with the reduction (antialiased).

    Args:
        pixels: uint8, shape (H, W, 3).
        size: width and height of the result.
        flags: the filter.

    Raises:
        av.error.FFmpegError: a size, or a ratio of sizes, that libswscale does not take.
    """
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    width, height = size
    return _rgb24(frame, flags, width, height)


def ffmpeg_kind(kind: ImageKind) -> bool:
    """Lossy Huffman-coded JPEGs of 8 bits."""
    frame = kind.frame
    if frame is None or frame.precision != 8 or frame.lossless:
        return False
    return frame.entropy is Entropy.HUFFMAN


def _decoded_frame(data: bytes) -> av.VideoFrame:
    """Decode with libavcodec's ``mjpeg``.

    ``err_detect=explode`` makes it fail on a damaged file instead of filling the gap. A file that
    lacks its end it would still complete, so that is refused first.
    """
    if not has_end_of_image(data):
        raise ValueError("not a JPEG, or one without its end-of-image marker")
    context = av.CodecContext.create("mjpeg", "r")
    context.thread_count = 1
    context.options = {"err_detect": "explode"}
    frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    if not frames:
        raise ValueError("libavcodec's mjpeg decoder gave no frame")
    return frames[0]


def _rgb24(
    frame: av.VideoFrame,
    flags: int,
    width: int | None = None,
    height: int | None = None,
) -> Pixels:
    converted = frame.reformat(width, height, "rgb24", interpolation=flags, threads=1)
    return np.ascontiguousarray(converted.to_ndarray(), np.uint8)

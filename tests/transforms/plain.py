"""The plain library calls behind decoders and resizes, written out once for several tests."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import ajpegli
import av
import cv2
import kornia_rs
import libstb
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageCms

Plain = NDArray[Any]


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """An image file by Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def swapped_profile() -> bytes:
    """A color profile like sRGB's, but with the primaries red and green swapped."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red, green = srgb.index(b"rXYZ"), srgb.index(b"gXYZ")
    swapped = bytearray(srgb)
    swapped[red : red + 4], swapped[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(swapped)


def opencv_decode(data: bytes, flags: int) -> Plain:
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    assert bgr is not None
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def ffmpeg_decode(data: bytes) -> Plain:
    """Through a demuxer, as the ``ffmpeg`` program reads a JPEG, with the scaler named."""
    with av.open(io.BytesIO(data), "r", format="jpeg_pipe") as container:
        frame = next(container.decode(video=0))
        assert isinstance(frame, av.VideoFrame)
        return frame.reformat(format="rgb24", interpolation="BICUBIC").to_ndarray()


def zune_decode(data: bytes) -> Plain:
    pixels = kornia_rs.io.decode_image_jpeg(data)
    return np.dstack([pixels] * 3) if pixels.shape[2] == 1 else pixels


def pillow_resize(pixels: Plain, size: tuple[int, int], resample: Image.Resampling) -> Plain:
    return np.array(Image.fromarray(pixels).resize(size, resample))


DECODERS: Mapping[str, Callable[[bytes], Plain]] = {
    "pillow": lambda data: np.array(Image.open(io.BytesIO(data)).convert("RGB")),
    "opencv": lambda data: opencv_decode(
        data, cv2.IMREAD_COLOR_BGR | cv2.IMREAD_IGNORE_ORIENTATION
    ),
    "opencv-exif": lambda data: opencv_decode(data, cv2.IMREAD_COLOR_BGR),
    "simplejpeg": lambda data: simplejpeg.decode_jpeg(
        data, "RGB", fastdct=False, fastupsample=False
    ),
    "simplejpeg-fastdct": lambda data: simplejpeg.decode_jpeg(
        data, "RGB", fastdct=True, fastupsample=False
    ),
    "simplejpeg-fastupsample": lambda data: simplejpeg.decode_jpeg(
        data, "RGB", fastdct=False, fastupsample=True
    ),
    "simplejpeg-fastdct-fastupsample": lambda data: simplejpeg.decode_jpeg(
        data, "RGB", fastdct=True, fastupsample=True
    ),
    "ffmpeg": ffmpeg_decode,
    "stb": lambda data: libstb.imread(data, channels=3),
    "zune": zune_decode,
    "jpegli": lambda data: ajpegli.imdecode(data),
}

RESIZES: Mapping[str, Callable[[Plain, tuple[int, int]], Plain]] = {
    "pillow-nearest": lambda pixels, size: pillow_resize(pixels, size, Image.Resampling.NEAREST),
    "pillow-box": lambda pixels, size: pillow_resize(pixels, size, Image.Resampling.BOX),
    "pillow-bilinear": lambda pixels, size: pillow_resize(pixels, size, Image.Resampling.BILINEAR),
    "pillow-hamming": lambda pixels, size: pillow_resize(pixels, size, Image.Resampling.HAMMING),
    "pillow-bicubic": lambda pixels, size: pillow_resize(pixels, size, Image.Resampling.BICUBIC),
    "pillow-lanczos": lambda pixels, size: pillow_resize(pixels, size, Image.Resampling.LANCZOS),
    "opencv-nearest": lambda pixels, size: cv2.resize(pixels, size, None, 0, 0, cv2.INTER_NEAREST),
    "opencv-linear": lambda pixels, size: cv2.resize(pixels, size, None, 0, 0, cv2.INTER_LINEAR),
    "opencv-area": lambda pixels, size: cv2.resize(pixels, size, None, 0, 0, cv2.INTER_AREA),
    "opencv-cubic": lambda pixels, size: cv2.resize(pixels, size, None, 0, 0, cv2.INTER_CUBIC),
    "opencv-lanczos4": lambda pixels, size: cv2.resize(
        pixels, size, None, 0, 0, cv2.INTER_LANCZOS4
    ),
    "opencv-nearest-exact": lambda pixels, size: cv2.resize(
        pixels, size, None, 0, 0, cv2.INTER_NEAREST_EXACT
    ),
    "opencv-linear-exact": lambda pixels, size: cv2.resize(
        pixels, size, None, 0, 0, cv2.INTER_LINEAR_EXACT
    ),
}

"""Resizes: RGB pixels to RGB pixels of another size, each exactly as its library gives them.

Every function takes uint8 of shape (H, W, 3) and a size (width, height) in pixels, and returns
uint8 of shape (height, width, 3). Pillow's smooth filters widen with the reduction (antialiased);
of OpenCV's only INTER_AREA does; FFmpeg's do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import cv2
import numpy as np
from av.video.reformatter import Interpolation
from PIL import Image

from transforms.arrays import Pixels
from transforms.dali import DaliFilter, resize_dali
from transforms.ffmpeg import resize_ffmpeg
from transforms.methods import Method, get_method, registry

Size = tuple[int, int]
"""Width and height in pixels, in this order, as Pillow and OpenCV take it."""

Resize = Callable[[Pixels, Size], Pixels]


class ResizeError(Exception):
    """A resize that a library refuses; the message is the library's, the cause is chained."""


def resize_pillow(pixels: Pixels, size: Size, *, resample: Image.Resampling) -> Pixels:
    """Pillow's ``Image.resize`` without ``reducing_gap``, which would resize in two steps."""
    return np.asarray(Image.fromarray(pixels).resize(size, resample))


def resize_opencv(pixels: Pixels, size: Size, *, interpolation: int) -> Pixels:
    """OpenCV's ``resize`` to a given size, so that the factors are the ratios of the sizes."""
    return np.asarray(cv2.resize(pixels, size, interpolation=interpolation), np.uint8)


def resize_none(pixels: Pixels, size: Size) -> Pixels:
    """Return the pixels as they are, for the ``native`` geometry.

    Raises:
        ValueError: the size is not the image's own.
    """
    height, width = pixels.shape[:2]
    if size != (width, height):
        raise ValueError(f"resize 'none' keeps {width} x {height}, but {size} was asked for")
    return pixels


def _pillow(name: str, resample: Image.Resampling, paper_name: str) -> Method[Resize]:
    function = functools.partial(resize_pillow, resample=resample)
    return Method(f"pillow-{name}", "pillow", function, {"resample": resample.name}, (paper_name,))


def _opencv(name: str, interpolation: str, *aliases: str) -> Method[Resize]:
    function = functools.partial(resize_opencv, interpolation=getattr(cv2, interpolation))
    return Method(f"opencv-{name}", "opencv", function, {"interpolation": interpolation}, aliases)


def _ffmpeg(name: str) -> Method[Resize]:
    function = functools.partial(resize_ffmpeg, flags=Interpolation[name.upper()])
    return Method(f"ffmpeg-{name}", "pyav", function, {"swscale": name})


def _dali(name: str, filter_: DaliFilter) -> Method[Resize]:
    function = functools.partial(resize_dali, filter_=filter_)
    options: dict[str, str | int | bool] = {
        "interpolation": "INTERP_LINEAR",
        "antialias": filter_ is DaliFilter.TRIANGULAR,
    }
    return Method(f"dali-{name}", "dali", function, options, extra="dali")


RESIZES = registry(
    (
        _pillow("nearest", Image.Resampling.NEAREST, "pil-nearest"),
        _pillow("box", Image.Resampling.BOX, "pil-box"),
        _pillow("bilinear", Image.Resampling.BILINEAR, "pil-bilinear"),
        _pillow("hamming", Image.Resampling.HAMMING, "pil-hamming"),
        _pillow("bicubic", Image.Resampling.BICUBIC, "pil-cubic"),
        _pillow("lanczos", Image.Resampling.LANCZOS, "pil-lanczos"),
        _opencv("nearest", "INTER_NEAREST"),
        _opencv("linear", "INTER_LINEAR", "opencv-bilinear"),
        _opencv("area", "INTER_AREA"),
        _opencv("cubic", "INTER_CUBIC", "opencv-bicubic"),
        _opencv("lanczos4", "INTER_LANCZOS4", "opencv-lanczos"),
        _opencv("nearest-exact", "INTER_NEAREST_EXACT"),
        _opencv("linear-exact", "INTER_LINEAR_EXACT"),
        _ffmpeg("bilinear"),
        _ffmpeg("bicubic"),
        _ffmpeg("area"),
        _ffmpeg("lanczos"),
        _dali("triangular", DaliFilter.TRIANGULAR),
        _dali("linear", DaliFilter.LINEAR),
        Method("none", "numpy", resize_none),
    )
)


def resize(name: str, pixels: Pixels, size: Size) -> Pixels:
    """Resize with the method called ``name``, or by an alias of the paper's.

    Args:
        name: a name of :data:`RESIZES`.
        pixels: uint8, shape (H, W, 3).
        size: width and height of the result.

    Raises:
        UnknownNameError: no such resize.
        ResizeError: the library does not take these sizes.
    """
    method: Method[Resize] = get_method(RESIZES, "resize", name)
    try:
        return method.function(pixels, size)
    except Exception as error:
        height, width = pixels.shape[:2]
        raise ResizeError(
            f"{name}: {width} x {height} to {size[0]} x {size[1]}: {error}"
        ) from error

"""Resizes: RGB pixels become RGB pixels of another size, exactly as a library returns them.

A result is uint8 of shape (height, width, 3). The smooth filters of Pillow and FFmpeg widen with
the reduction (antialiasing); of OpenCV's interpolations, only INTER_AREA does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from av.video.reformatter import Interpolation
from PIL import Image

from sysnoise.transforms.codecs.dali import DaliFilter, resize_dali
from sysnoise.transforms.codecs.ffmpeg import resize_ffmpeg
from sysnoise.transforms.methods import Method, get_method, registry
from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resize.onnx_runtime import ElementType, OnnxResize, resize_onnx_runtime
from sysnoise.transforms.resize.pillow import resize_pillow
from sysnoise.transforms.resize.scikit_image import resize_scikit_image
from sysnoise.transforms.resize.skia import Sampling, resize_skia
from sysnoise.transforms.resize.task import Box, ResizeTask
from sysnoise.transforms.resize.vips import (
    resize_vips,
    resize_vips_linear_light,
    resize_vips_thumbnail,
)


class ResizeError(Exception):
    """Sizes that a library does not support; the message is the library's, the cause is chained."""


Resize = Callable[[ResizeTask], Pixels]


def resize_opencv(task: ResizeTask, *, interpolation: int) -> Pixels:
    """Resize with OpenCV's ``resize`` to a given size; the factors are the ratios of the sizes."""
    return task.cropped(np.asarray(cv2.resize(task.pixels, task.size, interpolation=interpolation)))


def resize_none(task: ResizeTask) -> Pixels:
    """Return the pixels as they are, for the ``native`` geometry.

    Raises:
        ValueError: the size is not that of the image.
    """
    height, width = task.pixels.shape[:2]
    if task.size != (width, height):
        raise ValueError(f"resize 'none' keeps {width} x {height}, but {task.size} was requested")
    return task.cropped(task.pixels)


def _resize_and_crop(
    task: ResizeTask, *, function: Callable[[Pixels, tuple[int, int]], Pixels]
) -> Pixels:
    """Resize with a function that returns the whole result, and crop it to the box."""
    return task.cropped(function(task.pixels, task.size))


def _pillow(name: str, resample: Image.Resampling, paper_name: str) -> Method[Resize]:
    function = functools.partial(resize_pillow, resample=resample)
    return Method(f"pillow-{name}", "pillow", function, {"resample": resample.name}, (paper_name,))


def _opencv(name: str, interpolation: str, *aliases: str) -> Method[Resize]:
    function = functools.partial(resize_opencv, interpolation=getattr(cv2, interpolation))
    return Method(f"opencv-{name}", "opencv", function, {"interpolation": interpolation}, aliases)


def _ffmpeg(name: str) -> Method[Resize]:
    resize_function = functools.partial(resize_ffmpeg, flags=Interpolation[name.upper()])
    function = functools.partial(_resize_and_crop, function=resize_function)
    return Method(f"ffmpeg-{name}", "pyav", function, {"swscale": name})


def _dali(name: str, filter_: DaliFilter) -> Method[Resize]:
    resize_function = functools.partial(resize_dali, filter_=filter_)
    function = functools.partial(_resize_and_crop, function=resize_function)
    options: dict[str, str | int | bool] = {
        "interpolation": "INTERP_LINEAR",
        "antialias": filter_ is DaliFilter.TRIANGULAR,
    }
    return Method(f"dali-{name}", "dali", function, options)


def _onnx_runtime(name: str, operator: OnnxResize, *aliases: str) -> Method[Resize]:
    function = functools.partial(resize_onnx_runtime, operator=operator)
    return Method(f"ort-{name}", "onnxruntime", function, operator.options(), aliases)


def _vips(name: str, gap: float) -> Method[Resize]:
    function = functools.partial(resize_vips, gap=gap)
    options: dict[str, str | int | bool] = {
        "operation": "resize",
        "kernel": "lanczos3",
        "gap": str(gap),
    }
    return Method(f"vips-{name}", "vips", function, options)


def _skia(sampling: Sampling, **options: str) -> Method[Resize]:
    function = functools.partial(resize_skia, sampling=sampling)
    return Method(f"skia-{sampling.value}", "skia", function, options)


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
        _onnx_runtime("linear", OnnxResize("linear")),
        _onnx_runtime("linear-asymmetric", OnnxResize("linear", "asymmetric")),
        _onnx_runtime("linear-align-corners", OnnxResize("linear", "align_corners")),
        _onnx_runtime("linear-uint8", OnnxResize("linear", element=ElementType.UINT8)),
        _onnx_runtime("linear-antialias", OnnxResize("linear", antialias=1)),
        _onnx_runtime(
            "cubic-05", OnnxResize("cubic", cubic_coeff_a=-0.5, exclude_outside=1), "ort-cubic-0.5"
        ),
        _onnx_runtime("cubic-antialias", OnnxResize("cubic", antialias=1)),
        _vips("lanczos3", gap=2.0),
        _vips("shrink", gap=1.0),
        Method(
            "vips-thumbnail",
            "vips",
            resize_vips_thumbnail,
            {"operation": "resize", "kernel": "lanczos3", "scales": "one where it gives the size"},
        ),
        Method(
            "vips-linear-light",
            "vips",
            resize_vips_linear_light,
            {"operation": "thumbnail_image", "size": "force", "linear": True},
        ),
        _skia(Sampling.MIPMAP, filter="kLinear", mipmap="kLinear"),
        _skia(Sampling.MITCHELL, cubic="Mitchell"),
        _skia(Sampling.CATMULL_ROM, cubic="CatmullRom"),
        Method(
            "skimage-gaussian",
            "skimage",
            resize_scikit_image,
            {"anti_aliasing": True, "order": 1, "mode": "reflect", "rounding": "rint"},
        ),
        Method("none", "numpy", resize_none),
    )
)


def resize(name: str, pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize with the method called ``name``.

    Args:
        name: a name in :data:`RESIZES`, or an alias.
        pixels: uint8, shape (H, W, 3).
        size: the width and height of the result.

    Raises:
        UnknownNameError: there is no such resize.
        ResizeError: the library does not support these sizes.
    """
    return next(resize_each([name], pixels, size, (0, 0, *size)))


def resize_each(
    names: Sequence[str], source: Pixels | Image.Image, size: tuple[int, int], box: Box
) -> Iterator[Pixels]:
    """Resize one image with several methods, and crop each result to the same box.

    Args:
        names: names in :data:`RESIZES`, or aliases.
        source: uint8, shape (H, W, 3), or an image of Pillow's in mode RGB, which Pillow's resizes
            take as it is; it must not change before the last result is taken.
        size: the width and height of the whole result.
        box: the part of the result that is kept.

    Yields:
        For each name the result of :func:`resize`, cropped to the box: uint8, C order.

    Raises:
        UnknownNameError: there is no such resize.
        ResizeError: the library does not support these sizes.
    """
    task = ResizeTask(source, size, box, len(names))
    for name in names:
        method: Method[Resize] = get_method(RESIZES, "resize", name)
        try:
            yield method.function(task)
        except Exception as error:
            height, width = task.pixels.shape[:2]
            raise ResizeError(
                f"{name}: {width} x {height} to {size[0]} x {size[1]}: {error}"
            ) from error

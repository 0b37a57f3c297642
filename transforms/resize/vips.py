"""libvips through pyvips, from the extra ``vips``.

libvips works with one thread here, and keeps no results of earlier operations. That holds for the
whole process from the first resize on.
"""

from __future__ import annotations

import functools
import math
import os
from typing import Any

import numpy as np

from sysnoise.transforms.pixels import Pixels, size_of
from sysnoise.transforms.resize.task import ResizeTask


def resize_vips(task: ResizeTask, *, gap: float) -> Pixels:
    """Resize with libvips's ``resize`` and Lanczos of 3 pixels; it shrinks large images first.

    Source: libvips, ``vips_resize`` with ``kernel=lanczos3``. The two scales are the ratios of the
    sizes, and libvips rounds their products with the source's sizes, so that the result has exactly
    the requested size.

    Args:
        task: the pixels and the size.
        gap: by which factor at least ``kernel`` reduces; a whole factor before it is left to
            averaging. libvips's default is 2.

    Raises:
        ValueError: libvips gave an image of another size, or this process was forked from one that
            has used libvips.
    """
    width, height = size_of(task.pixels)
    scale, vertical_scale = task.size[0] / width, task.size[1] / height
    image = task.converted(_vips_image)
    return _result(task, image.resize(scale, vscale=vertical_scale, kernel="lanczos3", gap=gap))


def resize_vips_thumbnail(task: ResizeTask) -> Pixels:
    """Resize with libvips's ``resize`` by one scale for both sides, as thumbnails are made.

    Where the aspect ratio is kept, one side of the result is rounded to whole pixels. libvips's
    thumbnails and sharp scale both sides alike and cut or repeat that fraction of a pixel; two
    scales would stretch it over the whole side.

    Source: libvips, ``vips_thumbnail``; sharp, ``pipeline.cc``. The scale is that of the shorter
    side, or of the longer one, whichever gives the requested size; where neither does, the aspect
    ratio is not kept, and each side has its own.

    Raises:
        ValueError: libvips gave an image of another size, or this process was forked from one that
            has used libvips.
    """
    source = size_of(task.pixels)
    ratios = [wanted / side for wanted, side in zip(task.size, source, strict=True)]
    scales = ratios if source.width <= source.height else ratios[::-1]
    image = task.converted(_vips_image)
    for scale in scales:
        if task.size == tuple(math.floor(side * scale + 0.5) for side in source):
            return _result(task, image.resize(scale, kernel="lanczos3"))
    return _result(task, image.resize(ratios[0], vscale=ratios[1], kernel="lanczos3"))


def resize_vips_linear_light(task: ResizeTask) -> Pixels:
    """Resize with libvips's ``thumbnail_image``, in linear light instead of sRGB's values.

    It shrinks and reduces as ``resize`` does, on floats.

    Source: libvips, ``vips_thumbnail_image`` with ``linear``, and ``size=force``, which gives
    exactly the requested size.

    Raises:
        ValueError: libvips gave an image of another size, or this process was forked from one that
            has used libvips.
    """
    width, height = task.size
    image = task.converted(_vips_image)
    return _result(task, image.thumbnail_image(width, height=height, size="force", linear=True))


def _vips_image(pixels: Pixels) -> Any:
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels)
    return _pyvips().Image.new_from_memory(data, width, height, 3, "uchar")


def _result(task: ResizeTask, image: Any) -> Pixels:
    if (image.width, image.height) != task.size:
        raise ValueError(f"libvips gave {image.width} x {image.height} pixels")
    return task.cropped(image.numpy())


def _pyvips() -> Any:
    """Return the module with libvips set up.

    libvips keeps its threads for the next operation, and a forked process would wait forever for
    those of its parent (libvips/ruby-vips#396).
    """
    module, process = _set_up()
    if process != os.getpid():
        raise ValueError(
            "this process was forked from one that has used libvips, whose threads it lacks; "
            "start it in another way (multiprocessing's 'spawn'), or use libvips in one of the two"
        )
    return module


@functools.cache
def _set_up() -> tuple[Any, int]:
    """Load libvips; return the module and the process that has its threads."""
    import pyvips  # It comes with an extra.

    pyvips.concurrency_set(1)
    pyvips.cache_set_max(0)
    return pyvips, os.getpid()

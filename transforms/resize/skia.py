"""Skia through skia-python, from the extra ``skia``; it works in the thread that calls it."""

from __future__ import annotations

import functools
from enum import Enum
from typing import Any

import cv2
import numpy as np

from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resize.task import ResizeTask


class Sampling(Enum):
    """Skia's ways to sample an image."""

    MIPMAP = "mipmap"
    """Linear in and between two images of the pyramid, in which each is half of the one before."""
    MITCHELL = "mitchell"
    CATMULL_ROM = "catmull-rom"


def resize_skia(task: ResizeTask, *, sampling: Sampling) -> Pixels:
    """Resize with Skia on the CPU, as RGBA; the opaque alpha is dropped again.

    Source: skia-python, ``Image.resize``, which is Skia's ``scalePixels``, with
    ``SamplingOptions``.

    Raises:
        ValueError: Skia cannot make an image of this size.
    """
    width, height = task.size
    resized = task.converted(_skia_image).resize(width, height, _options(sampling))
    return task.cropped(np.asarray(resized)[:, :, :3])


def _skia_image(pixels: Pixels) -> Any:
    import skia  # It comes with an extra.

    rgba = np.ascontiguousarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA))
    return skia.Image.fromarray(rgba, colorType=skia.kRGBA_8888_ColorType)


@functools.cache
def _options(sampling: Sampling) -> Any:
    import skia

    if sampling is Sampling.MIPMAP:
        return skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kLinear)
    mitchell = sampling is Sampling.MITCHELL
    cubic = skia.CubicResampler
    return skia.SamplingOptions(cubic.Mitchell() if mitchell else cubic.CatmullRom())

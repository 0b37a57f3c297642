"""Pillow's resizes."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resize.task import ResizeTask

_EXACT_IN_FLOAT32 = 1 << 24
"""Integers up to this one have a float of their own (IEEE 754, binary32)."""

_VERY_HIGH = 100
"""The ratio of height to width above which Pillow resizes the columns first."""


def resize_pillow(task: ResizeTask, *, resample: Image.Resampling) -> Pixels:
    """Resize with Pillow's ``Image.resize``, without ``reducing_gap`` and its two steps.

    The smooth filters work in two passes, first along the rows, then along the columns, and store 8
    bits in between (Pillow, ``src/libImaging/Resample.c``). One call per pass gives the same pixels
    and skips rows and columns that the box does not need. It works on a strip of the image, which
    several methods share; to cut it out for one alone costs more than it saves. Very high images
    take the passes in the other order (``Image.resize``), and are resized whole.
    """
    if task.box == (0, 0, *task.size):
        return np.asarray(task.image.resize(task.size, resample))
    is_very_high = task.image.height > _VERY_HIGH * task.image.width
    if is_very_high or resample is Image.Resampling.NEAREST:
        return np.asarray(task.image.resize(task.size, resample).crop(task.box))
    if task.methods == 1:
        return np.asarray(_both_passes(task, resample))
    return np.asarray(_columns_pass(_rows_pass(task, resample), task, resample))


def _both_passes(task: ResizeTask, resample: Image.Resampling) -> Image.Image:
    """Resize the part of the image that the box comes from, as far as it is exact, and cut it."""
    (width, height), (left, upper, right, lower) = task.size, task.box
    source = task.image
    columns = _exact_span(source.width, width, left, right)
    rows = _exact_span(source.height, height, upper, lower)
    x, first, last = (0, *columns) if columns else (left, 0, source.width)
    y, top, bottom = (0, *rows) if rows else (upper, 0, source.height)
    size = (right - left if columns else width, lower - upper if rows else height)
    resized = source.resize(size, resample, (first, top, last, bottom))
    if columns and rows:
        return resized
    return resized.crop((x, y, x + right - left, y + lower - upper))


def _rows_pass(task: ResizeTask, resample: Image.Resampling) -> Image.Image:
    """Resize the rows of the strip that the box needs, and cut out its columns."""
    _, strip = task.strip
    left, _, right, _ = task.box
    width, height = task.size[0], strip.height
    span = _exact_span(strip.width, width, left, right)
    if span is None:
        return strip.resize((width, height), resample).crop((left, 0, right, height))
    return strip.resize((right - left, height), resample, (span[0], 0, span[1], height))


def _columns_pass(narrow: Image.Image, task: ResizeTask, resample: Image.Resampling) -> Image.Image:
    """Resize the columns of the strip, and cut out the rows of the box."""
    first, _ = task.strip
    _, upper, _, lower = task.box
    width, stored = narrow.width, task.image.height
    span = _exact_span(stored, task.size[1], upper, lower)
    if span is None:
        # Outside of the strip, black rows replace those that the box does not need.
        whole = narrow.crop((0, -first, width, stored - first))
        resized = whole.resize((width, task.size[1]), resample)
        return resized.crop((0, upper, width, lower))
    size = (width, lower - upper)
    return narrow.resize(size, resample, (0, span[0] - first, width, span[1] - first))


def _exact_span(length: int, resized: int, start: int, stop: int) -> tuple[float, float] | None:
    """Return the part of a side that some pixels of its resized form come from, if it is exact.

    Pillow takes it as 32-bit floats, and computes the centers of the filter from it. Where the
    scale is a fraction of a power of two, as it is for a side of 256 pixels, no number is rounded,
    so that the filter has the same centers and weights as in a resize of the whole side.
    """
    divisor = resized // math.gcd(length, resized)
    if divisor & (divisor - 1) or length * resized > _EXACT_IN_FLOAT32:
        return None
    return start * length / resized, stop * length / resized

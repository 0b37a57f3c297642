"""An array that several resizes work on, and what they share of it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from sysnoise.transforms.pixels import Pixels

Box = tuple[int, int, int, int]
"""The left, upper, right and lower edge in pixels, as Pillow takes them."""

Converted = TypeVar("Converted")

_WIDEST_SUPPORT = 3
"""Source pixels on each side, times the reduction, that Pillow's widest filter reads."""


@dataclass(frozen=True)
class ResizeTask:
    """An array to be resized by several methods, which share what each of them needs.

    Attributes:
        source: uint8, shape (H, W, 3), or an image of Pillow's in mode RGB.
        size: the width and height of the whole result.
        box: the part of the result that is kept.
        methods: the number of methods that the task is for.
    """

    source: Pixels | Image.Image
    size: tuple[int, int]
    box: Box
    methods: int = 1
    _converted: dict[Callable[[Pixels], Any], Any] = field(default_factory=dict, repr=False)

    @property
    def pixels(self) -> Pixels:
        """The source as an array: uint8, shape (H, W, 3)."""
        return np.asarray(self.source)

    @functools.cached_property
    def image(self) -> Image.Image:
        """The source as a Pillow image."""
        source = self.source
        return source if isinstance(source, Image.Image) else Image.fromarray(source)

    @functools.cached_property
    def strip(self) -> tuple[int, Image.Image]:
        """The source rows that any of Pillow's filters needs for the box: first row, and image.

        The filters are centered at ``(row + 0.5) * scale``. One more row on each side allows for
        Pillow's rounding.
        """
        width, height = self.image.size
        scale = height / self.size[1]
        reach = _WIDEST_SUPPORT * max(scale, 1) + 1
        _, upper, _, lower = self.box
        first = max(0, math.floor((upper + 0.5) * scale - reach))
        last = min(height, math.ceil((lower - 0.5) * scale + reach))
        return first, self.image.crop((0, first, width, last))

    def converted(self, convert: Callable[[Pixels], Converted]) -> Converted:
        """Return what a function makes of the pixels; methods that give the same one share it.

        Only the latest is kept: it can be several times as large as the pixels, and the methods of
        a library follow each other.
        """
        if convert not in self._converted:
            self._converted.clear()
            self._converted[convert] = convert(self.pixels)
        result: Converted = self._converted[convert]
        return result

    def cropped(self, resized: Pixels) -> Pixels:
        """Cut the box out of a whole result: uint8, C order."""
        left, upper, right, lower = self.box
        return np.ascontiguousarray(resized[upper:lower, left:right])

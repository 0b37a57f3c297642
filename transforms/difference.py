"""Difference statistics: how much a variant differs from the baseline.

All sums are integers, so that adding them is exact in any order and on any number of workers.
Means, shares and PSNR are computed from the sums alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypedDict


class DifferenceDocument(TypedDict):
    """A :class:`Difference` and what follows from it, by the names that it has there."""

    images: int
    identical_images: int
    pixels: int
    changed_pixels: int
    absolute_sum: int
    squared_sum: int
    maximum: int
    mean: float | None
    psnr: float | None
    changed_share: float | None
    identical_share: float | None


@dataclass(frozen=True)
class Difference:
    """Integer sums over the pixels of one or more pairs of images.

    Attributes:
        images: the number of pairs of images.
        identical_images: the number of pairs without a changed pixel.
        pixels: the number of pixels, H x W, summed over the pairs.
        changed_pixels: the number of pixels in which any channel differs.
        absolute_sum: the sum of absolute differences over all pixels and channels.
        squared_sum: the sum of squared differences over all pixels and channels.
        maximum: the largest absolute difference, 0 to 255.
    """

    images: int = 0
    identical_images: int = 0
    pixels: int = 0
    changed_pixels: int = 0
    absolute_sum: int = 0
    squared_sum: int = 0
    maximum: int = 0

    def __add__(self, other: Difference) -> Difference:
        return Difference(
            images=self.images + other.images,
            identical_images=self.identical_images + other.identical_images,
            pixels=self.pixels + other.pixels,
            changed_pixels=self.changed_pixels + other.changed_pixels,
            absolute_sum=self.absolute_sum + other.absolute_sum,
            squared_sum=self.squared_sum + other.squared_sum,
            maximum=max(self.maximum, other.maximum),
        )

    @property
    def mean(self) -> float | None:
        """The mean absolute difference per value (3 per pixel), 0 to 255; None without images."""
        return self.absolute_sum / (3 * self.pixels) if self.pixels else None

    @property
    def psnr(self) -> float | None:
        """The peak signal-to-noise ratio of the pooled squared error in dB; None if that is 0."""
        if not self.squared_sum:
            return None
        return 10 * math.log10(255**2 * 3 * self.pixels / self.squared_sum)

    @property
    def changed_share(self) -> float | None:
        """The share of changed pixels, 0 to 1; None without images."""
        return self.changed_pixels / self.pixels if self.pixels else None

    @property
    def identical_share(self) -> float | None:
        """The share of identical images, 0 to 1; None without images."""
        return self.identical_images / self.images if self.images else None

    def document(self) -> DifferenceDocument:
        """Return the sums and what follows from them as a JSON-compatible mapping."""
        return {
            "images": self.images,
            "identical_images": self.identical_images,
            "pixels": self.pixels,
            "changed_pixels": self.changed_pixels,
            "absolute_sum": self.absolute_sum,
            "squared_sum": self.squared_sum,
            "maximum": self.maximum,
            "mean": self.mean,
            "psnr": self.psnr,
            "changed_share": self.changed_share,
            "identical_share": self.identical_share,
        }


def identical(pixels: int) -> Difference:
    """Return the difference of two equal images with this number of pixels."""
    return Difference(images=1, identical_images=1, pixels=pixels)


def merged(differences: Iterable[Difference]) -> Difference:
    """Return the sum of differences."""
    return sum(differences, Difference())

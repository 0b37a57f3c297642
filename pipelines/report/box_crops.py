"""The pixels around boxes that change: the same region in the baseline and in a setting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.settings import Setting
from sysnoise.pipelines.report.gallery import CROP_SIDE, read_images
from sysnoise.transforms.pixels import Pixels, Size

MAX_CROPS = 48
"""Number of regions that are shown at most, each with two pictures of its own."""
MARGIN = 0.25
"""How much wider than the box the region is on each side, as a share of the box's longer side."""

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels of the stored image."""


@dataclass(frozen=True)
class CropRegion:
    """A part of an image.

    Attributes:
        left, top, width, height: the part, in pixels of the stored image.
        step: every how many pixels, in both directions, one is shown.
    """

    left: int
    top: int
    width: int
    height: int
    step: int

    def of(self, pixels: Pixels) -> Pixels:
        """Return the pixels that are shown: uint8, shape (H, W, 3), at most 96 x 96."""
        rows = slice(self.top, self.top + self.height, self.step)
        columns = slice(self.left, self.left + self.width, self.step)
        return np.ascontiguousarray(pixels[rows, columns])


@dataclass(frozen=True)
class WantedCrop:
    """A region that is to be read.

    Attributes:
        setting: the setting whose boxes change there.
        key: the key of the image.
        shard: the number of the shard that holds the image.
        region: the region.
    """

    setting: Setting
    key: str
    shard: int
    region: CropRegion


@dataclass(frozen=True)
class CropPair:
    """A region in two variants of the same geometry.

    Attributes:
        region: the region.
        before, after: its pixels in the baseline and in the setting's variant, uint8, shape
            (H, W, 3), RGB.
    """

    region: CropRegion
    before: Pixels
    after: Pixels


def region_around(box: Box, size: Size) -> CropRegion:
    """Return a square around a box, at least 96 pixels wide, as far as the image has it.

    Where the square is wider than a crop, it shows every second pixel, every third, and so on.

    Args:
        box: the box.
        size: the width and height of the image.
    """
    x, y, box_width, box_height = box
    side = max(CROP_SIDE, math.ceil((1 + 2 * MARGIN) * max(box_width, box_height)))
    left, width = _part(x + box_width / 2, side, size.width)
    top, height = _part(y + box_height / 2, side, size.height)
    return CropRegion(left, top, width, height, math.ceil(max(width, height) / CROP_SIDE))


def _part(middle: float, side: int, length: int) -> tuple[int, int]:
    """Return start and length of a part of a side of an image, around a place if it can be."""
    side = min(side, length)
    return min(max(0, round(middle - side / 2)), length - side), side


def read_crops(found: FinishedSet, wanted: Sequence[WantedCrop]) -> list[CropPair | None]:
    """Read regions in the baseline and in the variants of their settings.

    Args:
        found: the set.
        wanted: the regions.

    Returns:
        The pixels of each region; None past the first 48, and where the setting has the baseline's
        images or where images of one of the two are not available.

    Raises:
        SetError: a file is missing or damaged.
    """
    places = [place for place, each in enumerate(wanted) if _has_both(found, each.setting)]
    shown = {place: wanted[place] for place in places[:MAX_CROPS]}
    pixels = _read_regions(found, shown)
    return [
        CropPair(each.region, pixels[place, found.baseline], pixels[place, each.setting.variant])
        if place in shown
        else None
        for place, each in enumerate(wanted)
    ]


def _has_both(found: FinishedSet, setting: Setting) -> bool:
    both = {found.baseline, setting.variant}
    return len(both) > 1 and both <= {*found.held}


def _read_regions(
    found: FinishedSet, shown: Mapping[int, WantedCrop]
) -> dict[tuple[int, str], Pixels]:
    """Return the pixels of each region, by its place and the variant; each file is read once."""
    by_file: dict[tuple[str, int], list[int]] = {}
    for place, each in shown.items():
        for variant in (found.baseline, each.setting.variant):
            by_file.setdefault((variant, each.shard), []).append(place)
    pixels = {}
    for (variant, shard), places in by_file.items():
        images = read_images(found, variant, shard, [shown[place].key for place in places])
        for place in places:
            pixels[place, variant] = shown[place].region.of(images[shown[place].key])
    return pixels

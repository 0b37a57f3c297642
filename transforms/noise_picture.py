"""One image in several variants, with their differences from the baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sysnoise.transforms.pixels import Pixels

PICTURE_SIDE = 224
"""The largest width and height of an image in the picture, in pixels."""
GAP = 4
"""The width of the white between images, in pixels."""
WHITE = 255


def noise_picture(baseline: Pixels, others: Sequence[Pixels], factor: int) -> Pixels:
    """Return a picture of the noise: uint8, shape (H, W, 3), RGB.

    The upper row has the middle of the baseline and of the others, the lower one below each other
    its absolute difference from the baseline, multiplied by a factor and cut off at 255.

    Args:
        baseline: uint8, shape (H, W, 3), RGB.
        others: the same image in other variants, at least one.
        factor: what the differences are multiplied by.

    Raises:
        ValueError: an image has another size than the baseline.
    """
    shapes = [each.shape for each in others if each.shape != baseline.shape]
    if shapes:
        raise ValueError(f"cannot compare images of the shapes {baseline.shape} and {shapes[0]}")
    first, *rest = map(_middle, (baseline, *others))
    changes = (np.abs(each.astype(np.int32) - first) * factor for each in rest)
    clipped = [np.minimum(WHITE, each).astype(np.uint8) for each in changes]
    upper, lower = _row([first, *rest]), _row([np.full_like(first, WHITE), *clipped])
    return np.concatenate([upper, np.full((GAP, *upper.shape[1:]), WHITE, np.uint8), lower])


def _middle(pixels: Pixels) -> Pixels:
    top, left = (max(0, (side - PICTURE_SIDE) // 2) for side in pixels.shape[:2])
    return pixels[top : top + PICTURE_SIDE, left : left + PICTURE_SIDE]


def _row(images: Sequence[Pixels]) -> Pixels:
    gap = np.full((len(images[0]), GAP, 3), WHITE, np.uint8)
    parts = [part for image in images for part in (gap, image)]
    return np.concatenate(parts[1:], axis=1)

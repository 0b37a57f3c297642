"""Greedy non-maximum suppression, with widths that may include the last pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sysnoise.transforms.model.decoding import Floats

_CHUNK = 64
"""The number of boxes that non-maximum suppression compares with each other at a time."""


def suppress(
    corners: Floats, classes: NDArray[np.int64], iou: float, most: int, offset: float
) -> NDArray[np.intp]:
    """Choose boxes by greedy non-maximum suppression.

    A box is removed where its intersection over union with a chosen box of its class exceeds
    ``iou``.
    Boxes are compared in chunks, so that the comparison ends with the last box that is needed.
    Libraries compare all of them, and none supports widths that include the last pixel.

    Args:
        corners: the left, upper, right and lower edges, the best box first, shape (n, 4).
        classes: the classes of the boxes, shape (n,).
        iou: the threshold.
        most: the largest number of boxes that are chosen.
        offset: 1 where the last pixel is included, so that a width is ``x2 - x1 + 1``; otherwise 0.

    Returns:
        The indices of the chosen boxes, in their order.
    """
    kept = np.empty(0, np.intp)
    for start in range(0, len(corners), _CHUNK):
        chunk = np.arange(start, min(start + _CHUNK, len(corners)))
        chunk = chunk[~_clash(corners, classes, kept, chunk, iou, offset).any(axis=0)]
        alive = np.ones(len(chunk), bool)
        for place, clash in enumerate(_clash(corners, classes, chunk, chunk, iou, offset)):
            if alive[place]:
                alive[place + 1 :] &= ~clash[place + 1 :]
        kept = np.concatenate([kept, chunk[alive]])
        if len(kept) >= most:
            break
    return kept[:most]


def _clash(
    corners: Floats,
    classes: NDArray[np.int64],
    one: NDArray[np.intp],
    other: NDArray[np.intp],
    iou: float,
    offset: float,
) -> NDArray[np.bool_]:
    """Return which boxes overlap too much with which others of their class."""
    first, second = corners[one][:, None], corners[other][None]
    sides = np.minimum(first, second)[..., 2:] - np.maximum(first, second)[..., :2] + offset
    shared = np.maximum(sides, 0).prod(axis=-1)
    area, other_area = (
        np.maximum(each[..., 2:] - each[..., :2] + offset, 0).prod(axis=-1)
        for each in (first, second)
    )
    union = area + other_area - shared
    same = classes[one, None] == classes[None, other]
    # There is no division, because the union of two boxes without an area is zero.
    return np.asarray(same & (shared > iou * union))

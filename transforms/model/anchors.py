"""Anchors over an input, and boxes that a model gives relative to them.

All arithmetic is in float64. ``offset`` is 1 where the last pixel of a box is included, so that a
width is ``x2 - x1 + 1``, and otherwise 0.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from sysnoise.transforms.model.heads import AnchorEdges, AnchorLevel, AnchorsHead, AnchorSpacing

LARGEST_LOG = math.log(1000 / 16)
"""The largest logarithm of a ratio of sizes; larger ones are taken as this one."""


@functools.lru_cache(maxsize=8)
def anchor_corners(head: AnchorsHead, width: int, height: int) -> NDArray[np.float64]:
    """Return the corners of all anchors over an input, in the order of the outputs.

    Levels follow one another; the cells of a level are in the order of its rows, and each has its
    anchors in the order of the config. A level of stride S has ``ceil(side / S)`` cells along a
    side.

    Args:
        head: the head with its levels.
        width: the width of the input in pixels.
        height: the height of the input in pixels.

    Returns:
        Left, upper, right and lower edge in pixels, shape (anchors, 4); not to be changed.
    """
    corners = [_level_corners(head, level, width, height) for level in head.levels]
    made = np.concatenate(corners)
    made.flags.writeable = False
    return made


def level_counts(head: AnchorsHead, width: int, height: int) -> list[int]:
    """Return the number of anchors of each level over an input of this size in pixels."""
    return [
        math.ceil(width / level.stride) * math.ceil(height / level.stride) * len(level.anchors)
        for level in head.levels
    ]


def _level_corners(
    head: AnchorsHead, level: AnchorLevel, width: int, height: int
) -> NDArray[np.float64]:
    columns, rows = (math.ceil(side / level.stride) for side in (width, height))
    across, down = float(level.stride), float(level.stride)
    if head.spacing is AnchorSpacing.GRID:
        across, down = float(width // columns), float(height // rows)
    halves = np.array(level.anchors, np.float64) / 2
    around = np.hstack([-halves, halves])
    if head.edges is AnchorEdges.ROUNDED:
        around = np.round(around)
    row, column = np.mgrid[:rows, :columns].reshape(2, -1)
    centers = np.stack([(column + head.center) * across, (row + head.center) * down], axis=1)
    return np.asarray((np.tile(centers, 2)[:, np.newaxis] + around).reshape(-1, 4))


def decode_deltas(
    anchors: NDArray[np.float64],
    deltas: NDArray[np.float64],
    weights: tuple[float, float, float, float],
    offset: float,
) -> NDArray[np.float64]:
    """Return the corners of boxes that are given relative to anchors.

    Source: R-CNN's parameterization (arXiv 1311.2524, appendix C), and appendix A of the SysNoise
    paper for the offset. An anchor has the width ``w_a = x2 - x1 + offset`` and the center
    ``x1 + w_a / 2``. The center of the box is ``d_x / weight * w_a`` away from that, its width is
    ``w = exp(min(d_w / weight, log(1000 / 16))) * w_a``, and its edges are ``center - w / 2`` and
    ``center + w / 2 - offset``; likewise for the heights.

    Args:
        anchors: left, upper, right and lower edge of the anchors in pixels, shape (n, 4).
        deltas: d_x, d_y, d_w and d_h, shape (n, 4).
        weights: what each of the four is divided by.
        offset: 1 where the last pixel of a box is included, otherwise 0.
    """
    sizes = anchors[:, 2:] - anchors[:, :2] + offset
    centers = anchors[:, :2] + sizes / 2
    weighted = deltas / weights
    centers = weighted[:, :2] * sizes + centers
    sizes = np.exp(np.minimum(weighted[:, 2:], LARGEST_LOG)) * sizes
    return np.hstack([centers - sizes / 2, centers + sizes / 2 - offset])

"""Comparing two images, pixel by pixel."""

from __future__ import annotations

import cv2
import numpy as np

from sysnoise.transforms.difference import Difference, identical
from sysnoise.transforms.pixels import Pixels


def difference(pixels: Pixels, baseline: Pixels) -> Difference:
    """Compare two images of the same size.

    Args:
        pixels: uint8, shape (H, W, 3).
        baseline: uint8 of the same shape.

    Raises:
        ValueError: the shapes differ.
    """
    if pixels.shape != baseline.shape:
        raise ValueError(f"cannot compare shapes {pixels.shape} and {baseline.shape}")
    height, width = pixels.shape[:2]
    if pixels is baseline:
        return identical(height * width)
    absolute = np.asarray(cv2.absdiff(pixels, baseline), np.uint8)
    # OpenCV's norms of uint8 are exact integers below 2**53, held in a float.
    absolute_sum = int(cv2.norm(absolute, cv2.NORM_L1))
    if absolute_sum == 0:
        return identical(height * width)
    red, green, blue = (np.asarray(channel, np.uint8) for channel in cv2.split(absolute))
    return Difference(
        images=1,
        pixels=height * width,
        changed_pixels=cv2.countNonZero(red | green | blue),
        absolute_sum=absolute_sum,
        squared_sum=int(cv2.norm(absolute, cv2.NORM_L2SQR)),
        maximum=int(cv2.norm(absolute, cv2.NORM_INF)),
    )

"""Masks that a model gives at the size of its input, as those of the stored image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sysnoise.transforms.geometry import Placement
from sysnoise.transforms.targets import Rle, encode_rle

THRESHOLD = 0.5
"""The probability above which a pixel belongs to an object, as in torchvision's evaluation."""


def stored_mask(probabilities: NDArray[Any], placement: Placement) -> Rle:
    """Return the mask of an object in the stored image.

    Probabilities are resized before they are compared with :data:`THRESHOLD`, by OpenCV's
    ``INTER_LINEAR``, if the image was resized for the model.

    Args:
        probabilities: 0 to 1, of the shape of the model's input, (height, width).
        placement: the placement of the stored image in the model's input.

    Returns:
        The compressed run lengths of the mask, of the size of the stored image.

    Raises:
        ValueError: the probabilities have another size.
    """
    width, height = placement.output
    if probabilities.shape != (height, width):
        raise ValueError(
            f"expected masks of the input's size, {height} x {width}, found the shape "
            f"{probabilities.shape}"
        )
    left, top = placement.pad
    inner = probabilities[
        top : top + placement.resized.height, left : left + placement.resized.width
    ]
    if placement.resized != placement.source:
        import cv2  # Few models have masks, and importing it takes as long as reading a set.

        levels = np.ascontiguousarray(inner, np.float32)
        inner = cv2.resize(levels, placement.source, interpolation=cv2.INTER_LINEAR)
    return encode_rle((inner > THRESHOLD).astype(np.uint8))

"""Masks of a model's input, against masks worked out by hand and plain resizes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from sysnoise.transforms.geometry import Native, place_letterbox
from sysnoise.transforms.model.masks import stored_mask
from sysnoise.transforms.pixels import Size
from sysnoise.transforms.targets import decode_rle


def test_masks_of_an_image_that_was_not_resized() -> None:
    probabilities = np.array([[0.5, 0.51, 0], [1, 0.49, 0.5]], np.float32)
    made = stored_mask(probabilities, Native().place(Size(3, 2), 0, ""))
    assert made["size"] == [2, 3]
    assert decode_rle(made).tolist() == [[0, 1, 0], [1, 0, 0]]


def test_masks_are_taken_out_of_the_padding_and_resized() -> None:
    placement = place_letterbox(Size(200, 50), Size(96, 64), 114)  # 96 x 24, from row 20 on.
    noise = np.random.default_rng(1).random((64, 96)).astype(np.float32)
    probabilities = cv2.GaussianBlur(noise, (0, 0), 3)
    inside = cv2.resize(probabilities[20:44], (200, 50), interpolation=cv2.INTER_LINEAR)
    made = decode_rle(stored_mask(probabilities, placement))
    assert np.array_equal(made, (inside > 0.5).astype(np.uint8))
    assert 0.2 < made.mean() < 0.8


def test_masks_of_another_size_are_refused() -> None:
    placement = Native().place(Size(3, 2), 0, "")
    with pytest.raises(ValueError, match="input's size, 2 x 3, found the shape"):
        stored_mask(np.zeros((28, 28), np.float32), placement)

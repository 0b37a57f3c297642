"""Pixel digest and the check of pixel arrays."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sysnoise.transforms.digests import pixel_digest
from sysnoise.transforms.pixels import Pixels, check_pixels


def test_digest_is_sha256_of_header_and_bytes() -> None:
    pixels = np.array([[[0, 1, 2], [3, 254, 255]]], np.uint8)
    message = b"uint8 1 2 3\n" + bytes([0, 1, 2, 3, 254, 255])
    assert pixel_digest(pixels) == hashlib.sha256(message).digest()


def test_digest_of_a_view_is_that_of_its_pixels(photos: dict[str, Pixels]) -> None:
    mirrored = photos["chelsea"][::2, ::-1]
    message = b"uint8 150 451 3\n" + mirrored.tobytes()
    assert pixel_digest(mirrored) == hashlib.sha256(message).digest()


def test_digest_tells_shapes_with_the_same_bytes_apart() -> None:
    flat = np.arange(18, dtype=np.uint8)
    assert pixel_digest(flat.reshape(2, 3, 3)) != pixel_digest(flat.reshape(3, 2, 3))


@pytest.mark.parametrize("check", [check_pixels, pixel_digest])
@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((2, 2, 3), np.float32), r"float32 of shape \(2, 2, 3\)"),
        (np.zeros((2, 2, 3), np.int8), r"int8 of shape \(2, 2, 3\)"),
        (np.zeros((2, 3), np.uint8), r"uint8 of shape \(2, 3\)"),
        (np.zeros((2, 2, 4), np.uint8), r"uint8 of shape \(2, 2, 4\)"),
        (np.zeros((1, 2, 2, 3), np.uint8), r"uint8 of shape \(1, 2, 2, 3\)"),
        (np.zeros((0, 2, 3), np.uint8), r"uint8 of shape \(0, 2, 3\)"),
    ],
)
def test_other_arrays_are_refused(check: Any, array: NDArray[Any], found: str) -> None:
    with pytest.raises(ValueError, match=rf"expected .* RGB image .*, found {found}"):
        check(array)

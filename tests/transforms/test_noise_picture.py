"""The picture of the noise, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from sysnoise.transforms.noise_picture import noise_picture


@pytest.mark.parametrize(("height", "width"), [(3, 5), (224, 224), (300, 500)])
def test_images_above_their_differences(height: int, width: int) -> None:
    generator = np.random.default_rng(1)
    images = generator.integers(0, 256, (3, height, width, 3), np.uint8)
    found = noise_picture(images[0], [*images[1:]], 8)
    tall, wide = min(height, 224), min(width, 224)
    assert found.shape == (2 * tall + 4, 3 * wide + 8, 3)
    assert found.dtype == np.uint8
    expected = np.full(found.shape, 255, np.uint8)
    top, left = (height - tall) // 2, (width - wide) // 2
    for place, image in enumerate(images.astype(int)):
        column = slice(place * (wide + 4), place * (wide + 4) + wide)
        rows, columns = slice(top, top + tall), slice(left, left + wide)
        expected[:tall, column] = image[rows, columns]
        if place:
            change = 8 * np.abs(image - images[0].astype(int))
            expected[tall + 4 :, column] = np.clip(change, 0, 255)[rows, columns]
    np.testing.assert_array_equal(found, expected)


def test_images_of_other_sizes_have_no_difference() -> None:
    with pytest.raises(ValueError, match=r"\(4, 6, 3\) and \(6, 4, 3\)"):
        noise_picture(np.zeros((4, 6, 3), np.uint8), [np.zeros((6, 4, 3), np.uint8)], 8)

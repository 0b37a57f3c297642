"""Decoders of extras with code of their own: near libjpeg-turbo, and the same in threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from sysnoise.pipelines.cli.photographs import SUBSAMPLINGS, jpeg_bytes
from sysnoise.transforms.codecs.decoders import decode
from sysnoise.transforms.codecs.encoded import EncodedImage
from sysnoise.transforms.pixels import Pixels
from tests.transforms.plain import saved

MEANS = {"stb": (0, 0.3), "zune": (0, 0.5), "jpegli": (0.5, 1.5)}
"""Between which numbers the mean absolute difference from ``pillow`` lies."""


@pytest.mark.parametrize("decoder", MEANS)
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("progressive", [False, True], ids=["sequential", "progressive"])
def test_pixels_are_close_to_those_of_libjpeg_turbo_and_not_equal(
    subsampling: str, progressive: bool, decoder: str, photos: dict[str, Pixels]
) -> None:
    image = Image.fromarray(photos["coffee"])
    options = {"progressive": progressive, "subsampling": ":".join(subsampling)}
    data = EncodedImage(saved(image, "JPEG", quality=90, **options))
    difference = np.abs(decode(decoder, data).astype(int) - decode("pillow", data))
    low, high = MEANS[decoder]
    assert low < difference.mean() < high


@pytest.mark.parametrize("decoder", MEANS)
def test_threads_share_nothing(decoder: str, photos: dict[str, Pixels]) -> None:
    images = [EncodedImage(jpeg_bytes(pixels, "420")) for pixels in photos.values()] * 4
    expected = [decode(decoder, image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda image: decode(decoder, image), images))
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got, wanted)

"""Stored images decode in every format."""

from __future__ import annotations

import numpy as np
import pytest

from sysnoise.manifests.stored import decode_stored
from sysnoise.transforms.codecs.encoders import ENCODERS, encode
from sysnoise.transforms.pixels import Pixels


@pytest.mark.parametrize("image_format", ENCODERS)
def test_stored_images_decode_to_what_was_encoded(
    image_format: str, photos: dict[str, Pixels]
) -> None:
    pixels = photos["chelsea"][:123, :77]
    decoded = decode_stored(encode(image_format, pixels), image_format)
    np.testing.assert_array_equal(decoded, pixels)

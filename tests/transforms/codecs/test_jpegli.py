"""jpegli: which kinds of JPEG it is made for, and how it differs from libjpeg-turbo."""

from __future__ import annotations

import ajpegli
import numpy as np
import pytest

from sysnoise.transforms.codecs.decoders import UnsupportedKindError, decode
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage
from tests.odd_files.images import FILES, cmyk, jpeg
from tests.transforms.plain import saved


@pytest.mark.parametrize("kind", ["cmyk", "arithmetic", "lossless", "12bit"])
def test_kinds_that_it_is_not_made_for(kind: str) -> None:
    data = saved(cmyk(), "JPEG") if kind == "cmyk" else (FILES / f"{kind}.jpg").read_bytes()
    with pytest.raises(UnsupportedKindError):
        decode("jpegli", EncodedImage(data))
    with pytest.raises(ajpegli.DecodeError):
        ajpegli.imdecode(data)


@pytest.mark.parametrize("name", ["3x1", "410", "441", "uneven"])
def test_every_sampling_is_read(name: str) -> None:
    data = EncodedImage((FILES / f"{name}.jpg").read_bytes())
    difference = np.abs(decode("jpegli", data).astype(int) - decode("pillow", data))
    assert difference.mean() < 3


def test_a_file_without_its_end_is_damaged_though_the_library_fills_it_up() -> None:
    cut = jpeg()[:-400]
    assert ajpegli.imdecode(cut).shape == (43, 61, 3)
    with pytest.raises(DecodeError, match=r"^jpegli: not a JPEG, or one without its end"):
        decode("jpegli", EncodedImage(cut))

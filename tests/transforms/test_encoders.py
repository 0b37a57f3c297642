"""Encoders: every format comes back bit for bit through another reader."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from transforms.arrays import Pixels
from transforms.encoders import ENCODERS, EncodeError, encode
from transforms.methods import UnknownNameError


def read_with_pillow(data: bytes) -> NDArray[Any]:
    return np.array(Image.open(io.BytesIO(data)))


READERS: Mapping[str, Callable[[bytes], NDArray[Any]]] = {
    "png": read_with_pillow,
    "webp": read_with_pillow,
    "jxl": imagecodecs.jpegxl_decode,
    "npy": lambda data: np.load(io.BytesIO(data), allow_pickle=False),
}


def assert_round_trip(name: str, pixels: Pixels) -> None:
    stored = READERS[name](encode(name, pixels))
    assert stored.dtype == np.uint8
    np.testing.assert_array_equal(stored, pixels, strict=True)


def test_every_format_has_a_reader() -> None:
    assert list(READERS) == list(ENCODERS)


@pytest.mark.parametrize("name", READERS)
def test_photograph_round_trips(name: str, photos: dict[str, Pixels]) -> None:
    assert_round_trip(name, photos["chelsea"])


@pytest.mark.parametrize("name", READERS)
def test_view_round_trips(name: str, photos: dict[str, Pixels]) -> None:
    assert_round_trip(name, photos["coffee"][::3, ::-2, ::-1])


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 3, 3), (4, 3, 3), (1, 7, 3), (5, 1, 3)])
def test_small_noise_round_trips(name: str, shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert_round_trip(name, noise)


@pytest.mark.parametrize("name", READERS)
def test_same_pixels_give_the_same_bytes(name: str, photos: dict[str, Pixels]) -> None:
    pixels = photos["chelsea"]
    assert encode(name, pixels) == encode(name, pixels.copy())


@pytest.mark.parametrize("shape", [(16_384, 1, 3), (1, 16_384, 3)])
def test_webp_refuses_what_the_format_cannot_hold(shape: tuple[int, int, int]) -> None:
    with pytest.raises(EncodeError, match=rf"16383 x 16383 .*, found {shape[1]} x {shape[0]}$"):
        encode("webp", np.zeros(shape, np.uint8))


@pytest.mark.parametrize("shape", [(16_383, 2, 3), (2, 16_383, 3)])
def test_webp_holds_its_longest_side(shape: tuple[int, int, int]) -> None:
    assert_round_trip("webp", np.random.default_rng(0).integers(0, 256, shape, np.uint8))


@pytest.mark.parametrize("name", ["png", "webp"])
def test_media_type_is_the_one_pillow_finds(name: str, photos: dict[str, Pixels]) -> None:
    with Image.open(io.BytesIO(encode(name, photos["chelsea"]))) as image:
        assert ENCODERS[name].media_type == image.get_format_mimetype()


def test_unknown_format() -> None:
    with pytest.raises(UnknownNameError) as caught:
        encode("jpeg", np.zeros((1, 1, 3), np.uint8))
    assert str(caught.value) == "unknown image format 'jpeg'; valid: png, webp, jxl, npy"

"""Encoders: every format comes back bit for bit through another reader."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sysnoise.transforms.codecs.encoders import ENCODERS, EncodeError, encode
from sysnoise.transforms.methods import UnknownNameError
from sysnoise.transforms.pixels import Pixels


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
@pytest.mark.parametrize(
    "shape", [(1, 1, 3), (1, 2, 3), (2, 1, 3), (3, 3, 3), (4, 3, 3), (1, 7, 3), (5, 1, 3)]
)
def test_small_noise_round_trips(name: str, shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert_round_trip(name, noise)


@pytest.mark.parametrize("name", READERS)
def test_same_pixels_give_the_same_bytes(name: str, photos: dict[str, Pixels]) -> None:
    pixels = photos["chelsea"]
    assert encode(name, pixels) == encode(name, pixels.copy())


def test_png_by_the_specification(photos: dict[str, Pixels]) -> None:
    """Chunks, checksums and filter Up, undone with zlib and a running sum."""
    data, pixels = encode("png", photos["chelsea"]), photos["chelsea"]
    assert data[:8] == bytes([137, 80, 78, 71, 13, 10, 26, 10])
    chunks, rest = [], data[8:]
    while rest:
        length, name = struct.unpack(">I4s", rest[:8])
        assert struct.unpack(">I", rest[8 + length : 12 + length]) == (
            zlib.crc32(rest[4 : 8 + length]),
        )
        chunks.append((name, rest[8 : 8 + length]))
        rest = rest[12 + length :]
    (_, header), (_, compressed), (_, end) = chunks
    assert [name for name, _ in chunks] == [b"IHDR", b"IDAT", b"IEND"]
    height, width = pixels.shape[:2]
    assert (header, end) == (struct.pack(">II5B", width, height, 8, 2, 0, 0, 0), b"")
    rows = np.frombuffer(zlib.decompress(compressed), np.uint8).reshape(height, 1 + 3 * width)
    assert set(rows[:, 0]) == {2}
    summed = np.add.accumulate(rows[:, 1:], axis=0, dtype=np.uint8)
    np.testing.assert_array_equal(summed.reshape(pixels.shape), pixels)


def test_png_is_read_by_opencv(photos: dict[str, Pixels]) -> None:
    data = np.frombuffer(encode("png", photos["coffee"]), np.uint8)
    np.testing.assert_array_equal(
        cv2.imdecode(data, cv2.IMREAD_COLOR_RGB), photos["coffee"], strict=True
    )


@pytest.mark.parametrize("photo", ["astronaut", "coffee", "chelsea"])
def test_png_is_at_most_a_quarter_larger_than_the_smallest(
    photo: str, photos: dict[str, Pixels]
) -> None:
    smallest = io.BytesIO()
    Image.fromarray(photos[photo]).save(smallest, "PNG", optimize=True)
    assert len(encode("png", photos[photo])) <= 1.25 * len(smallest.getvalue())


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


def telling_pixels() -> Pixels:
    """Rows of 1,024 filtered bytes, in which ISA-L's levels 1 and 2 show where their state stands.

    A stray entry of their hash table points to byte 2 of the stream, and is taken for a byte 2 of
    each window of 512. There, at byte 514 of a row, a color stands behind zeros that are a match,
    so that it is in no other entry, and it comes again behind byte 600.
    """
    colors = np.random.default_rng(0).integers(2, 256, (2_000, 3), np.uint8)
    filtered = np.zeros((len(colors), 1_023), np.uint8)  # Byte 0 of a row is the filter's number.
    filtered[:, [399, 599]] = 1  # Longer matches would have entries of their last bytes.
    filtered[:, 514:517] = filtered[:, 601:604] = colors
    return np.cumsum(filtered, 0, np.uint8).reshape(len(colors), 341, 3)


def test_png_is_the_same_wherever_its_state_stands_in_memory() -> None:
    """Threads that run at once have memory at addresses of their own."""
    pixels = telling_pixels()
    begin = threading.Barrier(50)  # Or a thread may take over the memory of one that has ended.

    def run(_: int) -> bytes:
        begin.wait()
        return encode("png", pixels)

    with ThreadPoolExecutor(begin.parties) as threads:
        assert len(set(threads.map(run, range(begin.parties)))) == 1


IN_A_PROCESS = """
import io
import sys
import numpy as np
from sysnoise.transforms.codecs.encoders import encode
sys.stdout.buffer.write(encode("png", np.load(io.BytesIO(sys.stdin.buffer.read()))))
"""


@pytest.mark.parametrize("filling", ["1", "254"])
def test_png_is_the_same_whatever_its_memory_held(filling: str) -> None:
    """Memory from malloc is filled with a byte; other C libraries do not know the variable.

    Source: mallopt(3), M_PERTURB.
    """
    pixels, stored = telling_pixels(), io.BytesIO()
    np.save(stored, pixels)
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS],
        env={**os.environ, "MALLOC_PERTURB_": filling},
        input=stored.getvalue(),
        stdout=subprocess.PIPE,
        check=True,
    )
    assert done.stdout == encode("png", pixels)

"""stb_image: what it is given, and the files for which it would return what was in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import libstb
import numpy as np
import pytest
from PIL import Image

from sysnoise.transforms.codecs.decoders import UnsupportedKindError, decode
from sysnoise.transforms.codecs.encoded import EncodedImage
from sysnoise.transforms.codecs.stb import decode_stb
from tests.odd_files.images import FILES, cmyk, jpeg, picture, segment, without_segments
from tests.transforms.plain import saved

HUFFMAN, FRAME, SCAN = b"\xff\xc4", b"\xff\xc0", b"\xff\xda"


def changed(data: bytes, marker: bytes, place: int, value: int) -> bytes:
    """The file with another byte at a place behind the last of these markers."""
    at = data.rindex(marker) + place
    return data[:at] + bytes([value]) + data[at + 1 :]


GRAY = saved(Image.fromarray(picture()).convert("L"), "JPEG")
PROGRESSIVE = jpeg(progressive=True, subsampling="4:4:4")


def without_scan(data: bytes, number: int) -> bytes:
    """The file with the header of a scan turned into a comment."""
    parts = data.split(SCAN)
    return SCAN.join(parts[: number + 1]) + b"\xff\xfe" + SCAN.join(parts[number + 1 :])


DAMAGED = {
    "a segment of another kind": jpeg().replace(SCAN, segment(0xDE, b"\0\7") + SCAN, 1),
    "a marker without a length": jpeg().replace(HUFFMAN, b"\xff\xd0" + HUFFMAN, 1),
    "stray bytes": jpeg().replace(SCAN, b"stray" + SCAN, 1),
    "codes that are no prefix code": changed(jpeg(), HUFFMAN, 5, 3),
    "more codes than there are bytes": changed(jpeg(), HUFFMAN, 20, 255),
    "a Huffman table that cannot be": changed(jpeg(), HUFFMAN, 4, 0x25),
    "a quantization table that cannot be": jpeg().replace(
        SCAN, segment(0xDB, b"\x05" + bytes(64)) + SCAN, 1
    ),
    "half a quantization table": jpeg().replace(SCAN, segment(0xDB, b"\x11" + bytes(64)) + SCAN, 1),
    "two frames": jpeg().replace(HUFFMAN, segment(0xC0, jpeg().split(FRAME)[1][2:17]) + HUFFMAN, 1),
    "one component twice": changed(jpeg(), SCAN, 9, 2),
    "no first scan": without_scan(PROGRESSIVE, 0),
    "stray bytes before a later scan": (b"stray" + SCAN).join(PROGRESSIVE.rsplit(SCAN, 1)),
    "a comment beyond the end": without_scan(PROGRESSIVE, 3)[:-2] + b"\xff\xfe\xff\xff\xff\xd9",
    "no end": jpeg()[:-2],
}
"""Files that stb_image does not read to their end."""


@pytest.mark.parametrize("what", DAMAGED)
def test_files_that_libstb_reads_without_a_word_fail(what: str) -> None:
    libstb.imread(DAMAGED[what], channels=3)
    with pytest.raises(ValueError, match=r"\S"):
        decode_stb(DAMAGED[what])


def test_fill_bytes_before_a_marker_are_no_damage() -> None:
    filled = jpeg().replace(HUFFMAN, b"\xff\xff" + HUFFMAN, 1)
    np.testing.assert_array_equal(decode_stb(filled), libstb.imread(jpeg(), channels=3))


@pytest.mark.parametrize("kind", ["restarts", "cmyk", "arithmetic", "lossless", "12bit"])
def test_kinds_that_it_is_not_made_for(kind: str) -> None:
    data = {
        "restarts": jpeg(restart_marker_blocks=1),
        "cmyk": saved(cmyk(), "JPEG"),
        **{name: (FILES / f"{name}.jpg").read_bytes() for name in ("arithmetic", "lossless")},
        "12bit": (FILES / "12bit.jpg").read_bytes(),
    }[kind]
    with pytest.raises(UnsupportedKindError):
        decode("stb", EncodedImage(data))


def test_four_components_without_adobes_marker_are_not_read_as_cmyk() -> None:
    """The reason why it is not made for them."""
    marked = libstb.imread(saved(cmyk(), "JPEG", quality=90), channels=3).astype(int)
    plain = libstb.imread(without_segments(saved(cmyk(), "JPEG", quality=90), 0xEE), channels=3)
    assert np.abs(marked - plain).mean() > 50


MUTATED = """
import ctypes, hashlib, random, sys
from sysnoise.transforms.codecs.decoders import decode
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage

malloc, fill = ctypes.CDLL(None).mallopt, -6  # M_PERTURB of glibc.
draw, files = random.Random(7), [open(path, "rb").read() for path in sys.argv[1:]]
outcomes = []
for number in range(1500):
    data = bytearray(files[number % len(files)])
    end = draw.choice((len(data), min(len(data), 700)))
    for _ in range(draw.choice((1, 2, 5))):
        data[draw.randrange(2, end)] = draw.choice((0, 1, 255, draw.randrange(256)))
    found = []
    for byte in (0x11, 0xEE):
        malloc(fill, byte)
        try:
            found.append(decode("stb", EncodedImage(bytes(data))).tobytes())
        except DecodeError:
            found.append(None)
    malloc(fill, 0)
    assert found[0] == found[1], bytes(data).hex()
    outcomes.append(found[0] is None)
print(sum(outcomes), len(outcomes))
"""
"""Reads damaged files in a process whose fresh memory is full of one byte, and then of another."""


def test_pixels_of_damaged_files_do_not_depend_on_what_was_in_memory(tmp_path: Path) -> None:
    for name, data in {"plain": jpeg(), "progressive": PROGRESSIVE, "gray": GRAY}.items():
        (tmp_path / name).write_bytes(data)
    command = [sys.executable, "-c", MUTATED, *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    failed, tried = map(int, done.stdout.split())
    assert tried // 4 < failed < tried * 3 // 4

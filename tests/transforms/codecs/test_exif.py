"""EXIF orientation, against how OpenCV turns the image."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sysnoise.transforms.codecs.encoded import EncodedImage
from sysnoise.transforms.codecs.exif import exif_orientation
from sysnoise.transforms.pixels import Pixels
from tests.odd_files.images import black_png
from tests.transforms.plain import opencv_decode, saved

TYPES = {"byte": 1, "text": 2, "short": 3, "long": 4, "undefined": 7, "signed short": 8}


def block(orientation: int, order: str = "<", kind: int = 3, count: int = 1) -> bytes:
    """An EXIF block of a camera's name, the orientation and a resolution."""
    entries = [
        struct.pack(f"{order}HHI4s", 0x010F, 2, 4, b"cat\0"),
        struct.pack(f"{order}HHIHH", 0x0112, kind, count, orientation, 0),
        struct.pack(f"{order}HHII", 0x011A, 5, 1, 50),
    ]
    header = struct.pack(f"{order}2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(entries))
    return b"Exif\0\0" + header + b"".join(entries) + struct.pack(f"{order}III", 0, 72, 1)


def opencv_orientation(exif: bytes, kind: str, pixels: Pixels) -> int:
    """The one of the eight turns that leads from the stored pixels to those of OpenCV."""
    data = saved(Image.fromarray(pixels), kind, exif=exif)
    stored = opencv_decode(data, cv2.IMREAD_COLOR_BGR | cv2.IMREAD_IGNORE_ORIENTATION)
    turned = opencv_decode(data, cv2.IMREAD_COLOR_BGR)
    transposed = stored.swapaxes(0, 1)
    turns = [
        *(stored, stored[:, ::-1], stored[::-1, ::-1], stored[::-1]),
        *(transposed, transposed[:, ::-1], transposed[::-1, ::-1], transposed[::-1]),
    ]
    (found,) = [place for place, turn in enumerate(turns, 1) if np.array_equal(turn, turned)]
    return found


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(10))
def test_orientation_is_that_by_which_opencv_turns(
    orientation: int, order: str, kind: str, photos: dict[str, Pixels]
) -> None:
    photo = photos["coffee"][:40, :56]
    exif = block(orientation, order)
    expected = opencv_orientation(exif, kind, photo)
    assert expected == (orientation if 1 <= orientation <= 8 else 1)
    assert exif_orientation(exif) == exif_orientation(exif[6:]) == expected
    assert (
        EncodedImage(saved(Image.fromarray(photo), kind, exif=exif)).header.orientation == expected
    )


@pytest.mark.parametrize("count", [0, 1, 2, 70_000])
@pytest.mark.parametrize("kind", TYPES)
def test_type_and_count_do_not_matter(kind: str, count: int, photos: dict[str, Pixels]) -> None:
    exif = block(6, kind=TYPES[kind], count=count)
    assert exif_orientation(exif) == 6
    assert opencv_orientation(exif, "JPEG", photos["coffee"][:40, :56]) == 6


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"Exif\0\0",
        bytes(range(100)),
        block(6)[:7],
        block(6)[:37],
        block(6).replace(b"II*", b"XX*"),
        block(6).replace(b"\x12\x01", b"\x13\x01"),
        block(6).replace(b"*\0\x08\0\0\0", b"*\0\xff\xff\xff\x7f"),
    ],
)
def test_blocks_that_say_nothing(exif: bytes, photos: dict[str, Pixels]) -> None:
    assert exif_orientation(exif) == 1
    assert opencv_orientation(exif, "JPEG", photos["coffee"][:40, :56]) == 1


PEAK = """
import resource, sys
from pathlib import Path
from sysnoise.transforms.codecs.encoded import EncodedImage

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

before = peak()
header = EncodedImage(Path(sys.argv[1]).read_bytes()).header
print(header.size.width * header.size.height * 3 // 2**20, peak() - before)
"""


def test_header_is_read_without_decoding(tmp_path: Path) -> None:
    """A small PNG of 183 MiB of pixels; the memory of the process grows by far less."""
    (tmp_path / "bomb.png").write_bytes(black_png(8000, 8000, rows=8000))
    command = [sys.executable, "-c", PEAK, str(tmp_path / "bomb.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    size, growth = map(int, done.stdout.split())
    assert size == 183
    assert growth < 50

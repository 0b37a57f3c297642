"""Stored images that are small files and huge in memory, or of another format."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from sysnoise.manifests.stored import decode_stored
from sysnoise.transforms.codecs.encoders import encode
from sysnoise.transforms.codecs.jxl import jxl_size
from sysnoise.transforms.pixels import Size
from tests.odd_files.images import POSTSCRIPT, black_png, picture
from tests.transforms.plain import saved


def npy(shape: tuple[int, ...], kind: str = "|u1", data: bytes = b"") -> bytes:
    opened = io.BytesIO()
    header = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(opened, header)
    return opened.getvalue() + data


def jxl_of_zeros(side: int) -> bytes:
    zeros = np.zeros((side, side, 3), np.uint8)
    return bytes(imagecodecs.jpegxl_encode(zeros, lossless=True, effort=1, numthreads=1))


HOSTILE = {
    "PNG of 30,000 x 30,000": ("png", black_png(30_000, 30_000, rows=1), "pixels"),
    "WebP": ("webp", saved(Image.new("RGB", (300, 200)), "WEBP"), "300 x 200 pixels"),
    "JPEG XL": ("jxl", jxl_of_zeros(264), "264 x 264 pixels"),
    "array": ("npy", npy((30_000, 30_000, 3)), "30000 x 30000 pixels"),
    "array without its data": ("npy", npy((100, 100, 3)), "in 128 bytes"),
    "array of fractions": ("npy", npy((1, 1, 3), "<f4", bytes(12)), "of float32"),
    "array of objects": ("npy", npy((1, 1, 3), "|O", bytes(3)), "of object"),
    "flat array": ("npy", npy((3, 1), data=bytes(3)), "expected a non-empty uint8 RGB image"),
    "archive": ("npy", b"PK\x03\x04" + bytes(40), "magic"),
    "PostScript": ("png", POSTSCRIPT, "not a file of a kind"),
    "JPEG as PNG": ("png", saved(Image.new("RGB", (8, 8)), "JPEG"), "it is JPEG, not PNG"),
    "PNG as WebP": ("webp", saved(Image.new("RGB", (8, 8)), "PNG"), "it is PNG, not WEBP"),
    "PNG as JPEG XL": ("jxl", saved(Image.new("RGB", (8, 8)), "PNG"), "not a JPEG XL"),
}


@pytest.mark.parametrize(("image_format", "data", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_images_are_not_decoded(image_format: str, data: bytes, message: str) -> None:
    with pytest.raises((ValueError, Image.DecompressionBombError), match=message):
        decode_stored(data, image_format, max_pixels=55_000)


@pytest.mark.parametrize("image_format", ["png", "webp", "jxl", "npy"])
def test_stored_images_up_to_the_limit_are_decoded(image_format: str) -> None:
    pixels = picture(60, 40)
    data = encode(image_format, pixels)
    np.testing.assert_array_equal(decode_stored(data, image_format, 60 * 40), pixels)


SIDES = [(8, 8), (256, 256), (224, 224), (7, 5000), (1333, 800), (400, 300), (512, 256), (9000, 1)]


@pytest.mark.parametrize(("width", "height"), SIDES)
def test_size_of_jpeg_xl(width: int, height: int) -> None:
    zeros = np.zeros((height, width, 3), np.uint8)
    data = bytes(imagecodecs.jpegxl_encode(zeros, lossless=True, effort=1, numthreads=1))
    assert jxl_size(data) == Size(width, height)

"""Probe images are of the kinds they claim, and decoders are told apart on them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import simplejpeg
from PIL import Image, JpegImagePlugin

from sysnoise.transforms.codecs.probes import (
    KINDS,
    DecoderComparison,
    compare_decoders,
    distinct_decoders,
    probe_jpeg,
    synthetic_picture,
)
from sysnoise.transforms.methods import UnknownNameError
from tests.transforms import plain


def opened(kind: str) -> JpegImagePlugin.JpegImageFile:
    image = Image.open(io.BytesIO(probe_jpeg(kind)))
    assert isinstance(image, JpegImagePlugin.JpegImageFile)
    return image


@pytest.mark.parametrize(
    ("kind", "size", "colorspace", "subsampling"),
    [
        ("4:4:4", (108, 150), "YCbCr", "444"),
        ("4:2:2", (108, 150), "YCbCr", "422"),
        ("4:2:0", (108, 150), "YCbCr", "420"),
        ("4:2:0-odd", (107, 149), "YCbCr", "420"),
        ("grayscale", (108, 150), "Gray", "Gray"),
        ("progressive", (108, 150), "YCbCr", "420"),
        ("cmyk", (108, 150), "CMYK", "444"),
    ],
)
def test_header(kind: str, size: tuple[int, int], colorspace: str, subsampling: str) -> None:
    assert simplejpeg.decode_jpeg_header(probe_jpeg(kind)) == (*size, colorspace, subsampling)


def test_only_the_progressive_one_is() -> None:
    assert [kind for kind in KINDS if "progressive" in opened(kind).info] == ["progressive"]


def test_cmyk_uses_all_four_inks() -> None:
    image = opened("cmyk")
    assert image.mode == "CMYK"
    inks = np.asarray(image).reshape(-1, 4)
    assert inks.min(axis=0).max() < 20
    assert inks.max(axis=0).min() > 200


def test_unknown_kind_lists_the_valid_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown kind of probe '4:1:0' .*4:4:4, 4:2:2, "):
        probe_jpeg("4:1:0")


def test_picture_has_gradients_saturated_edges_and_fine_texture() -> None:
    picture = synthetic_picture(150, 108)
    assert picture.shape == (108, 150, 3)
    assert picture.dtype == np.uint8
    gradients, edges, texture = (picture[:, x : x + 50].astype(int) for x in (0, 50, 100))
    assert np.abs(np.diff(gradients, axis=1)).max() <= 3
    assert np.unique(edges).tolist() == [0, 255]
    assert len(np.unique(edges.reshape(-1, 3), axis=0)) == 8
    assert np.array_equal(texture, texture[:, :, [1, 2, 0]])
    assert np.abs(np.diff(texture, axis=1)).mean() > 20


def test_comparison_by_hand() -> None:
    data = probe_jpeg("4:2:0")
    names = ["simplejpeg-fastdct", "simplejpeg", "pillow"]
    found = compare_decoders(names, data)
    assert found.identical == (("simplejpeg", "pillow"),)
    assert list(found.distance) == names
    absolute = np.abs(plain.DECODERS[names[0]](data).astype(int) - plain.DECODERS["pillow"](data))
    assert found.distance[names[0]].absolute_sum == absolute.sum()
    assert found.distance["simplejpeg"].maximum == 0


def test_decoder_that_does_not_read_the_kind_has_no_distance(
    photos: dict[str, plain.Plain],
) -> None:
    data = plain.saved(Image.fromarray(photos["chelsea"]), "PNG")
    found = compare_decoders(["pillow", "ffmpeg", "opencv"], data)
    assert found.identical == (("pillow", "opencv"),)
    assert list(found.distance) == ["pillow", "opencv"]
    assert str(found.errors["ffmpeg"]) == "ffmpeg: not made for png"


def test_decoders_are_distinct_where_any_kind_that_both_read_differs() -> None:
    def compared(**digests: bytes) -> DecoderComparison:
        return DecoderComparison(digests, (), {}, {})

    kinds = {
        "4:4:4": compared(one=b"a", two=b"a", three=b"a", four=b"a"),
        "4:2:0": compared(one=b"b", two=b"b", three=b"c"),
        "cmyk": compared(one=b"d", two=b"e"),
    }
    assert distinct_decoders(kinds) == (("one", "two", "four"), ("three",))

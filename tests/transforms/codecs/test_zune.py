"""zune-jpeg: which kinds of JPEG it is made for, and that it is right on those."""

from __future__ import annotations

import kornia_rs
import pytest
from PIL import Image

from sysnoise.transforms.codecs.decoders import UnsupportedKindError, decode
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage
from sysnoise.transforms.codecs.sniff import Container, ImageKind, JpegFrame
from sysnoise.transforms.codecs.zune import zune_kind
from tests.odd_files.images import FILES, cmyk, jpeg
from tests.transforms.plain import saved

ThreeFactors = tuple[tuple[int, int], ...]


@pytest.mark.parametrize(
    ("process", "scans", "sampling", "is_read"),
    [
        (0, 1, ((2, 2), (1, 1), (1, 1)), True),
        (1, 1, ((2, 2), (2, 1), (1, 2)), True),
        (2, 9, ((4, 2), (1, 1), (1, 1)), True),
        (0, 1, ((1, 3), (1, 1), (1, 1)), True),
        (0, 1, ((1, 1),), True),
        (0, 1, ((3, 1), (1, 1), (1, 1)), False),
        (0, 1, ((1, 1), (2, 2), (2, 2)), False),
        (0, 1, ((1, 2), (2, 1), (2, 1)), False),
        (0, 3, ((2, 2), (1, 1), (1, 1)), False),
        (9, 1, ((1, 1),), False),
        (0, 1, ((1, 1),) * 4, False),
    ],
)
def test_kinds(process: int, scans: int, sampling: ThreeFactors, is_read: bool) -> None:
    frame = JpegFrame(process, 8, 600, 400, sampling, scans)
    assert zune_kind(ImageKind(Container.JPEG, frame)) is is_read


def test_a_horizontal_factor_of_three_is_refused_by_the_library_itself() -> None:
    data = (FILES / "3x1.jpg").read_bytes()
    with pytest.raises(UnsupportedKindError):
        decode("zune", EncodedImage(data))
    with pytest.raises(Exception, match="not a power of two"):
        kornia_rs.io.decode_image_jpeg(data)


@pytest.mark.parametrize("size", [(16384, 8), (8, 16384), (16385, 8), (8, 16385)])
def test_the_longest_side(size: tuple[int, int]) -> None:
    data = saved(Image.new("RGB", size), "JPEG")
    if max(size) == 16384:
        assert decode("zune", EncodedImage(data)).shape == (size[1], size[0], 3)
        return
    with pytest.raises(UnsupportedKindError):
        decode("zune", EncodedImage(data))
    with pytest.raises(Exception, match="greater than"):
        kornia_rs.io.decode_image_jpeg(data)


@pytest.mark.parametrize("kind", ["cmyk", "arithmetic", "lossless", "12bit"])
def test_kinds_that_it_is_not_made_for(kind: str) -> None:
    data = saved(cmyk(), "JPEG") if kind == "cmyk" else (FILES / f"{kind}.jpg").read_bytes()
    with pytest.raises(UnsupportedKindError):
        decode("zune", EncodedImage(data))
    with pytest.raises(Exception, match=r"\S"):
        kornia_rs.io.decode_image_jpeg(data)


def test_a_file_without_its_end_is_damaged_though_the_library_fills_it_up() -> None:
    cut = jpeg()[:-400]
    assert kornia_rs.io.decode_image_jpeg(cut).shape == (43, 61, 3)
    with pytest.raises(DecodeError, match=r"^zune: not a JPEG, or one without its end"):
        decode("zune", EncodedImage(cut))

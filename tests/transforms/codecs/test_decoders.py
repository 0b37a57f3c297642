"""Decoders, against the plain library calls; orientation, other kinds of files and damage."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from sysnoise.pipelines.cli.photographs import jpeg_bytes
from sysnoise.transforms.codecs.decoders import (
    DECODERS,
    UnsupportedKindError,
    decode,
)
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage, Header
from sysnoise.transforms.codecs.exif import Exif, Orient
from sysnoise.transforms.codecs.sniff import Container, ImageKind, JpegFrame, sniff
from sysnoise.transforms.methods import UnknownNameError, get_method
from sysnoise.transforms.pixels import Pixels, Size, size_of
from tests.transforms import plain
from tests.transforms.plain import saved

SIMPLEJPEG = {name for name in plain.DECODERS if name.startswith("simplejpeg")}
NO_CMYK = {"stb", "zune", "jpegli"}
JPEG_ONLY = SIMPLEJPEG | NO_CMYK | {"ffmpeg"}

UPRIGHT: Mapping[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored, 1),
}
"""How the stored pixels are turned upright, by EXIF orientation (EXIF 2.3, tag 274)."""


def oriented_jpeg(pixels: Pixels, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(Image.fromarray(pixels), "JPEG", quality=90, exif=exif)


def assert_fails(name: str, data: bytes) -> None:
    """Damage is a DecodeError of one line, with the library's own error as its cause."""
    with pytest.raises(DecodeError, match=rf"^{name}: \S.*$") as caught:
        decode(name, EncodedImage(data))
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, UnsupportedKindError)
    assert isinstance(caught.value.__cause__, Exception)


@pytest.mark.parametrize("name", plain.DECODERS)
def test_pixels_are_those_of_the_plain_call(name: str, jpeg: bytes) -> None:
    pixels = decode(name, EncodedImage(jpeg))
    assert pixels.shape == (400, 600, 3)
    np.testing.assert_array_equal(pixels, plain.DECODERS[name](jpeg), strict=True)


@pytest.mark.parametrize("name", plain.DECODERS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 3)])
def test_odd_sizes(name: str, shape: tuple[int, int], photos: dict[str, Pixels]) -> None:
    data = jpeg_bytes(photos["china"][: shape[0], : shape[1]], "420")
    np.testing.assert_array_equal(
        decode(name, EncodedImage(data)), plain.DECODERS[name](data), strict=True
    )


@pytest.mark.parametrize(("subsampling", "differs"), [("444", False), ("422", True), ("420", True)])
def test_fast_upsampling_shows_where_chroma_is_subsampled(
    subsampling: str, differs: bool, photos: dict[str, Pixels]
) -> None:
    data = jpeg_bytes(photos["coffee"], subsampling)
    for suffix in ("", "-fastdct"):
        fancy = decode(f"simplejpeg{suffix}", EncodedImage(data))
        replicated = decode(f"simplejpeg{suffix}-fastupsample", EncodedImage(data))
        assert np.array_equal(fancy, replicated) is not differs


def test_fast_dct_differs_slightly_from_the_accurate_one(jpeg: bytes) -> None:
    accurate = decode("simplejpeg", EncodedImage(jpeg)).astype(int)
    difference = np.abs(decode("simplejpeg-fastdct", EncodedImage(jpeg)) - accurate)
    assert 0.5 < difference.mean() < 2


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation_is_applied_by_opencv_exif_alone(
    orientation: int, photos: dict[str, Pixels]
) -> None:
    stored = saved(Image.fromarray(photos["chelsea"]), "JPEG", quality=90)
    oriented = oriented_jpeg(photos["chelsea"], orientation)
    assert EncodedImage(oriented).header == Header(size=Size(451, 300), orientation=orientation)
    for name in plain.DECODERS:
        turn = UPRIGHT[orientation if name == "opencv-exif" else 1]
        assert DECODERS[name].exif is (Exif.APPLIED if name == "opencv-exif" else Exif.IGNORED)
        np.testing.assert_array_equal(
            decode(name, EncodedImage(oriented)), turn(decode(name, EncodedImage(stored)))
        )


@pytest.mark.parametrize("name", plain.DECODERS)
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_every_decoder_turns_its_pixels_upright_once(
    orientation: int, name: str, photos: dict[str, Pixels]
) -> None:
    photo = photos["chelsea"][:57, :84]
    stored = saved(Image.fromarray(photo), "JPEG", quality=90)
    image = EncodedImage(oriented_jpeg(photo, orientation))
    pixels = decode(name, image, Orient.UPRIGHT)
    expected = np.ascontiguousarray(UPRIGHT[orientation](plain.DECODERS[name](stored)))
    np.testing.assert_array_equal(pixels, expected, strict=True)
    assert pixels.flags.c_contiguous
    assert image.header.size_in(Orient.UPRIGHT) == size_of(pixels)
    assert image.header.size_in(Orient.STORED) == (84, 57)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_upright_pixels_are_those_of_pillow_and_opencv(
    orientation: int, kind: str, photos: dict[str, Pixels]
) -> None:
    """In TIFF too, which both libraries turn whether they are asked to or not."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(photos["chelsea"][:57, :84]), kind, exif=exif)
    with Image.open(io.BytesIO(data)) as opened:
        pillow = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    opencv = plain.DECODERS["opencv-exif"](data)
    assert pillow.shape == ((84, 57, 3) if orientation >= 5 else (57, 84, 3))
    for name, expected in {"pillow": pillow, "opencv": opencv, "opencv-exif": opencv}.items():
        pixels = decode(name, EncodedImage(data), Orient.UPRIGHT)
        np.testing.assert_array_equal(pixels, expected, strict=True)


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_orientations_that_do_not_exist_count_as_none(
    orientation: int, photos: dict[str, Pixels]
) -> None:
    assert EncodedImage(oriented_jpeg(photos["chelsea"], orientation)).header.orientation == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_header_of_files_without_exif(kind: str, photos: dict[str, Pixels]) -> None:
    data = saved(Image.fromarray(photos["chelsea"]), kind)
    assert EncodedImage(data).header == Header(size=Size(451, 300), orientation=1)


EXIF_WITH_TEXT = bytes.fromhex(
    "457869660000 49492a00 08000000"  # Exif, then TIFF's header.
    "0100 1201 0200 02000000 61000000"  # One entry: the orientation is the text "a".
    "00000000"
)


@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", EXIF_WITH_TEXT])
def test_corrupt_exif_says_nothing(exif: bytes, photos: dict[str, Pixels]) -> None:
    data = saved(Image.fromarray(photos["chelsea"]), "JPEG", exif=exif)
    assert EncodedImage(data).header == Header(size=Size(451, 300), orientation=1)


def test_exif_that_pillow_cannot_parse_says_nothing(photos: dict[str, Pixels]) -> None:
    texts = PngInfo()
    texts.add_text("Raw profile type exif", "\nexif\n8\nnot hexadecimal")
    data = saved(Image.fromarray(photos["chelsea"]), "PNG", pnginfo=texts)
    assert EncodedImage(data).header == Header(size=Size(451, 300), orientation=1)


@pytest.mark.parametrize("data", [b"", b"not an image"])
def test_header_of_what_is_no_image(data: bytes) -> None:
    with pytest.raises(DecodeError, match=r"^reading the header: not a file of a kind") as caught:
        _ = EncodedImage(data).header
    assert isinstance(caught.value.__cause__, ValueError)


def opencv_jpeg(pixels: Pixels, sampling: int) -> bytes:
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling])
    assert done
    return data.tobytes()


KINDS: Mapping[str, Callable[[Pixels], bytes]] = {
    "progressive": lambda pixels: saved(Image.fromarray(pixels), "JPEG", progressive=True),
    "gray": lambda pixels: saved(Image.fromarray(pixels).convert("L"), "JPEG"),
    "rgb": lambda pixels: saved(Image.fromarray(pixels), "JPEG", keep_rgb=True),
    "440": lambda pixels: opencv_jpeg(pixels, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440),
    "411": lambda pixels: opencv_jpeg(pixels, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411),
    "cmyk": lambda pixels: saved(Image.fromarray(pixels).convert("CMYK"), "JPEG"),
    "cmyk-420": lambda pixels: saved(
        Image.fromarray(pixels).convert("CMYK"), "JPEG", subsampling="4:2:0"
    ),
    "lossless": lambda pixels: bytes(imagecodecs.jpeg_encode(pixels, lossless=True)),
    "png": lambda pixels: saved(Image.fromarray(pixels), "PNG"),
    "gif": lambda pixels: saved(Image.fromarray(pixels), "GIF"),
    "webp": lambda pixels: saved(Image.fromarray(pixels), "WEBP"),
    "bmp": lambda pixels: saved(Image.fromarray(pixels), "BMP"),
    "tiff": lambda pixels: saved(Image.fromarray(pixels), "TIFF"),
}
UNSUPPORTED: Mapping[str, set[str]] = {
    "cmyk": NO_CMYK,
    "cmyk-420": SIMPLEJPEG | NO_CMYK,  # TurboJPEG knows it only with K sampled as finely as C.
    **dict.fromkeys(["lossless", "png", "gif", "webp", "bmp", "tiff"], JPEG_ONLY),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", plain.DECODERS)
def test_kinds_are_decoded_or_said_to_be_unsupported(
    name: str, kind: str, photos: dict[str, Pixels]
) -> None:
    data = KINDS[kind](photos["chelsea"])
    if name in UNSUPPORTED.get(kind, ()):
        with pytest.raises(UnsupportedKindError) as caught:
            decode(name, EncodedImage(data))
        assert str(caught.value) == f"{name}: not made for {sniff(data)}"
    else:
        np.testing.assert_array_equal(
            decode(name, EncodedImage(data)), plain.DECODERS[name](data), strict=True
        )


def jpeg_kind(process: int, precision: int, *sampling: tuple[int, int]) -> ImageKind:
    return ImageKind(Container.JPEG, JpegFrame(process, precision, 8, 8, sampling))


@pytest.mark.parametrize(
    ("kind", "simplejpeg", "ffmpeg"),
    [
        (jpeg_kind(9, 8, (2, 2), (1, 1), (1, 1)), True, False),  # Arithmetic coding.
        (jpeg_kind(10, 8, (1, 1)), True, False),
        (jpeg_kind(1, 12, (1, 1), (1, 1), (1, 1)), False, False),
        (jpeg_kind(3, 8, (1, 1)), False, False),
        (jpeg_kind(0, 8, (3, 1), (1, 1), (1, 1)), False, True),
        (jpeg_kind(0, 8, (2, 2), (2, 1), (1, 1)), False, True),
        (jpeg_kind(0, 8, (1, 1), (2, 2), (2, 2)), False, True),
        (jpeg_kind(0, 8, (1, 4), (1, 1), (1, 1)), True, True),
        (jpeg_kind(0, 8, (2, 2), (1, 1), (1, 1), (2, 2)), True, True),
    ],
)
def test_rare_kinds_of_jpeg(kind: ImageKind, simplejpeg: bool, ffmpeg: bool) -> None:
    assert {DECODERS[name].supports(kind) for name in SIMPLEJPEG} == {simplejpeg}
    assert DECODERS["ffmpeg"].supports(kind) is ffmpeg
    assert DECODERS["pillow"].supports(kind)


@pytest.mark.parametrize("name", plain.DECODERS)
def test_gray_jpeg_has_three_equal_channels(name: str, photos: dict[str, Pixels]) -> None:
    pixels = decode(name, EncodedImage(KINDS["gray"](photos["chelsea"])))
    np.testing.assert_array_equal(pixels, pixels[:, :, [1, 2, 0]])


@pytest.mark.parametrize("name", plain.DECODERS)
@pytest.mark.parametrize("data", [b"", b"garbage" * 100], ids=["nothing", "garbage"])
def test_what_is_no_image_fails(name: str, data: bytes) -> None:
    """What only JPEGs are made for is not made for it; the baseline's decoder decides."""
    with pytest.raises(DecodeError) as caught:
        decode(name, EncodedImage(data))
    only_jpeg = not DECODERS[name].supports(ImageKind(Container.UNKNOWN))
    assert isinstance(caught.value, UnsupportedKindError) == only_jpeg


@pytest.mark.parametrize("name", plain.DECODERS)
def test_start_of_a_jpeg_alone_is_damaged(name: str) -> None:
    assert_fails(name, b"\xff\xd8\xff")


@pytest.mark.parametrize("name", plain.DECODERS)
@pytest.mark.parametrize("missing", [0.99, 0.5, 0.02])
def test_truncated_jpeg_fails(name: str, missing: float, jpeg: bytes) -> None:
    assert_fails(name, jpeg[: -int(missing * len(jpeg))])


@pytest.mark.parametrize("name", plain.DECODERS)
def test_jpeg_without_its_last_bytes_fails(name: str, jpeg: bytes) -> None:
    assert_fails(name, jpeg[:-12])


@pytest.mark.parametrize("name", sorted(JPEG_ONLY - NO_CMYK))
def test_jpeg_with_a_gap_fails_where_the_library_can_tell(name: str, jpeg: bytes) -> None:
    """Pillow, OpenCV and others pass over it and fill the rest with gray."""
    half = len(jpeg) // 2
    assert_fails(name, jpeg[:half] + jpeg[half + 5000 :])


def test_alias_of_the_paper() -> None:
    assert get_method(DECODERS, "decoder", "pil") is DECODERS["pillow"]


def test_unknown_decoder_lists_the_valid_names() -> None:
    with pytest.raises(UnknownNameError) as caught:
        decode("libvips", EncodedImage(b""))
    assert str(caught.value) == f"unknown decoder 'libvips'; valid: {', '.join(DECODERS)}"

"""Sources against straight-line calls of Pillow, OpenCV and LittleCMS."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from sysnoise.transforms.codecs.decoders import DECODERS, decode
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage
from sysnoise.transforms.codecs.exif import Exif, Orient
from sysnoise.transforms.codecs.sources import SCALED, SCALED_DECODERS, SOURCES, decode_from
from sysnoise.transforms.libraries import library_build
from sysnoise.transforms.pixels import Pixels, Size
from tests.transforms import plain
from tests.transforms.plain import saved, swapped_profile

SIZE = Size(100, 80)
CORE = [name for name in plain.DECODERS if DECODERS[name].exif is Exif.IGNORED]


def from_source(
    source: str, decoder: str, image: EncodedImage, orient: Orient, resized: Size
) -> Pixels:
    """The pixels of a source, from those that the decoder gives for the file."""
    return decode_from(source, decoder, image, orient, resized, decode(decoder, image, orient))


@pytest.mark.parametrize("quality", [75, 90])
@pytest.mark.parametrize("decoder", CORE)
def test_files_are_encoded_again(jpeg: bytes, quality: int, decoder: str) -> None:
    with Image.open(io.BytesIO(jpeg)) as image:
        again = saved(image.convert("RGB"), "JPEG", quality=quality, subsampling=2)
    found = from_source(f"jpeg-q{quality}", decoder, EncodedImage(jpeg), Orient.STORED, SIZE)
    np.testing.assert_array_equal(found, plain.DECODERS[decoder](again))


def test_gray_stays_gray_and_files_of_any_kind_are_encoded(photos: dict[str, Pixels]) -> None:
    gray = Image.fromarray(photos["chelsea"]).convert("L")
    for kind in ("PNG", "JPEG"):
        data = saved(gray, kind, **({"quality": 100} if kind == "JPEG" else {}))
        with Image.open(io.BytesIO(data)) as image:
            again = saved(image, "JPEG", quality=75)
        found = from_source("jpeg-q75", "pillow", EncodedImage(data), Orient.STORED, SIZE)
        np.testing.assert_array_equal(found, plain.DECODERS["pillow"](again))


def reduced(decoder: str, data: bytes, scale: int) -> Pixels:
    """The image at a reduced scale, as each library is asked for it."""
    if decoder == "opencv":
        flags = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}[scale]
        return np.asarray(plain.opencv_decode(data, flags), np.uint8)
    with Image.open(io.BytesIO(data)) as image:
        assert image.draft("RGB", (image.width // scale, image.height // scale)) is not None
        return np.asarray(image)


@pytest.mark.parametrize("decoder", SCALED_DECODERS)
@pytest.mark.parametrize(
    ("resized", "scale"), [((300, 200), 2), ((150, 100), 4), ((149, 100), 4), ((151, 99), 2)]
)
def test_jpegs_are_decoded_at_the_smallest_scale_that_suffices(
    jpeg: bytes, decoder: str, resized: tuple[int, int], scale: int
) -> None:
    image = EncodedImage(jpeg)  # 600 x 400 pixels.
    found = from_source("scaled-decode", decoder, image, Orient.STORED, Size(*resized))
    assert found.shape == (400 // scale, 600 // scale, 3)
    np.testing.assert_array_equal(found, reduced(decoder, jpeg, scale))


def test_small_jpegs_and_other_files_are_decoded_as_they_are(jpeg: bytes) -> None:
    with Image.open(io.BytesIO(jpeg)) as image:
        png = saved(image.convert("RGB"), "PNG")
    whole = plain.DECODERS["pillow"](jpeg)
    for data, size in ((jpeg, Size(301, 201)), (jpeg, Size(301, 100)), (png, SIZE)):
        found = from_source("scaled-decode", "pillow", EncodedImage(data), Orient.STORED, size)
        np.testing.assert_array_equal(found, whole)


@pytest.mark.parametrize(
    ("source", "intent"),
    [
        ("icc-applied", ImageCms.Intent.PERCEPTUAL),
        ("icc-applied-relative", ImageCms.Intent.RELATIVE_COLORIMETRIC),
    ],
)
def test_profiles_are_applied(
    photos: dict[str, Pixels], source: str, intent: ImageCms.Intent
) -> None:
    profile = swapped_profile()
    data = saved(Image.fromarray(photos["chelsea"]), "JPEG", icc_profile=profile)
    found = from_source(source, "opencv", EncodedImage(data), Orient.STORED, SIZE)
    with Image.open(io.BytesIO(data)) as image:
        expected = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=intent,
        )
    assert expected is not None
    np.testing.assert_array_equal(found, np.asarray(expected))
    assert (found != plain.DECODERS["opencv"](data)).any()


def test_files_without_a_profile_of_rgb_stay_as_they_are(jpeg: bytes) -> None:
    found = from_source("icc-applied", "pillow", EncodedImage(jpeg), Orient.STORED, SIZE)
    np.testing.assert_array_equal(found, plain.DECODERS["pillow"](jpeg))


@pytest.mark.parametrize("source", ["icc-applied", "icc-applied-relative"])
@pytest.mark.parametrize(
    "profile",
    [b"nonsense", swapped_profile()[:300], swapped_profile().replace(b"RGB ", b"CMYK", 1)],
    ids=["no-profile", "cut", "of-cmyk"],
)
def test_profiles_that_cannot_be_applied_are_none(
    photos: dict[str, Pixels], profile: bytes, source: str
) -> None:
    data = saved(Image.fromarray(photos["chelsea"]), "JPEG", icc_profile=profile)
    found = from_source(source, "pillow", EncodedImage(data), Orient.STORED, SIZE)
    np.testing.assert_array_equal(found, plain.DECODERS["pillow"](data))


def test_files_with_more_exif_than_a_jpeg_holds_are_encoded(photos: dict[str, Pixels]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "x" * 70_000
    image = Image.fromarray(photos["chelsea"])
    data = EncodedImage(saved(image, "PNG", exif=exif))
    again = saved(image, "JPEG", quality=75, subsampling=2)
    expected = np.rot90(np.asarray(plain.DECODERS["pillow"](again)), -1)
    found = from_source("jpeg-q75", "pillow", data, Orient.UPRIGHT, SIZE)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("source", [name for name in SOURCES if name != SCALED])
@pytest.mark.parametrize("orient", Orient)
def test_a_decoder_that_turns_images_turns_them_once(
    photos: dict[str, Pixels], source: str, orient: Orient
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = EncodedImage(saved(Image.fromarray(photos["chelsea"]), "JPEG", exif=exif))
    stored = from_source(source, "opencv", data, Orient.STORED, SIZE)
    found = from_source(source, "opencv-exif", data, orient, SIZE)
    np.testing.assert_array_equal(found, np.rot90(stored, -1))


@pytest.mark.parametrize("source", SOURCES)
def test_sources_are_turned_upright(photos: dict[str, Pixels], source: str) -> None:
    image = Image.fromarray(photos["chelsea"][:, :300])
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(image, "JPEG", exif=exif.tobytes())
    stored = from_source(source, "pillow", EncodedImage(data), Orient.STORED, SIZE)
    upright = from_source(source, "pillow", EncodedImage(data), Orient.UPRIGHT, Size(80, 100))
    np.testing.assert_array_equal(upright, np.rot90(stored, -1))


@pytest.mark.parametrize("source", SOURCES)
def test_damaged_files_are_refused_by_the_name_of_the_decoder(jpeg: bytes, source: str) -> None:
    with pytest.raises(DecodeError, match=r"^(opencv|opencv from .*|reading the header): "):
        from_source(source, "opencv", EncodedImage(jpeg[:300]), Orient.STORED, SIZE)


@pytest.mark.parametrize("source", ["jpeg-q90", "jpeg-q75", "scaled-decode"])
def test_damaged_files_are_refused_by_what_reads_them_again(jpeg: bytes, source: str) -> None:
    whole = np.zeros((400, 600, 3), np.uint8)
    with pytest.raises(DecodeError, match=r"^(opencv from .*|reading the header): "):
        decode_from(source, "opencv", EncodedImage(jpeg[:300]), Orient.STORED, SIZE, whole)


def test_pixels_that_no_source_changes_are_handed_on(jpeg: bytes) -> None:
    whole = decode("pillow", EncodedImage(jpeg))
    for source in ("original", "icc-applied", "scaled-decode"):
        size = Size(500, 300)
        found = decode_from(source, "pillow", EncodedImage(jpeg), Orient.STORED, size, whole)
        assert found is whole


def test_the_build_of_littlecms_is_known() -> None:
    assert str(library_build("littlecms")["littlecms"]).startswith("2.")

"""Sources: what becomes of an image file before, or while, a decoder reads it.

Every function takes an image file, the name of a decoder, how images are turned, the size that the
image will be resized to, and the pixels that the decoder gives for the file as it is. It returns
uint8 of shape (H, W, 3), RGB, 0 to 255: all but ``scaled-decode`` of the size of these pixels, and
these pixels themselves where it changes nothing.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageCms

from sysnoise.transforms.codecs.decoders import decode, upright
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage
from sysnoise.transforms.codecs.exif import Orient
from sysnoise.transforms.codecs.raster import open_raster
from sysnoise.transforms.codecs.sniff import Container
from sysnoise.transforms.errors import plain_message
from sysnoise.transforms.methods import Method, get_method, registry
from sysnoise.transforms.pixels import Pixels, Size
from sysnoise.transforms.variant_ids import ORIGINAL

DecodeSource = Callable[[EncodedImage, str, Orient, Size, Pixels], Pixels]

SCALED = "scaled-decode"


def decode_original(
    image: EncodedImage, decoder: str, orient: Orient, resized: Size, whole: Pixels
) -> Pixels:
    """Return the pixels of the file as it is."""
    return whole


def decode_encoded_again(
    image: EncodedImage,
    decoder: str,
    orient: Orient,
    resized: Size,
    whole: Pixels,
    *,
    quality: int,
) -> Pixels:
    """Decode a JPEG that Pillow has made of the file: 4:2:0, baseline, Pillow's own tables.

    Gray stays gray; everything else becomes RGB. Of the EXIF data the orientation alone is kept,
    and the color profile is not.

    Source: Pillow, ``Image.save(..., "JPEG", quality=..., subsampling="4:2:0")``.
    """
    again = _encoded_again(image.data, quality, image.header.orientation)
    return decode(decoder, EncodedImage(again), orient)


@functools.lru_cache(maxsize=2)  # All decoders of a sample read the same file.
def _encoded_again(data: bytes, quality: int, orientation: int) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    with open_raster(data) as image:
        pixels = image if image.mode in ("L", "RGB") else image.convert("RGB")
        pixels.save(
            buffer, "JPEG", quality=quality, subsampling="4:2:0", exif=exif, icc_profile=None
        )
    return buffer.getvalue()


def decode_icc(
    image: EncodedImage,
    decoder: str,
    orient: Orient,
    resized: Size,
    whole: Pixels,
    *,
    intent: ImageCms.Intent,
) -> Pixels:
    """Convert the pixels from the file's color profile to sRGB with LittleCMS.

    A file without a profile of RGB that LittleCMS can read is taken for sRGB and stays as it is.

    Source: Pillow, ``ImageCms.profileToProfile``, with sRGB by ``ImageCms.createProfile``.
    """
    transform = _to_srgb(image.data, intent)
    if transform is None:
        return whole
    return np.asarray(ImageCms.applyTransform(Image.fromarray(whole), transform))


@functools.lru_cache(maxsize=2)
def _to_srgb(data: bytes, intent: ImageCms.Intent) -> ImageCms.ImageCmsTransform | None:
    """Return the conversion from the profile of a file; None where it has none that fits."""
    with open_raster(data) as image:
        stored = image.info.get("icc_profile")
    if not stored:
        return None
    srgb = ImageCms.createProfile("sRGB")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(stored))
        if profile.profile.xcolor_space.strip() != "RGB":
            return None
        return ImageCms.buildTransform(profile, srgb, "RGB", "RGB", intent)
    except (OSError, ImageCms.PyCMSError):  # A broken profile is none.
        return None


def decode_scaled(
    image: EncodedImage, decoder: str, orient: Orient, resized: Size, whole: Pixels
) -> Pixels:
    """Decode a JPEG at 1/2, 1/4 or 1/8 of its size, as libjpeg does inside of its DCT.

    The scale is the smallest that keeps both sides at least as long as those of the resize. This is
    the rule of Pillow's ``Image.draft``; OpenCV gets the same scale. Other files, and JPEGs that
    are less than twice as large, are decoded as they are.

    Source: Pillow, ``Image.draft``; OpenCV, ``IMREAD_REDUCED_COLOR_2`` and the like.
    """
    scale = _scale(image.header.size_in(orient), resized)
    if scale == 1 or image.kind.container is not Container.JPEG:
        return whole
    pixels = SCALED_DECODERS[decoder](image.data, scale)
    return upright(pixels, image.header.orientation) if orient is Orient.UPRIGHT else pixels


def _scale(source: Size, resized: Size) -> int:
    """Return the divisor: 1, 2, 4 or 8."""
    ratio = min(source.width // resized.width, source.height // resized.height)
    return next(scale for scale in (8, 4, 2, 1) if scale <= max(1, ratio))


def _draft(data: bytes, scale: int) -> Pixels:
    with open_raster(data) as image:
        image.draft(None, (image.width // scale, image.height // scale))
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _reduced(data: bytes, scale: int) -> Pixels:
    flags = _REDUCED[scale] | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise ValueError("cv2.imdecode returned no image")
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


_REDUCED = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}

SCALED_DECODERS: Mapping[str, Callable[[bytes, int], Pixels]] = {
    "pillow": _draft,
    "opencv": _reduced,
}
"""The decoders that decode at a reduced scale: functions of the file and the divisor."""


def _jpeg(quality: int) -> Method[DecodeSource]:
    return Method(
        f"jpeg-q{quality}",
        "pillow",
        functools.partial(decode_encoded_again, quality=quality),
        {"encoder": "pillow", "quality": quality, "subsampling": "4:2:0"},
    )


def _icc(name: str, intent: ImageCms.Intent) -> Method[DecodeSource]:
    options: dict[str, str | int | bool] = {
        "intent": intent.name,
        "to": "sRGB",
        "black_point_compensation": False,
    }
    return Method(name, "littlecms", functools.partial(decode_icc, intent=intent), options)


SOURCES = registry(
    (
        Method[DecodeSource](ORIGINAL, "numpy", decode_original),
        _jpeg(90),
        _jpeg(75),
        Method[DecodeSource](
            SCALED,
            "pillow",
            decode_scaled,
            {"scale": "smallest of 1/8 to 1 that covers the resize"},
        ),
        _icc("icc-applied", ImageCms.Intent.PERCEPTUAL),
        _icc("icc-applied-relative", ImageCms.Intent.RELATIVE_COLORIMETRIC),
    )
)


def decode_from(
    source: str, decoder: str, image: EncodedImage, orient: Orient, resized: Size, whole: Pixels
) -> Pixels:
    """Return the pixels of an image file that the source called ``source`` changes.

    Args:
        source: a name in :data:`SOURCES`.
        decoder: the name of the decoder.
        image: the image file.
        orient: whether pixels are turned upright by the EXIF orientation of the file.
        resized: the size that the image will be resized to.
        whole: what the decoder gives for the file as it is: uint8, shape (H, W, 3), RGB.

    Returns:
        uint8, shape (H, W, 3), RGB.

    Raises:
        UnknownNameError: there is no such source or decoder.
        DecodeError: the file cannot be changed or decoded.
    """
    function = get_method(SOURCES, "source", source).function
    try:
        return function(image, decoder, orient, resized, whole)
    except DecodeError:
        raise
    except Exception as error:  # Codecs raise errors of any type on damaged data.
        raise DecodeError(f"{decoder} from {source}: {plain_message(error)}") from error

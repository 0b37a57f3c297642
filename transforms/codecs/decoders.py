"""Decoders: the bytes of an image file become RGB pixels, exactly as a library returns them.

Every function takes the bytes of one image file and returns uint8 of shape (H, W, 3), RGB, 0 to
255. The orientation that EXIF stores is ignored, except by ``opencv-exif``; where it is asked to,
:func:`decode` turns the pixels of the others upright. No decoder decodes at a reduced scale.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import simplejpeg
from av.video.reformatter import Interpolation
from PIL import Image

from sysnoise.transforms.codecs.dali import dali_kind, decode_dali
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage
from sysnoise.transforms.codecs.exif import Exif, Orient
from sysnoise.transforms.codecs.ffmpeg import (
    ACCURATE_BICUBIC,
    decode_ffmpeg,
    decode_ffmpeg_nv12,
    ffmpeg_kind,
)
from sysnoise.transforms.codecs.jpegli import decode_jpegli, jpegli_kind
from sysnoise.transforms.codecs.libjpeg import LIBJPEG_BUILDS, decode_jpeglib, jpeglib_kind
from sysnoise.transforms.codecs.raster import open_raster, unknown_kind
from sysnoise.transforms.codecs.sniff import Container, ImageKind
from sysnoise.transforms.codecs.stb import decode_stb, stb_kind
from sysnoise.transforms.codecs.zune import decode_zune, zune_kind
from sysnoise.transforms.errors import plain_message
from sysnoise.transforms.methods import Method, get_method, registry
from sysnoise.transforms.pixels import Pixels, check_pixels

Decode = Callable[[bytes], Pixels]
Found = TypeVar("Found")


def any_kind(kind: ImageKind) -> bool:
    """Accept every kind of file; what the library cannot read counts as damaged."""
    return True


@dataclass(frozen=True)
class Decoder(Method[Decode]):
    """A method of the decoder axis.

    Attributes:
        exif: what the decoder does with the orientation that EXIF stores.
        supports: a function that tells whether the library supports a kind of file.
        color: the only color mode that the decoder goes with; None where it goes with any.
    """

    exif: Exif = Exif.IGNORED
    supports: Callable[[ImageKind], bool] = any_kind
    color: str | None = None


class UnsupportedKindError(DecodeError):
    """A kind of file that the decoder's library does not support; the file may be fine."""


def decode_pillow(data: bytes) -> Pixels:
    """Decode with Pillow at full scale: libjpeg-turbo, accurate DCT, fancy upsampling; to RGB.

    Source: Pillow, ``Image.open`` and ``Image.convert``.
    """
    return np.asarray(_pillow_image(data))


def _pillow_image(data: bytes) -> Image.Image:
    with open_raster(data) as image:
        image.load()
        return image if image.mode == "RGB" else image.convert("RGB")


def decode_opencv(data: bytes) -> Pixels:
    """Decode with OpenCV to RGB, in the stored orientation.

    Source: OpenCV, ``imdecode`` with ``IMREAD_COLOR_RGB | IMREAD_IGNORE_ORIENTATION``.
    """
    return _imdecode(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)


def decode_opencv_exif(data: bytes) -> Pixels:
    """Decode with OpenCV to RGB and apply the EXIF orientation, as OpenCV does by default.

    Source: OpenCV, ``imdecode`` with ``IMREAD_COLOR_RGB``.
    """
    return _imdecode(data, cv2.IMREAD_COLOR_RGB)


def _imdecode(data: bytes, flags: int) -> Pixels:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise ValueError("cv2.imdecode returned no image")
    return np.asarray(pixels, np.uint8)


def decode_simplejpeg(data: bytes) -> Pixels:
    """Decode with simplejpeg: libjpeg-turbo, accurate DCT, fancy upsampling.

    Source: ``simplejpeg.decode_jpeg``.
    """
    return np.asarray(simplejpeg.decode_jpeg(data))


def decode_simplejpeg_fastdct(data: bytes) -> Pixels:
    """Decode with simplejpeg and the fast integer DCT (IFAST), which is less exact."""
    return np.asarray(simplejpeg.decode_jpeg(data, fastdct=True))


def decode_simplejpeg_fastupsample(data: bytes) -> Pixels:
    """Decode with simplejpeg and replicate chroma instead of interpolating it smoothly."""
    return np.asarray(simplejpeg.decode_jpeg(data, fastupsample=True))


def decode_simplejpeg_fastdct_fastupsample(data: bytes) -> Pixels:
    """Decode with simplejpeg, the fast integer DCT and replicated chroma."""
    return np.asarray(simplejpeg.decode_jpeg(data, fastdct=True, fastupsample=True))


def turbojpeg_kind(kind: ImageKind) -> bool:
    """Accept lossy JPEGs of 8 bits with a chroma subsampling that TurboJPEG's API names."""
    frame = kind.frame
    if frame is None or frame.precision != 8 or frame.lossless:
        return False
    if len(frame.sampling) == 1:
        return True
    (width, height), *chroma = frame.sampling[:3]
    ratios = {(width / h, height / v) for h, v in chroma if h and v}
    black = frame.sampling[3:]  # CMYK and YCCK have it, sampled like the first component.
    return (
        ratios <= TURBOJPEG_SUBSAMPLINGS
        and len(ratios) == 1
        and all(factors == frame.sampling[0] for factors in black)
    )


MAX_SCANS = 100
"""Number of scans of a JPEG.

A scan of a few bytes costs a pass over the whole image. Encoders write a dozen; libjpeg-turbo's
``djpeg -maxscans`` guards against such files in the same way.
"""

TURBOJPEG_SUBSAMPLINGS = {(1, 1), (2, 1), (2, 2), (1, 2), (4, 1), (1, 4)}
"""4:4:4, 4:2:2, 4:2:0, 4:4:0, 4:1:1 and 4:4:1, as luma to chroma factors (``TJSAMP``)."""


def _simplejpeg(name: str, function: Decode, dct: str, upsampling: str) -> Decoder:
    options = {"dct": dct, "upsampling": upsampling}
    return Decoder(name, "simplejpeg", function, options, supports=turbojpeg_kind)


def _ffmpeg(
    name: str, function: Decode, options: Mapping[str, str], color: str | None = None
) -> Decoder:
    options = {"codec": "mjpeg", "err_detect": "explode", **options}
    return Decoder(name, "pyav", function, options, supports=ffmpeg_kind, color=color)


def _jpeglib(name: str, build: str) -> Decoder:
    return Decoder(
        f"jpeglib-{name}",
        "jpeglib",
        functools.partial(decode_jpeglib, build=build),
        {"build": build, "dct": "islow", "upsampling": "fancy"},
        supports=functools.partial(jpeglib_kind, build=build),
    )


DECODERS = registry(
    (
        Decoder(
            "pillow",
            "pillow",
            decode_pillow,
            {"dct": "islow", "upsampling": "fancy"},
            aliases=("pil",),
        ),
        Decoder("opencv", "opencv", decode_opencv, {"dct": "islow", "upsampling": "fancy"}),
        Decoder(
            "opencv-exif",
            "opencv",
            decode_opencv_exif,
            {"dct": "islow", "upsampling": "fancy"},
            exif=Exif.APPLIED,
        ),
        _simplejpeg("simplejpeg", decode_simplejpeg, "islow", "fancy"),
        _simplejpeg("simplejpeg-fastdct", decode_simplejpeg_fastdct, "ifast", "fancy"),
        _simplejpeg("simplejpeg-fastupsample", decode_simplejpeg_fastupsample, "islow", "plain"),
        _simplejpeg(
            "simplejpeg-fastdct-fastupsample",
            decode_simplejpeg_fastdct_fastupsample,
            "ifast",
            "plain",
        ),
        _ffmpeg(
            "ffmpeg",
            functools.partial(decode_ffmpeg, flags=Interpolation.BICUBIC),
            {"swscale": "bicubic"},
        ),
        _ffmpeg(
            "ffmpeg-accurate",
            functools.partial(decode_ffmpeg, flags=ACCURATE_BICUBIC),
            {"swscale": "bicubic+accurate_rnd+full_chroma_int"},
        ),
        _ffmpeg(
            "ffmpeg-nv12",
            decode_ffmpeg_nv12,
            {"planes": "nv12, full range", "swscale": "bicubic"},
            color="rgb",
        ),
        *(_jpeglib(name, build) for name, build in LIBJPEG_BUILDS.items()),
        Decoder(
            "dali",
            "dali",
            decode_dali,
            {"device": "cpu", "dct": "islow", "upsampling": "fancy"},
            supports=dali_kind,
        ),
        Decoder("stb", "stb", decode_stb, {"channels": 3}, supports=stb_kind),
        Decoder("zune", "zune", decode_zune, supports=zune_kind),
        Decoder("jpegli", "jpegli", decode_jpegli, {"mode": "RGB"}, supports=jpegli_kind),
    )
)


def decode(name: str, image: EncodedImage, orient: Orient = Orient.STORED) -> Pixels:
    """Decode one image file with the decoder called ``name``.

    Args:
        name: the name of the decoder.
        image: the image file.
        orient: whether pixels are turned upright by the EXIF orientation of the file; those of a
            decoder that applies it itself always are.

    Returns:
        uint8, shape (H, W, 3), RGB.

    Raises:
        UnknownNameError: there is no such decoder.
        UnsupportedKindError: the decoder's library does not support this kind of file.
        DecodeError: the file is of a kind that no decoder is given, the library failed, or it
            returned something that is not an RGB image.
    """
    decoder = get_method(DECODERS, "decoder", name)

    def checked(data: bytes) -> Pixels:
        pixels = decoder.function(data)
        check_pixels(pixels)
        return pixels

    pixels = _run(decoder, checked, image)
    if orient is Orient.UPRIGHT and decoder.exif is Exif.IGNORED:
        return upright(pixels, image.header.orientation)
    return pixels


def decode_to_pillow(image: EncodedImage) -> Image.Image:
    """Decode one image file with the decoder ``pillow``, and keep Pillow's own image.

    Args:
        image: the image file.

    Returns:
        An image in mode RGB that has the pixels of :func:`decode`, as they are stored.

    Raises:
        DecodeError: as :func:`decode`.
    """
    return _run(DECODERS["pillow"], _pillow_image, image)


def _run(decoder: Decoder, function: Callable[[bytes], Found], image: EncodedImage) -> Found:
    """Call a function of a decoder's library with a file that the decoder is made for."""
    if image.kind.is_recognized and not decoder.supports(image.kind):
        raise UnsupportedKindError(f"{decoder.name}: not made for {image.kind}")
    if refusal := _refusal(image):
        raise DecodeError(f"{decoder.name}: {refusal}")
    try:
        return function(image.data)
    except Exception as error:  # Codecs raise errors of any type on damaged data.
        raise DecodeError(f"{decoder.name}: {plain_message(error)}") from error


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn stored pixels as their EXIF orientation says, which moves them and changes none.

    Source: EXIF 2.3, tag 274; ``PIL.ImageOps.exif_transpose`` and OpenCV's ``imread`` do the same.

    Args:
        pixels: uint8, shape (H, W, 3).
        orientation: 1 to 8; from 5 on, width and height are swapped.

    Returns:
        uint8, shape (H, W, 3) or (W, H, 3), C order.
    """
    turned = cv2.transpose(pixels) if orientation >= 5 else pixels
    code = _FLIPS.get(orientation)
    return np.asarray(turned if code is None else cv2.flip(turned, code), np.uint8)


_LEFT_RIGHT, _UP_DOWN, _BOTH = 1, 0, -1
"""The axes along which ``cv2.flip`` mirrors, by its codes."""

_FLIPS = {2: _LEFT_RIGHT, 3: _BOTH, 4: _UP_DOWN, 6: _LEFT_RIGHT, 7: _BOTH, 8: _UP_DOWN}
"""How stored pixels are mirrored by their orientation, from 5 on after they were transposed."""


def _refusal(image: EncodedImage) -> str | None:
    """Say why a file is given to no decoder, from its kind alone."""
    kind = image.kind
    if kind.container is Container.UNKNOWN:
        return unknown_kind(image.data)
    if kind.frame is not None and kind.frame.scans > MAX_SCANS:
        return f"the JPEG has {kind.frame.scans} scans, the limit is {MAX_SCANS}"
    return None

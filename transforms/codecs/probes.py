"""Built-in probe images, and how far decoders stand apart on them.

The picture is made by integer arithmetic, the same on every machine; its JPEGs are made at run time
by Pillow, one for each kind of JPEG that decoders treat differently.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sysnoise.transforms.codecs.decoders import decode
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage
from sysnoise.transforms.difference import Difference
from sysnoise.transforms.digests import pixel_digest
from sysnoise.transforms.methods import UnknownNameError, unknown_name
from sysnoise.transforms.pixel_difference import difference
from sysnoise.transforms.pixels import Pixels

REFERENCE = "pillow"
"""The decoder that distances are measured from; it reads every kind of probe."""

PROBE_SIZE = (150, 108)
"""Width and height of the probes: even, as most photographs are, and no multiple of a block."""


@dataclass(frozen=True)
class _Kind:
    """How Pillow writes a kind of probe: mode, options, and columns and rows to leave out."""

    mode: str
    options: Mapping[str, str | bool]
    cut: int = 0


_KINDS: Mapping[str, _Kind] = {
    "4:4:4": _Kind("RGB", {"subsampling": "4:4:4"}),
    "4:2:2": _Kind("RGB", {"subsampling": "4:2:2"}),
    "4:2:0": _Kind("RGB", {"subsampling": "4:2:0"}),
    "4:2:0-odd": _Kind("RGB", {"subsampling": "4:2:0"}, cut=1),
    "grayscale": _Kind("L", {}),
    "progressive": _Kind("RGB", {"subsampling": "4:2:0", "progressive": True}),
    "cmyk": _Kind("CMYK", {}),
}

KINDS = tuple(_KINDS)
"""The kinds of probes: chroma subsamplings, and others that take their own way in a decoder.

``4:2:0-odd`` has odd sides, on which FFmpeg's decoders take other ways through libswscale and
coincide (FFmpeg, ``libswscale/swscale_unscaled.c``).
"""


def synthetic_picture(width: int, height: int) -> Pixels:
    """Return smooth gradients, saturated edges and gray fine texture, side by side in thirds.

    Args:
        width: in pixels, at least 2.
        height: in pixels, at least 2.

    Returns:
        uint8, shape (height, width, 3), values 0 to 255.
    """
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    diagonal = (x + y) * 255 // (width + height - 2)
    gradients = np.dstack([x * 255 // (width - 1), y * 255 // (height - 1), diagonal])
    edges = 255 * np.dstack([x // 5 % 2, y // 7 % 2, (x + y) // 6 % 2])
    texture = 64 + (7 * x * x + 13 * y * y + 5 * x * y) % 128
    third = (3 * x // width)[:, :, np.newaxis]
    picture = np.choose(third, [gradients, edges, texture[:, :, np.newaxis]])
    return picture.astype(np.uint8)


def probe_jpeg(kind: str, size: tuple[int, int] = PROBE_SIZE) -> bytes:
    """Return the synthetic picture as a JPEG of quality 90.

    Args:
        kind: one of :data:`KINDS`.
        size: width and height in pixels, each at least 3; ``4:2:0-odd`` has one less.

    Raises:
        UnknownNameError: no such kind.
    """
    if kind not in _KINDS:
        raise UnknownNameError(unknown_name("kind of probe", kind, KINDS))
    how = _KINDS[kind]
    picture = synthetic_picture(size[0] - how.cut, size[1] - how.cut)
    image = _cmyk(picture) if how.mode == "CMYK" else Image.fromarray(picture).convert(how.mode)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, **how.options)
    return buffer.getvalue()


def _cmyk(picture: Pixels) -> Image.Image:
    """Turn the gray part of every color into black ink, so that all four inks are in use."""
    black = 255 - picture.max(axis=2)
    inks = [255 - picture[:, :, channel] - black for channel in range(3)]
    return Image.merge("CMYK", [Image.fromarray(plane) for plane in (*inks, black)])


@dataclass(frozen=True)
class DecoderComparison:
    """How decoders stand to each other on one image.

    Attributes:
        identical: groups of two or more decoders that give the same pixels, in the order asked.
        distance: of each decoder from :data:`REFERENCE`.
        errors: decoders that gave no image, with the reason; they have no distance.
    """

    identical: tuple[tuple[str, ...], ...]
    distance: Mapping[str, Difference]
    errors: Mapping[str, DecodeError]


def compare_decoders(names: Iterable[str], data: bytes) -> DecoderComparison:
    """Decode one image with each of the decoders and compare the results.

    Args:
        names: decoders whose libraries are installed.
        data: the bytes of one image file.

    Raises:
        DecodeError: :data:`REFERENCE` cannot decode the image.
        UnknownNameError: no such decoder.
        ValueError: a decoder turned the image upright, so that its size is another.
    """
    image = EncodedImage(data)
    reference = decode(REFERENCE, image)
    groups: dict[bytes, list[str]] = {}
    distance: dict[str, Difference] = {}
    errors: dict[str, DecodeError] = {}
    for name in names:
        try:
            pixels = decode(name, image)
        except DecodeError as error:
            errors[name] = error
            continue
        groups.setdefault(pixel_digest(pixels), []).append(name)
        distance[name] = difference(pixels, reference)
    identical = tuple(tuple(group) for group in groups.values() if len(group) > 1)
    return DecoderComparison(identical, distance, errors)

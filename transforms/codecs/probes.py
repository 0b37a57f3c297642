"""Built-in probe images, and how much decoders differ on them.

The picture is made by integer arithmetic, which is the same on every machine. Pillow encodes it at
run time, once for each kind of JPEG that decoders treat differently.
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
"""The decoder that others are compared with; it reads every kind of probe."""

PROBE_SIZE = (150, 108)
"""The size of the probes: even, as in most photographs, and no multiple of a block."""


@dataclass(frozen=True)
class _Kind:
    """How Pillow writes a kind of probe: mode, options, and rows and columns that are cut off."""

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
"""The kinds of probes: chroma subsamplings, and kinds for which decoders have separate code.

``4:2:0-odd`` has odd sides, for which FFmpeg's decoders use other code of libswscale and agree
(FFmpeg, ``libswscale/swscale_unscaled.c``).
"""


def synthetic_picture(width: int, height: int) -> Pixels:
    """Return a picture of three parts: smooth gradients, saturated edges and fine gray texture.

    Args:
        width: the width in pixels, at least 2.
        height: the height in pixels, at least 2.

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
        size: the width and height in pixels, each at least 3; ``4:2:0-odd`` is one pixel smaller.

    Raises:
        UnknownNameError: there is no such kind.
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
    """Convert to CMYK; the gray part of every color becomes black ink, so all inks are used."""
    black = 255 - picture.max(axis=2)
    inks = [255 - picture[:, :, channel] - black for channel in range(3)]
    return Image.merge("CMYK", [Image.fromarray(plane) for plane in (*inks, black)])


@dataclass(frozen=True)
class DecoderComparison:
    """How much decoders differ on one image.

    Attributes:
        digests: the pixel digest by decoder, 32 bytes.
        identical: groups of two or more decoders that give the same pixels, in the given order.
        distance: the difference from :data:`REFERENCE` by decoder.
        errors: the error by decoder for those that gave no image; these have no distance.
    """

    digests: Mapping[str, bytes]
    identical: tuple[tuple[str, ...], ...]
    distance: Mapping[str, Difference]
    errors: Mapping[str, DecodeError]


def compare_decoders(names: Iterable[str], data: bytes) -> DecoderComparison:
    """Decode one image with each of the decoders and compare the results.

    Args:
        names: the decoders, whose libraries must be installed.
        data: the bytes of one image file.

    Raises:
        DecodeError: :data:`REFERENCE` cannot decode the image.
        UnknownNameError: there is no such decoder.
        ValueError: a decoder rotated the image, so that its size differs.
    """
    image = EncodedImage(data)
    reference = decode(REFERENCE, image)
    digests: dict[str, bytes] = {}
    distance: dict[str, Difference] = {}
    errors: dict[str, DecodeError] = {}
    for name in names:
        try:
            pixels = decode(name, image)
        except DecodeError as error:
            errors[name] = error
            continue
        digests[name] = pixel_digest(pixels)
        distance[name] = difference(pixels, reference)
    groups: dict[bytes, list[str]] = {}
    for name, digest in digests.items():
        groups.setdefault(digest, []).append(name)
    identical = tuple(tuple(group) for group in groups.values() if len(group) > 1)
    return DecoderComparison(digests, identical, distance, errors)


def distinct_decoders(compared: Mapping[str, DecoderComparison]) -> tuple[tuple[str, ...], ...]:
    """Group decoders that give the same pixels for every kind of JPEG that both read.

    CMYK does not count: its conversion to RGB is not the decoder's.

    Args:
        compared: what :func:`compare_decoders` found by kind.

    Returns:
        Every decoder that reads any of the kinds, with the first one that it agrees with.
    """
    kinds = {kind: found.digests for kind, found in compared.items() if kind != "cmyk"}
    names = dict.fromkeys(name for digests in kinds.values() for name in digests)
    groups: dict[str, list[str]] = {}
    for name in names:
        same = (
            first
            for first in groups
            if all(
                digests[name] == digests[first]
                for digests in kinds.values()
                if name in digests and first in digests
            )
        )
        groups.setdefault(next(same, name), []).append(name)
    return tuple(map(tuple, groups.values()))

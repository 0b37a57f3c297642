"""What the golden digests cover: every method that decides pixels, on small generated images.

Decoders read the files of ``images/``, made once with ``probe_jpeg(kind, (28, 20))`` by Pillow
12.3. They stay as they are: encoders change too, and other bytes would void what other builds gave.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sysnoise.transforms.codecs.decoders import DECODERS, decode
from sysnoise.transforms.codecs.encoded import DecodeError, EncodedImage
from sysnoise.transforms.codecs.exif import Orient
from sysnoise.transforms.codecs.probes import KINDS, synthetic_picture
from sysnoise.transforms.codecs.sources import SOURCES, decode_from
from sysnoise.transforms.colors import COLORS, convert
from sysnoise.transforms.geometry import (
    RULES,
    CentralCrop,
    CentralSquare,
    Geometry,
    KeepRatio,
    Letterbox,
    Native,
    RandomResizedCrop,
    ShorterSide,
    Squash,
    render,
)
from sysnoise.transforms.libraries import library_build
from sysnoise.transforms.pixels import Pixels, Size, size_of
from sysnoise.transforms.resizers import RESIZES, resize
from tests.golden.records import Drawn
from tests.transforms.plain import saved, swapped_profile

FOLDER = Path(__file__).parent / "images"
PICTURES = {"landscape": synthetic_picture(32, 24), "portrait": synthetic_picture(19, 27)}

SIZES = {"half": (16, 12), "smaller": (13, 7), "larger": (41, 29)}
"""Sizes to resize to; libraries have code of their own for a factor of two."""

GEOMETRIES: Mapping[str, Geometry] = {
    "shorter-side": ShorterSide(size=20, crop=15),
    "squash": Squash(size=20, crop=15),
    "central-crop": CentralCrop(size=16),
    "central-square": CentralSquare(size=16),
    "random-resized-crop": RandomResizedCrop(size=16),
    "keep-ratio": KeepRatio(shorter=20, longer=24),
    "letterbox": Letterbox(size=30),
    "native": Native(),
}


@dataclass(frozen=True)
class Case:
    """One method and how its images are made.

    Attributes:
        method: axis and name: ``decoder ffmpeg``.
        library: whose build decides the pixels.
        draw: returns the images by name.
    """

    method: str
    library: str
    draw: Callable[[], Mapping[str, Pixels]]

    def drawn(self) -> Drawn:
        """Return the images as the build at hand gives them."""
        return Drawn(self.method, self.library, library_build(self.library), self.draw())


def cases() -> list[Case]:
    """Return a case for every decoder, resize, color, source and geometry rule."""
    found = [
        Case(
            f"{axis} {name}",
            method.library,
            functools.partial(draw, name),
        )
        for axis, methods, draw in (
            ("decoder", DECODERS, decoded),
            ("resize", RESIZES, resized),
            ("color", COLORS, converted),
            ("source", SOURCES, from_source),
        )
        for name, method in methods.items()
    ]
    placed = [
        Case(f"geometry {rule}", "numpy", functools.partial(rendered, rule)) for rule in RULES
    ]
    return found + placed


def jpeg_file(kind: str) -> Path:
    """Return the path of the file of one kind of JPEG."""
    return FOLDER / f"{kind.replace(':', '')}.jpg"


def decoded(name: str) -> dict[str, Pixels]:
    """Decode every kind that the decoder reads; a build that refuses one has no image of it."""
    images = {}
    for kind in KINDS:
        try:
            images[kind] = decode(name, EncodedImage(jpeg_file(kind).read_bytes()))
        except DecodeError:
            continue
    return images


def resized(name: str) -> dict[str, Pixels]:
    picture = PICTURES["landscape"]
    sizes = {"same": (32, 24)} if name == "none" else SIZES
    return {label: resize(name, picture, size) for label, size in sizes.items()}


def converted(name: str) -> dict[str, Pixels]:
    return {label: convert(name, picture) for label, picture in PICTURES.items()}


def from_source(name: str) -> dict[str, Pixels]:
    """Decode two kinds of JPEG and a PNG with a color profile with Pillow, to a small size."""
    files = {kind: jpeg_file(kind).read_bytes() for kind in ("4:2:0", "grayscale")}
    picture = Image.fromarray(PICTURES["landscape"])
    files["profile"] = saved(picture, "PNG", icc_profile=swapped_profile())
    images = {label: EncodedImage(data) for label, data in files.items()}
    return {
        label: decode_from(
            name, "pillow", image, Orient.STORED, Size(7, 5), decode("pillow", image)
        )
        for label, image in images.items()
    }


def rendered(rule: str) -> dict[str, Pixels]:
    images = {}
    for label, picture in PICTURES.items():
        placement = GEOMETRIES[rule].place(size_of(picture), seed=0, key=label)
        (images[label],) = render(picture, placement, nearest_part)
    return images


def nearest_part(
    pixels: Pixels, size: tuple[int, int], box: tuple[int, int, int, int]
) -> Iterator[Pixels]:
    left, upper, right, lower = box
    yield np.ascontiguousarray(nearest(pixels, size)[upper:lower, left:right])


def nearest(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize by integer arithmetic, so that the geometry alone decides the result."""
    height, width = pixels.shape[:2]
    rows = np.arange(size[1]) * height // size[1]
    columns = np.arange(size[0]) * width // size[0]
    return np.ascontiguousarray(pixels[rows][:, columns])

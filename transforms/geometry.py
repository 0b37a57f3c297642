"""Geometries: what a resize aims at, the same for all variants of a run.

A geometry turns the size of a decoded image into a :class:`Placement`, which says which part of the
image is resized to what, and how the result is cropped or padded. Presets carry the names of
:data:`PRESETS`; any other parameters may be given in a grid.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sysnoise.transforms.errors import GridProblem
from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.problems import is_number

ResizeEach = Callable[[Pixels, tuple[int, int], tuple[int, int, int, int]], Iterable[Pixels]]


@dataclass(frozen=True)
class Placement:
    """Where the pixels of one source image end up. All lengths in pixels.

    The region of the source is resized to the resized size, which is cropped, then padded. A point
    (x, y) of the source stands at ``((x - source_x) * scale_x - crop_x + pad_left,
    (y - source_y) * scale_y - crop_y + pad_top)`` of the output.

    Attributes:
        source_width, source_height: size of the decoded image.
        source_x, source_y, region_width, region_height: the part of it that is resized.
        resized_width, resized_height: size after the resize.
        crop_x, crop_y: origin of the crop in the resized image.
        pad_left, pad_top: origin of the (cropped) image in the output.
        pad_value: gray level of the padding, 0 to 255.
        output_width, output_height: size of the stored image.
    """

    source_width: int
    source_height: int
    source_x: int
    source_y: int
    region_width: int
    region_height: int
    resized_width: int
    resized_height: int
    crop_x: int
    crop_y: int
    pad_left: int
    pad_top: int
    pad_value: int
    output_width: int
    output_height: int

    @property
    def scale_x(self) -> float:
        """Output pixels per source pixel along the width."""
        return self.resized_width / self.region_width

    @property
    def scale_y(self) -> float:
        """Output pixels per source pixel along the height."""
        return self.resized_height / self.region_height

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The part of the resized image that is kept: left, upper, right and lower edge."""
        right = min(self.crop_x + self.output_width, self.resized_width)
        lower = min(self.crop_y + self.output_height, self.resized_height)
        return self.crop_x, self.crop_y, right, lower

    @property
    def crops(self) -> bool:
        """Whether parts of the source are missing from the output."""
        region = (self.region_width, self.region_height)
        kept = (self.output_width - self.pad_left, self.output_height - self.pad_top)
        return region != (self.source_width, self.source_height) or (
            kept[0] < self.resized_width or kept[1] < self.resized_height
        )


def _whole(width: int, height: int, resized: tuple[int, int], **changes: int) -> Placement:
    """Placement of the whole image at ``resized``, neither cropped nor padded but for changes."""
    fields = {
        "source_width": width,
        "source_height": height,
        "source_x": 0,
        "source_y": 0,
        "region_width": width,
        "region_height": height,
        "resized_width": resized[0],
        "resized_height": resized[1],
        "crop_x": 0,
        "crop_y": 0,
        "pad_left": 0,
        "pad_top": 0,
        "pad_value": 0,
        "output_width": resized[0],
        "output_height": resized[1],
    }
    return Placement(**(fields | changes))


def place_stretched(width: int, height: int, output: tuple[int, int]) -> Placement:
    """Placement of the whole image at another width and height; the aspect is lost."""
    return _whole(width, height, output)


def place_letterbox(width: int, height: int, output: tuple[int, int], pad: int) -> Placement:
    """Placement of the whole image, aspect kept, centered on a ground of gray.

    Sides are rounded to the nearest pixel, and an odd remainder goes to the right and bottom.

    Source: the letterbox of the YOLO family (Ultralytics ``LetterBox``, ``auto=False``).

    Args:
        width: of the image in pixels.
        height: of the image in pixels.
        output: width and height of the ground.
        pad: its gray level, 0 to 255.
    """
    factor = min(output[0] / width, output[1] / height)
    resized = (max(1, round(width * factor)), max(1, round(height * factor)))
    return _whole(
        width,
        height,
        resized,
        pad_left=(output[0] - resized[0]) // 2,
        pad_top=(output[1] - resized[1]) // 2,
        pad_value=pad,
        output_width=output[0],
        output_height=output[1],
    )


def _shorter_side(width: int, height: int, size: int) -> tuple[int, int]:
    """Size with the shorter side at ``size``; the longer is truncated, as torchvision does."""
    if width <= height:
        return size, max(1, int(size * height / width))
    return max(1, int(size * width / height)), size


def _center_crop(width: int, height: int, resized: tuple[int, int], crop: int) -> Placement:
    """Crop with torchvision's origin, ``int(round((size - crop) / 2))``."""
    return _whole(
        width,
        height,
        resized,
        crop_x=round((resized[0] - crop) / 2),
        crop_y=round((resized[1] - crop) / 2),
        output_width=crop,
        output_height=crop,
    )


@dataclass(frozen=True)
class ShorterSide:
    """Shorter side to ``size``, aspect kept, central ``crop`` x ``crop``.

    Source: torchvision ``Resize(size)`` and ``CenterCrop(crop)``.
    """

    rule: ClassVar[str] = "shorter-side"
    size: int
    crop: int

    def problems(self) -> list[str]:
        """Describe what is wrong with the parameters."""
        return _positive(self, "size", "crop") + _at_most(self, "crop", "size")

    def place(self, width: int, height: int, seed: int, key: str) -> Placement:
        """Return the placement for a decoded image of this size."""
        return _center_crop(width, height, _shorter_side(width, height, self.size), self.crop)


@dataclass(frozen=True)
class Squash:
    """Both sides to ``size``, aspect lost, central ``crop`` x ``crop``.

    Source: the paper's published generator (``imagenet_s_gen.py``): 256, then 224.
    """

    rule: ClassVar[str] = "squash"
    size: int
    crop: int

    def problems(self) -> list[str]:
        """Describe what is wrong with the parameters."""
        return _positive(self, "size", "crop") + _at_most(self, "crop", "size")

    def place(self, width: int, height: int, seed: int, key: str) -> Placement:
        """Return the placement for a decoded image of this size."""
        return _center_crop(width, height, (self.size, self.size), self.crop)


@dataclass(frozen=True)
class RandomResizedCrop:
    """A random region, resized to ``size`` x ``size``, drawn from the seed and the sample's key.

    ``tries`` regions of a random share of the area and a random aspect ratio (log-uniform) are
    drawn; the first that fits is used, else the largest central region within the ratios.

    Source: torchvision ``RandomResizedCrop.get_params``, with sha256 for the global generator.
    """

    rule: ClassVar[str] = "random-resized-crop"
    size: int
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    tries: int = 10

    def problems(self) -> list[str]:
        """Describe what is wrong with the parameters."""
        found = _positive(self, "size", "tries")
        for name in ("scale", "ratio"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                found.append(f"{name}: expected 0 < low <= high, found [{low}, {high}]")
        if self.scale[1] > 1:
            found.append(f"scale: a region cannot exceed the image, found {self.scale[1]}")
        return found

    def place(self, width: int, height: int, seed: int, key: str) -> Placement:
        """Return the placement for a decoded image of this size."""
        x, y, region_width, region_height = self._region(width, height, _uniforms(seed, key))
        return _whole(
            width,
            height,
            (self.size, self.size),
            source_x=x,
            source_y=y,
            region_width=region_width,
            region_height=region_height,
        )

    def _region(
        self, width: int, height: int, uniform: Callable[[], float]
    ) -> tuple[int, int, int, int]:
        log_low, log_high = (math.log(value) for value in self.ratio)
        for _ in range(self.tries):
            share = self.scale[0] + (self.scale[1] - self.scale[0]) * uniform()
            aspect = math.exp(log_low + (log_high - log_low) * uniform())
            region_width = round(math.sqrt(width * height * share * aspect))
            region_height = round(math.sqrt(width * height * share / aspect))
            if 0 < region_width <= width and 0 < region_height <= height:
                x = int(uniform() * (width - region_width + 1))
                y = int(uniform() * (height - region_height + 1))
                return x, y, region_width, region_height
        region_width, region_height = width, height
        if width / height < self.ratio[0]:
            region_height = max(1, min(height, round(width / self.ratio[0])))
        elif width / height > self.ratio[1]:
            region_width = max(1, min(width, round(height * self.ratio[1])))
        return (
            (width - region_width) // 2,
            (height - region_height) // 2,
            region_width,
            region_height,
        )


@dataclass(frozen=True)
class KeepRatio:
    """Shorter side to ``shorter``, but the longer at most ``longer``; aspect kept, no crop.

    Source: torchvision ``Resize(shorter, max_size=longer)``.
    """

    rule: ClassVar[str] = "keep-ratio"
    shorter: int
    longer: int

    def problems(self) -> list[str]:
        """Describe what is wrong with the parameters."""
        return _positive(self, "shorter", "longer") + _at_most(self, "shorter", "longer")

    def place(self, width: int, height: int, seed: int, key: str) -> Placement:
        """Return the placement for a decoded image of this size."""
        resized = _shorter_side(width, height, self.shorter)
        long_side, short_side = max(resized), min(resized)
        if long_side > self.longer:
            short_side = max(1, int(self.longer * short_side / long_side))
            long_side = self.longer
        size = (short_side, long_side) if width <= height else (long_side, short_side)
        return _whole(width, height, size)


@dataclass(frozen=True)
class Letterbox:
    """The whole image, aspect kept, centered on a ``size`` x ``size`` ground of gray ``pad``.

    Sides are rounded to the nearest pixel, and an odd remainder goes to the right and bottom.

    Source: the letterbox of the YOLO family (Ultralytics ``LetterBox``, ``auto=False``).
    """

    rule: ClassVar[str] = "letterbox"
    size: int
    pad: int = 114

    def problems(self) -> list[str]:
        """Describe what is wrong with the parameters."""
        in_range = 0 <= self.pad <= 255
        return _positive(self, "size") + (
            [] if in_range else [f"pad: expected 0 to 255, found {self.pad}"]
        )

    def place(self, width: int, height: int, seed: int, key: str) -> Placement:
        """Return the placement for a decoded image of this size."""
        return place_letterbox(width, height, (self.size, self.size), self.pad)


@dataclass(frozen=True)
class Native:
    """The image at its own size; the only resize that goes with it is ``none``."""

    rule: ClassVar[str] = "native"

    def problems(self) -> list[str]:
        """Describe what is wrong with the parameters."""
        return []

    def place(self, width: int, height: int, seed: int, key: str) -> Placement:
        """Return the placement for a decoded image of this size."""
        return _whole(width, height, (width, height))


Geometry = ShorterSide | Squash | RandomResizedCrop | KeepRatio | Letterbox | Native

RULES: Mapping[str, type[Geometry]] = {
    kind.rule: kind
    for kind in (ShorterSide, Squash, RandomResizedCrop, KeepRatio, Letterbox, Native)
}

PRESETS: Mapping[str, Geometry] = {
    "shorter256-crop224": ShorterSide(size=256, crop=224),
    "squash256-crop224": Squash(size=256, crop=224),
    "random-resized-crop224": RandomResizedCrop(size=224),
    "coco-800x1333": KeepRatio(shorter=800, longer=1333),
    "letterbox640": Letterbox(size=640),
    "native": Native(),
}


GeometryDocument = dict[str, str | int | list[float]]
"""The rule of a geometry and all its parameters by name, as JSON has them."""


def geometry_document(geometry: Geometry) -> GeometryDocument:
    """Return a geometry as a JSON-compatible mapping of its rule and all parameters."""
    parameters = {
        name: list(map(float, value)) if isinstance(value, tuple) else value
        for name, value in vars(geometry).items()
    }
    return {"rule": geometry.rule, **parameters}


def type_problems(kind: type[Geometry], parameters: Mapping[str, object]) -> list[GridProblem]:
    """List the parameters of a geometry, all or some of them, whose values are of another type."""
    expected = {field.name: str(field.type) for field in dataclasses.fields(kind)}
    return [
        GridProblem(("geometry", name), f"expected {_TYPES[expected[name]]}, found {value!r}")
        for name, value in parameters.items()
        if not _fits(value, expected[name])
    ]


_TYPES = {"int": "a whole number", "tuple[float, float]": "a list of two numbers"}


def _fits(value: object, annotation: str) -> bool:
    if annotation == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, tuple) and len(value) == 2 and all(map(is_number, value))


def render(pixels: Pixels, placement: Placement, resize: ResizeEach) -> Iterator[Pixels]:
    """Resize, crop and pad an image as its placement says, with one or more methods.

    Args:
        pixels: uint8, shape (source_height, source_width, 3).
        placement: where the pixels end up.
        resize: gives the results of all methods for an array, a size and a box, as
            :func:`sysnoise.transforms.resizers.resize_each` does.

    Yields:
        For each method uint8, shape (output_height, output_width, 3), C order.

    Raises:
        ValueError: the image has not the size the placement was made for.
    """
    if pixels.shape[:2] != (placement.source_height, placement.source_width):
        raise ValueError(
            f"placement is for {placement.source_width} x {placement.source_height} pixels, "
            f"the image has {pixels.shape[1]} x {pixels.shape[0]}"
        )
    if (placement.region_width, placement.region_height) != pixels.shape[1::-1]:
        rows = slice(placement.source_y, placement.source_y + placement.region_height)
        columns = slice(placement.source_x, placement.source_x + placement.region_width)
        pixels = np.ascontiguousarray(pixels[rows, columns])
    size = placement.resized_width, placement.resized_height
    for resized in resize(pixels, size, placement.box):
        yield _padded(resized, placement)


def _padded(pixels: Pixels, placement: Placement) -> Pixels:
    height, width = pixels.shape[:2]
    shape = (placement.output_height, placement.output_width, 3)
    if pixels.shape == shape:
        return pixels
    padded = np.full(shape, placement.pad_value, np.uint8)
    top, left = placement.pad_top, placement.pad_left
    padded[top : top + height, left : left + width] = pixels
    return padded


def _uniforms(seed: int, key: str) -> Callable[[], float]:
    """Return a generator of floats in [0, 1): 53 bits of sha256 of ``seed:key:draw``."""
    draw = 0

    def uniform() -> float:
        nonlocal draw
        digest = hashlib.sha256(f"{seed}:{key}:{draw}".encode()).digest()
        draw += 1
        return float((int.from_bytes(digest[:8], "big") >> 11) * 2.0**-53)

    return uniform


def _positive(geometry: Any, *names: str) -> list[str]:
    values = {name: getattr(geometry, name) for name in names}
    return [f"{name}: expected at least 1, found {v}" for name, v in values.items() if v < 1]


def _at_most(geometry: Any, small: str, large: str) -> list[str]:
    low, high = getattr(geometry, small), getattr(geometry, large)
    return [] if low <= high else [f"{small}: {low} exceeds {large} {high}"]

"""Geometries: how images are resized, cropped and padded in all variants of a run.

A geometry turns the size of a decoded image into a :class:`Placement`, which says which part of the
image is resized to which size, and how the result is cropped or padded. :data:`PRESETS` has
geometries with names; a grid may give a geometry by its parameters instead.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from sysnoise.transforms.errors import GridProblem
from sysnoise.transforms.pixels import Pixels, Size, size_of
from sysnoise.transforms.problems import is_number

ResizeEach = Callable[[Pixels, tuple[int, int], tuple[int, int, int, int]], Iterable[Pixels]]
"""A function that resizes an array to a size with several methods and crops each result."""


class Offset(NamedTuple):
    """A distance in pixels from a left edge and from an upper edge."""

    x: int
    y: int


_ORIGIN = Offset(0, 0)


class Region(NamedTuple):
    """A part of an image in pixels: its upper left corner and its size."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Placement:
    """Where the pixels of one source image end up. All lengths are in pixels.

    The region of the source is resized; the result is cropped, then padded. A point (x, y) of the
    source is at ``((x - region.x) * scale_x - crop.x + pad.x, (y - region.y) * scale_y - crop.y +
    pad.y)`` in the output.

    Attributes:
        source: the size of the decoded image.
        region: the part of the decoded image that is resized.
        resized: the size after the resize.
        output: the size of the stored image.
        crop: the origin of the crop in the resized image.
        pad: the origin of the resized and cropped image in the output.
        pad_value: the gray level of the padding, 0 to 255.
    """

    source: Size
    region: Region
    resized: Size
    output: Size
    crop: Offset = _ORIGIN
    pad: Offset = _ORIGIN
    pad_value: int = 0

    @property
    def scale_x(self) -> float:
        """Output pixels per source pixel along the width."""
        return self.resized.width / self.region.width

    @property
    def scale_y(self) -> float:
        """Output pixels per source pixel along the height."""
        return self.resized.height / self.region.height

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The part of the resized image that is kept: left, upper, right and lower edge."""
        right = min(self.crop.x + self.output.width, self.resized.width)
        lower = min(self.crop.y + self.output.height, self.resized.height)
        return *self.crop, right, lower

    @property
    def crops(self) -> bool:
        """Whether parts of the source are missing from the output."""
        return self.region != (0, 0, *self.source) or self.box != (0, 0, *self.resized)


def place_stretched(source: Size, output: Size) -> Placement:
    """Return the placement of the whole image at a width and height of any aspect ratio."""
    return Placement(source, Region(0, 0, *source), output, output)


def place_letterbox(source: Size, output: Size, pad_value: int) -> Placement:
    """Return the placement of the whole image, its aspect ratio kept, centered on gray.

    Sides are rounded to the nearest pixel; right and bottom get the larger part of an odd
    remainder.

    Source: the letterbox of the YOLO family (Ultralytics ``LetterBox``, ``auto=False``).

    Args:
        source: the size of the image.
        output: the size of the background.
        pad_value: the gray level of the background, 0 to 255.
    """
    factor = min(output.width / source.width, output.height / source.height)
    width, height = (max(1, round(side * factor)) for side in source)
    pad = Offset((output.width - width) // 2, (output.height - height) // 2)
    return dataclasses.replace(
        place_stretched(source, Size(width, height)), output=output, pad=pad, pad_value=pad_value
    )


ROUNDINGS: Mapping[str, Callable[[float], int]] = {
    "truncate": int,
    "round": round,
    "half-up": lambda length: math.floor(length + 0.5),
    "ceil": math.ceil,
}
"""How a length that is no whole number of pixels becomes one; ``round`` takes halves to even."""


def _shorter_side(source: Size, length: int, long_side: str) -> Size:
    """Return the size with a shorter side of this length, and the longer one rounded as named."""
    width, height = source
    rounded = ROUNDINGS[long_side]
    if width <= height:
        return Size(length, max(1, rounded(length * height / width)))
    return Size(max(1, rounded(length * width / height)), length)


def _center_crop(source: Size, resized: Size, side: int, offset: str = "round") -> Placement:
    """Return the placement with a central square, whose origin is rounded as named."""
    rounded = ROUNDINGS[offset]
    crop = Offset(rounded((resized.width - side) / 2), rounded((resized.height - side) / 2))
    return dataclasses.replace(place_stretched(source, resized), output=Size(side, side), crop=crop)


MAX_SIDE = 65_535
"""Pixels of a side that a geometry may ask for, as of the largest JPEG."""

MAX_TRIES = 1000
"""Number of regions that are drawn for an image; torchvision draws ten."""

MAX_RATIO = 1000
"""Largest ratio of the sides of a random region, or of its inverse; torchvision has 4/3."""


@dataclass(frozen=True)
class ShorterSide:
    """Resize the shorter side to ``size`` and crop a central square of ``crop``.

    ``long_side`` says how the longer side becomes whole, and ``offset`` how the origin of the crop
    does, each by a name in :data:`ROUNDINGS`.

    Source: torchvision ``Resize(size)`` and ``CenterCrop(crop)``, which truncate the longer side
    and round the origin.
    """

    rule: ClassVar[str] = "shorter-side"
    takes_whole: ClassVar[bool] = True
    size: int
    crop: int
    long_side: str = "truncate"
    offset: str = "round"

    @property
    def crops(self) -> bool:
        """Whether parts of an image, and of the boxes in it, may be missing from the output."""
        return True

    def problems(self) -> list[str]:
        """Describe what is wrong with the parameters."""
        lengths = _positive(self, "size", "crop") + _at_most(self, "crop", "size")
        return lengths + _roundings(self, "long_side", "offset")

    def place(self, source: Size, seed: int, key: str) -> Placement:
        """Return the placement of a decoded image of this size."""
        resized = _shorter_side(source, self.size, self.long_side)
        return _center_crop(source, resized, self.crop, self.offset)


@dataclass(frozen=True)
class Squash:
    """Resize both sides to ``size``, at any aspect ratio, and crop a central square of ``crop``.

    Source: the paper's published generator (``imagenet_s_gen.py``): 256, then 224. With equal
    sides nothing is cropped, as SSD resizes (arXiv 1512.02325).
    """

    rule: ClassVar[str] = "squash"
    takes_whole: ClassVar[bool] = True
    size: int
    crop: int

    @property
    def crops(self) -> bool:
        """Whether parts of an image, and of the boxes in it, may be missing from the output."""
        return self.crop < self.size

    def problems(self) -> list[str]:
        """Describe what is wrong with the parameters."""
        return _positive(self, "size", "crop") + _at_most(self, "crop", "size")

    def place(self, source: Size, seed: int, key: str) -> Placement:
        """Return the placement of a decoded image of this size."""
        return _center_crop(source, Size(self.size, self.size), self.crop)


@dataclass(frozen=True)
class CentralCrop:
    """Crop the central ``fraction`` of both sides, and resize it to ``size`` x ``size``.

    Source: TensorFlow, ``tf.image.central_crop`` and then ``tf.image.resize``, as TF-Slim's
    Inception preprocessing does with 0.875.
    """

    rule: ClassVar[str] = "central-crop"
    takes_whole: ClassVar[bool] = False
    size: int
    fraction: float = 0.875

    @property
    def crops(self) -> bool:
        """Whether parts of an image, and of the boxes in it, may be missing from the output."""
        return self.fraction < 1

    def problems(self) -> list[str]:
        """Describe what is wrong with the parameters."""
        fits = 0 < self.fraction <= 1
        return _positive(self, "size") + (
            [] if fits else [f"fraction: expected more than 0 and at most 1, found {self.fraction}"]
        )

    def place(self, source: Size, seed: int, key: str) -> Placement:
        """Return the placement of a decoded image of this size."""
        x, y = (int((side - side * self.fraction) / 2) for side in source)
        region = Region(x, y, source.width - 2 * x, source.height - 2 * y)
        output = Size(self.size, self.size)
        return Placement(source, region, output, output)


@dataclass(frozen=True)
class CentralSquare:
    """Crop the central square that ``size`` is of ``size + padding``, and resize it to ``size``.

    Its side is ``int(size / (size + padding) * shorter side)``; ``offset`` says how its origin
    becomes whole, by a name in :data:`ROUNDINGS`.

    Source: TensorFlow's official models and EfficientNet, ``_decode_and_center_crop`` with a
    ``CROP_PADDING`` of 32.
    """

    rule: ClassVar[str] = "central-square"
    takes_whole: ClassVar[bool] = False
    size: int
    padding: int = 32
    offset: str = "half-up"

    @property
    def crops(self) -> bool:
        """Whether parts of an image, and of the boxes in it, may be missing from the output."""
        return True

    def problems(self) -> list[str]:
        """Describe what is wrong with the parameters."""
        fits = 0 <= self.padding <= MAX_SIDE
        found = [] if fits else [f"padding: expected 0 to {MAX_SIDE}, found {self.padding}"]
        return _positive(self, "size") + found + _roundings(self, "offset")

    def place(self, source: Size, seed: int, key: str) -> Placement:
        """Return the placement of a decoded image of this size."""
        side = max(1, int(self.size / (self.size + self.padding) * min(source)))
        x, y = (ROUNDINGS[self.offset]((length - side) / 2) for length in source)
        output = Size(self.size, self.size)
        return Placement(source, Region(x, y, side, side), output, output)


@dataclass(frozen=True)
class RandomResizedCrop:
    """Resize a random region, drawn from the seed and the sample's key, to ``size`` x ``size``.

    Up to ``tries`` regions with a random share of the area and a random aspect ratio (log-uniform)
    are drawn; the first that fits is used, or else the largest central region within the ratios.

    Source: torchvision ``RandomResizedCrop.get_params``, with sha256 in place of the global random
    generator.
    """

    rule: ClassVar[str] = "random-resized-crop"
    takes_whole: ClassVar[bool] = False
    size: int
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    tries: int = 10

    @property
    def crops(self) -> bool:
        """Whether parts of an image, and of the boxes in it, may be missing from the output."""
        return True

    def problems(self) -> list[str]:
        """Describe what is wrong with the parameters."""
        found = _positive(self, "size", "tries")
        if self.tries > MAX_TRIES:
            found.append(f"tries: expected at most {MAX_TRIES}, found {self.tries}")
        for name in ("scale", "ratio"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                found.append(f"{name}: expected 0 < low <= high, found [{low}, {high}]")
            elif name == "ratio" and (low < 1 / MAX_RATIO or high > MAX_RATIO):
                found.append(f"ratio: expected 1/{MAX_RATIO} to {MAX_RATIO}, found [{low}, {high}]")
        if self.scale[1] > 1:
            found.append(f"scale: a region cannot exceed the image, found {self.scale[1]}")
        return found

    def place(self, source: Size, seed: int, key: str) -> Placement:
        """Return the placement of a decoded image of this size."""
        region = self._region(source, _uniforms(seed, key))
        output = Size(self.size, self.size)
        return Placement(source, region, output, output)

    def _region(self, source: Size, uniform: Callable[[], float]) -> Region:
        width, height = source
        log_low, log_high = (math.log(value) for value in self.ratio)
        for _ in range(self.tries):
            share = self.scale[0] + (self.scale[1] - self.scale[0]) * uniform()
            aspect = math.exp(log_low + (log_high - log_low) * uniform())
            region_width = round(math.sqrt(width * height * share * aspect))
            region_height = round(math.sqrt(width * height * share / aspect))
            if 0 < region_width <= width and 0 < region_height <= height:
                x = int(uniform() * (width - region_width + 1))
                y = int(uniform() * (height - region_height + 1))
                return Region(x, y, region_width, region_height)
        region_width, region_height = width, height
        if width / height < self.ratio[0]:
            region_height = max(1, min(height, round(width / self.ratio[0])))
        elif width / height > self.ratio[1]:
            region_width = max(1, min(width, round(height * self.ratio[1])))
        x, y = (width - region_width) // 2, (height - region_height) // 2
        return Region(x, y, region_width, region_height)


@dataclass(frozen=True)
class KeepRatio:
    """Resize the shorter side to ``shorter``, but the longer to at most ``longer``; crop nothing.

    ``long_side`` says how the side that follows from the ratio becomes whole, by a name in
    :data:`ROUNDINGS`. Where the longer side is cut to ``longer``, the shorter one follows from the
    ratio of the image; with ``truncate`` from that of its resized sides, which is truncated before.

    Source: torchvision ``Resize(shorter, max_size=longer)``, which truncates twice; MMDetection
    (``mmcv.rescale_size``), Detectron2 (``ResizeShortestEdge``) and TensorFlow's Object Detection
    API (``keep_aspect_ratio_resizer``) round once.
    """

    rule: ClassVar[str] = "keep-ratio"
    takes_whole: ClassVar[bool] = True
    shorter: int
    longer: int
    long_side: str = "truncate"

    @property
    def crops(self) -> bool:
        """Whether parts of an image, and of the boxes in it, may be missing from the output."""
        return False

    def problems(self) -> list[str]:
        """Describe what is wrong with the parameters."""
        lengths = _positive(self, "shorter", "longer") + _at_most(self, "shorter", "longer")
        return lengths + _roundings(self, "long_side")

    def place(self, source: Size, seed: int, key: str) -> Placement:
        """Return the placement of a decoded image of this size."""
        resized = _shorter_side(source, self.shorter, self.long_side)
        if max(resized) > self.longer:
            ratio = resized if self.long_side == "truncate" else source
            rounded = ROUNDINGS[self.long_side]
            short_side = max(1, rounded(self.longer * min(ratio) / max(ratio)))
            is_upright = source.width <= source.height
            sides = (short_side, self.longer) if is_upright else (self.longer, short_side)
            resized = Size(*sides)
        return place_stretched(source, resized)


@dataclass(frozen=True)
class Letterbox:
    """Fit the whole image, its aspect ratio kept, into a square of ``size`` with gray around it.

    Sides are rounded to the nearest pixel; right and bottom get the larger part of an odd
    remainder. The gray level is ``pad``.

    Source: the letterbox of the YOLO family (Ultralytics ``LetterBox``, ``auto=False``).
    """

    rule: ClassVar[str] = "letterbox"
    takes_whole: ClassVar[bool] = True
    size: int
    pad: int = 114

    @property
    def crops(self) -> bool:
        """Whether parts of an image, and of the boxes in it, may be missing from the output."""
        return False

    def problems(self) -> list[str]:
        """Describe what is wrong with the parameters."""
        in_range = 0 <= self.pad <= 255
        return _positive(self, "size") + (
            [] if in_range else [f"pad: expected 0 to 255, found {self.pad}"]
        )

    def place(self, source: Size, seed: int, key: str) -> Placement:
        """Return the placement of a decoded image of this size."""
        return place_letterbox(source, Size(self.size, self.size), self.pad)


@dataclass(frozen=True)
class Native:
    """Keep the image's own size; the only resize that goes with it is ``none``."""

    rule: ClassVar[str] = "native"
    takes_whole: ClassVar[bool] = True

    @property
    def crops(self) -> bool:
        """Whether parts of an image, and of the boxes in it, may be missing from the output."""
        return False

    def problems(self) -> list[str]:
        """Describe what is wrong with the parameters."""
        return []

    def place(self, source: Size, seed: int, key: str) -> Placement:
        """Return the placement of a decoded image of this size."""
        return place_stretched(source, source)


Geometry = (
    ShorterSide
    | Squash
    | CentralCrop
    | CentralSquare
    | RandomResizedCrop
    | KeepRatio
    | Letterbox
    | Native
)
"""A kind of geometry with its parameters.

``rule`` is its name in grid files, and ``takes_whole`` says whether it resizes the whole image,
which it may crop afterwards.
"""

RULES: Mapping[str, type[Geometry]] = {
    kind.rule: kind
    for kind in (
        ShorterSide,
        Squash,
        CentralCrop,
        CentralSquare,
        RandomResizedCrop,
        KeepRatio,
        Letterbox,
        Native,
    )
}

PRESETS: Mapping[str, Geometry] = {
    "shorter256-crop224": ShorterSide(size=256, crop=224),
    "shorter256-crop224-long-round": ShorterSide(size=256, crop=224, long_side="round"),
    "shorter256-crop224-long-ceil": ShorterSide(size=256, crop=224, long_side="ceil"),
    "shorter256-crop224-offset-truncate": ShorterSide(size=256, crop=224, offset="truncate"),
    "shorter232-crop224": ShorterSide(size=232, crop=224),
    "squash256-crop224": Squash(size=256, crop=224),
    "squash224": Squash(size=224, crop=224),
    "central-crop875-224": CentralCrop(size=224),
    "central-square224": CentralSquare(size=224),
    "random-resized-crop224": RandomResizedCrop(size=224),
    "coco-800x1333": KeepRatio(shorter=800, longer=1333),
    "coco-800x1333-round": KeepRatio(shorter=800, longer=1333, long_side="round"),
    "coco-800x1333-ceil": KeepRatio(shorter=800, longer=1333, long_side="ceil"),
    "squash300": Squash(size=300, crop=300),
    "letterbox416": Letterbox(size=416),
    "letterbox640": Letterbox(size=640),
    "native": Native(),
}


def is_random(geometry: Geometry) -> bool:
    """Whether a geometry is drawn from the seed and the sample's key."""
    return isinstance(geometry, RandomResizedCrop)


def type_problems(kind: type[Geometry], parameters: Mapping[str, object]) -> list[GridProblem]:
    """List the given parameters of a kind of geometry whose values have the wrong type."""
    expected = {field.name: str(field.type) for field in dataclasses.fields(kind)}
    problems = []
    for name, value in parameters.items():
        if not _fits(value, expected[name]):
            found = list(value) if isinstance(value, tuple) else value  # As files have it.
            message = f"expected {_TYPES[expected[name]]}, found {found!r}"
            problems.append(GridProblem(("geometry", name), message))
    return problems


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "tuple[float, float]": "a pair of numbers",
}


def _fits(value: object, annotation: str) -> bool:
    if annotation == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if annotation == "float":
        return is_number(value)
    if annotation == "str":
        return isinstance(value, str)
    return isinstance(value, tuple) and len(value) == 2 and all(map(is_number, value))


def render(pixels: Pixels, placement: Placement, resize: ResizeEach) -> Iterator[Pixels]:
    """Resize, crop and pad an image as its placement says, with one or more methods.

    Args:
        pixels: uint8, shape (H, W, 3), of the placement's source size.
        placement: where the pixels end up.
        resize: the function that resizes with all methods, such as
            :func:`sysnoise.transforms.resizers.resize_each` with its names bound.

    Yields:
        One array per method: uint8, shape (H, W, 3), of the placement's output size, C order.

    Raises:
        ValueError: the image is not of the size that the placement was made for.
    """
    size = size_of(pixels)
    if size != placement.source:
        source = placement.source
        raise ValueError(
            f"placement is for {source.width} x {source.height} pixels, "
            f"the image has {size.width} x {size.height}"
        )
    x, y, width, height = placement.region
    if (width, height) != size:
        pixels = np.ascontiguousarray(pixels[y : y + height, x : x + width])
    for resized in resize(pixels, placement.resized, placement.box):
        yield padded(resized, placement)


def padded(pixels: Pixels, placement: Placement) -> Pixels:
    """Return an image that was resized and cropped, with the padding that its placement says."""
    size = size_of(pixels)
    if size == placement.output:
        return pixels
    output = np.full(
        (placement.output.height, placement.output.width, 3), placement.pad_value, np.uint8
    )
    left, top = placement.pad
    output[top : top + size.height, left : left + size.width] = pixels
    return output


def _uniforms(seed: int, key: str) -> Callable[[], float]:
    """Return a function that draws floats in [0, 1): 53 bits of the sha256 of ``seed:key:draw``."""
    draw = 0

    def uniform() -> float:
        nonlocal draw
        digest = hashlib.sha256(f"{seed}:{key}:{draw}".encode()).digest()
        draw += 1
        return float((int.from_bytes(digest[:8], "big") >> 11) * 2.0**-53)

    return uniform


def _positive(geometry: Any, *names: str) -> list[str]:
    values = {name: getattr(geometry, name) for name in names}
    return [
        f"{name}: expected at least 1, found {value}"
        if value < 1
        else f"{name}: expected at most {MAX_SIDE}, found {value}"
        for name, value in values.items()
        if value < 1 or (value > MAX_SIDE and name != "tries")
    ]


def _roundings(geometry: Any, *names: str) -> list[str]:
    values = {name: getattr(geometry, name) for name in names}
    return [
        f"{name}: expected one of {', '.join(ROUNDINGS)}, found {value!r}"
        for name, value in values.items()
        if value not in ROUNDINGS
    ]


def _at_most(geometry: Any, small: str, large: str) -> list[str]:
    low, high = getattr(geometry, small), getattr(geometry, large)
    return [] if low <= high else [f"{small}: {low} exceeds {large} {high}"]

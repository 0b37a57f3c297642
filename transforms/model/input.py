"""The input of a model: stored images, fitted to its size and made one tensor."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sysnoise.transforms.geometry import (
    Placement,
    place_letterbox,
    place_stretched,
    render,
)
from sysnoise.transforms.pixels import Pixels, Size, check_pixels, size_of
from sysnoise.transforms.resizers import resize_each

RESIZE = "pillow-bilinear"
"""The resize of images that have not the model's size; antialiased."""

_UNSEEDED = (0, "")


class Layout(Enum):
    """The order of a tensor's dimensions."""

    NCHW = "NCHW"
    NHWC = "NHWC"


class ChannelOrder(Enum):
    """The order of a tensor's color channels."""

    RGB = "RGB"
    BGR = "BGR"


class InputType(Enum):
    """The type of a tensor's elements, by NumPy's name."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    UINT8 = "uint8"


class InputFit(Enum):
    """What becomes of images that have not the model's size."""

    EXACT = "exact"
    """They are refused."""
    LETTERBOX = "letterbox"
    """They are resized with their aspect kept, and centered on gray."""
    STRETCH = "stretch"
    """They are resized, and their aspect is lost."""


@dataclass(frozen=True)
class InputSpec:
    """What a model takes.

    Attributes:
        name: of the model's input.
        height, width: of its images in pixels.
        layout: order of the dimensions.
        channels: order of the color channels.
        mean, scale: the tensor holds ``(x - mean) / scale`` of the levels x, 0 to 255; a number a
            channel, in the order of the channels. 0 and 1 where the type is uint8.
        type: of the elements.
        fit: what becomes of images of another size.
        pad: gray level around images of fit ``letterbox``, 0 to 255.
    """

    name: str
    height: int
    width: int
    layout: Layout
    channels: ChannelOrder
    mean: tuple[float, float, float]
    scale: tuple[float, float, float]
    type: InputType = InputType.FLOAT32
    fit: InputFit = InputFit.EXACT
    pad: int = 114

    @property
    def image_bytes(self) -> int:
        """The bytes of a fitted image."""
        return self.height * self.width * 3

    def shape(self, batch: int) -> tuple[int, int, int, int]:
        """Return the shape of a batch of that many images."""
        if self.layout is Layout.NCHW:
            return batch, 3, self.height, self.width
        return batch, self.height, self.width, 3


def fit_image(image: Pixels, spec: InputSpec) -> tuple[Pixels, Placement]:
    """Give an image the model's size.

    Args:
        image: uint8, RGB, shape (H, W, 3).
        spec: what the model takes. Other sizes than its own are resized by :data:`RESIZE`.

    Returns:
        The fitted image, uint8, shape (spec.height, spec.width, 3), and where in it the image
        stands.

    Raises:
        ValueError: the array is no such image, or of fit ``exact`` and of another size.
    """
    check_pixels(image)
    placement = _placement(image, spec)
    if spec.fit is InputFit.EXACT:
        return image, placement
    return next(render(image, placement, functools.partial(resize_each, [RESIZE]))), placement


def _placement(image: Pixels, spec: InputSpec) -> Placement:
    source, output = size_of(image), Size(spec.width, spec.height)
    if spec.fit is InputFit.LETTERBOX:
        return place_letterbox(source, output, spec.pad)
    if spec.fit is InputFit.STRETCH:
        return place_stretched(source, output)
    if source != output:
        raise ValueError(
            f"the model takes {spec.width} x {spec.height} pixels, the image has {source.width} x "
            f"{source.height}; fit letterbox or stretch would resize it"
        )
    return place_stretched(source, source)


def input_tensor(images: Sequence[Pixels], spec: InputSpec) -> NDArray[Any]:
    """Make one tensor of a batch of images.

    ``(x - mean) / scale`` is computed in float32; float16 is rounded from that.

    Args:
        images: uint8, RGB, each of shape (spec.height, spec.width, 3).
        spec: what the model takes.

    Returns:
        ``spec.type``, shape ``spec.shape(len(images))``, C order.
    """
    order = slice(None, None, -1 if spec.channels is ChannelOrder.BGR else 1)
    normalized = spec.type is not InputType.UINT8
    tensor = np.empty(spec.shape(len(images)), np.float32 if normalized else np.uint8)
    by_channel = tensor if spec.layout is Layout.NCHW else tensor.transpose(0, 3, 1, 2)
    for planes, image in zip(by_channel, images, strict=True):
        levels = image[..., order].transpose(2, 0, 1)
        # One channel at a time, in place: NumPy's inner loop then runs over pixels, in the cache.
        for plane, level, mean, scale in zip(planes, levels, spec.mean, spec.scale, strict=True):
            plane[...] = level
            if normalized:
                plane -= np.float32(mean)
                plane /= np.float32(scale)
    return tensor.astype(spec.type.value, copy=False)

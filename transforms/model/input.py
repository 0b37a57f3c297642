"""The input of a model: stored images, resized to its size and put into one tensor."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sysnoise.transforms.geometry import Offset, Placement, place_letterbox, place_stretched, render
from sysnoise.transforms.pixels import Pixels, Size, check_pixels, size_of

RESIZE = "pillow-bilinear"
"""The resize of images that do not have the model's size; it is antialiased."""


class Layout(Enum):
    """The order of a tensor's dimensions; without N, a model takes one image."""

    NCHW = "NCHW"
    NHWC = "NHWC"
    CHW = "CHW"
    HWC = "HWC"


class ChannelOrder(Enum):
    """The order of a tensor's color channels."""

    RGB = "RGB"
    BGR = "BGR"


class InputType(Enum):
    """The type of a tensor's elements; the values are NumPy's names."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    UINT8 = "uint8"


class InputFit(Enum):
    """What is done with images that do not have the model's size."""

    EXACT = "exact"
    """They are refused."""
    LETTERBOX = "letterbox"
    """They are resized, their aspect ratio is kept, and they are centered on gray."""
    LETTERBOX_TOP_LEFT = "letterbox-top-left"
    """Likewise, but the gray is at the right and bottom."""
    STRETCH = "stretch"
    """They are resized, and their aspect ratio is not kept."""
    PAD = "pad"
    """They keep their size, and gray at the right and bottom fills a multiple of pixels."""


@dataclass(frozen=True)
class InputSpec:
    """The input that a model expects.

    Attributes:
        name: the name of the model's input.
        height, width: the size of its images in pixels; of fit ``pad``, that of common ones.
        layout: the order of the dimensions.
        channels: the order of the color channels.
        mean, scale: the tensor holds ``(x - mean) / scale`` of the levels x, 0 to 255; one number
            per channel, in the order of the channels. They are 0 and 1 where the type is uint8.
        type: the type of the elements.
        fit: what is done with images of another size.
        pad: the gray level around images that are padded, 0 to 255.
        multiple: what sides are padded to a multiple of; None for other fits.
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
    multiple: int | None = None

    @property
    def image_bytes(self) -> int:
        """The number of bytes of a fitted image."""
        return self.height * self.width * 3

    def shape(self, batch: int, size: Size | None = None) -> tuple[int, ...]:
        """Return the shape of a batch of this number of images, by default of the spec's size."""
        width, height = size or (self.width, self.height)
        sizes = {"N": batch, "C": 3, "H": height, "W": width}
        return tuple(sizes[dimension] for dimension in self.layout.value)


def fit_image(image: Pixels, spec: InputSpec) -> tuple[Pixels, Placement]:
    """Give an image the size that the model expects.

    Args:
        image: uint8, RGB, shape (H, W, 3).
        spec: the input that the model expects. Other sizes are resized by :data:`RESIZE`.

    Returns:
        The fitted image, uint8, shape (spec.height, spec.width, 3), or of fit ``pad`` the next
        multiples of the image's own height and width, and the placement of the image in it.

    Raises:
        ValueError: the array is no such image, or the fit is ``exact`` and the size differs.
    """
    check_pixels(image)
    placement = _placement(image, spec)
    if spec.fit is InputFit.EXACT:
        return image, placement
    if spec.fit is InputFit.PAD:
        return next(render(image, placement, lambda pixels, size, box: [pixels])), placement
    # Its module imports every codec, which takes longer than most models to load.
    from sysnoise.transforms.resizers import resize_each

    return next(render(image, placement, functools.partial(resize_each, [RESIZE]))), placement


def _placement(image: Pixels, spec: InputSpec) -> Placement:
    source, output = size_of(image), Size(spec.width, spec.height)
    if spec.fit is InputFit.LETTERBOX:
        return place_letterbox(source, output, spec.pad)
    if spec.fit is InputFit.LETTERBOX_TOP_LEFT:
        centered = place_letterbox(source, output, spec.pad)
        return dataclasses.replace(centered, pad=Offset(0, 0))
    if spec.fit is InputFit.STRETCH:
        return place_stretched(source, output)
    if spec.fit is InputFit.PAD:
        padded = Size(*(-(-side // (spec.multiple or 1)) * (spec.multiple or 1) for side in source))
        same = place_stretched(source, source)
        return dataclasses.replace(same, output=padded, pad_value=spec.pad)
    if source != output:
        raise ValueError(
            f"the model takes {spec.width} x {spec.height} pixels, the image has {source.width} x "
            f"{source.height}; fit letterbox or stretch would resize it"
        )
    return place_stretched(source, source)


def input_tensor(images: Sequence[Pixels], spec: InputSpec) -> NDArray[Any]:
    """Put a batch of images into one tensor.

    ``(x - mean) / scale`` is computed in float32; float16 is rounded from that.

    Args:
        images: uint8, RGB, all of one shape: (spec.height, spec.width, 3), except for fit ``pad``.
        spec: the input that the model expects.

    Returns:
        A tensor of type ``spec.type`` and shape ``spec.shape(len(images), size)``, C order.
    """
    order = slice(None, None, -1 if spec.channels is ChannelOrder.BGR else 1)
    normalized = spec.type is not InputType.UINT8
    shape = spec.shape(len(images), size_of(images[0]))
    tensor = np.empty(shape, np.float32 if normalized else np.uint8)
    batch = tensor if "N" in spec.layout.value else tensor[np.newaxis]
    by_channel = batch if "CHW" in spec.layout.value else batch.transpose(0, 3, 1, 2)
    for planes, image in zip(by_channel, images, strict=True):
        levels = image[..., order].transpose(2, 0, 1)
        # One channel at a time, in place, so that NumPy's inner loop runs over cached pixels.
        for plane, level, mean, scale in zip(planes, levels, spec.mean, spec.scale, strict=True):
            plane[...] = level
            if normalized:
                plane -= np.float32(mean)
                plane /= np.float32(scale)
    return tensor.astype(spec.type.value, copy=False)

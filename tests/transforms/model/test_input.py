"""Images in a model's size, and the tensor of a batch, against straight-line NumPy and Pillow."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sysnoise.transforms.model.input import (
    ChannelOrder,
    InputFit,
    InputSpec,
    InputType,
    Layout,
    fit_image,
    input_tensor,
)
from sysnoise.transforms.pixels import Pixels

MEAN = (123.675, 116.28, 103.53)
SCALE = (58.395, 57.12, 57.375)
SPEC = InputSpec("input", 64, 96, Layout.NCHW, ChannelOrder.RGB, MEAN, SCALE)


def spec(**changes: Any) -> InputSpec:
    return dataclasses.replace(SPEC, **changes)


def images(count: int) -> list[Pixels]:
    """Images of SPEC's size that together hold every level of every channel."""
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (64, 96, 3), np.uint8) for _ in range(count)]


@pytest.mark.parametrize(
    ("layout", "channels", "kind"), list(itertools.product(Layout, ChannelOrder, InputType))
)
def test_tensor_is_bit_identical_to_straight_line_numpy(
    layout: Layout, channels: ChannelOrder, kind: InputType
) -> None:
    batch = images(3 if "N" in layout.value else 1)
    stacked = np.stack(batch)
    if channels is ChannelOrder.BGR:
        stacked = stacked[:, :, :, [2, 1, 0]]
    expected: Any = stacked
    if kind is not InputType.UINT8:
        mean, scale = np.array(MEAN, np.float32), np.array(SCALE, np.float32)
        expected = ((stacked.astype(np.float32) - mean) / scale).astype(kind.value)
    if layout in (Layout.NCHW, Layout.CHW):
        expected = np.moveaxis(expected, -1, 1)
    if "N" not in layout.value:
        (expected,) = expected
    made = spec(layout=layout, channels=channels, type=kind)
    tensor = input_tensor(batch, made)
    assert tensor.dtype == np.dtype(kind.value)
    assert tensor.shape == made.shape(len(batch)) == expected.shape
    assert tensor.flags["C_CONTIGUOUS"]
    assert tensor.tobytes() == np.ascontiguousarray(expected).tobytes()


def test_mean_and_scale_are_in_the_order_of_the_tensors_channels() -> None:
    red = np.zeros((1, 1, 3), np.uint8)
    red[..., 0] = 10
    made = spec(height=1, width=1, mean=(1, 2, 3), scale=(2, 4, 8))
    assert input_tensor([red], made).ravel().tolist() == [4.5, -0.5, -0.375]
    made = dataclasses.replace(made, channels=ChannelOrder.BGR)
    assert input_tensor([red], made).ravel().tolist() == [-0.5, -0.5, 0.875]


def test_images_of_the_models_size_stay_as_they_are(photos: dict[str, Pixels]) -> None:
    image = photos["coffee"]
    height, width = image.shape[:2]
    fitted, placement = fit_image(image, spec(height=height, width=width))
    assert fitted is image
    assert (placement.scale_x, placement.scale_y) == (1, 1)
    assert placement.pad == (0, 0)
    assert placement.output == (width, height)


def test_images_of_another_size_are_refused_unless_the_fit_says_otherwise() -> None:
    message = (
        "^the model takes 96 x 64 pixels, the image has 64 x 96; "
        "fit letterbox or stretch would resize it$"
    )
    with pytest.raises(ValueError, match=message):
        fit_image(np.zeros((96, 64, 3), np.uint8), SPEC)
    with pytest.raises(ValueError, match="found uint8 of shape \\(64, 96\\)"):
        fit_image(np.zeros((64, 96), np.uint8), SPEC)


@pytest.mark.parametrize("name", ["coffee", "astronaut"])
def test_stretch_is_pillows_bilinear(name: str, photos: dict[str, Pixels]) -> None:
    fitted, placement = fit_image(photos[name], spec(fit=InputFit.STRETCH))
    resized = Image.fromarray(photos[name]).resize((96, 64), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(fitted, np.asarray(resized))
    height, width = photos[name].shape[:2]
    assert (placement.scale_x, placement.scale_y) == (96 / width, 64 / height)


@pytest.mark.parametrize(
    ("height", "width", "box"),
    [
        # left, upper, right, lower edge of the image in 96 x 64 pixels
        (100, 100, (16, 0, 80, 64)),
        (50, 200, (0, 20, 96, 44)),
        (99, 50, (32, 0, 64, 64)),
        (33, 32, (17, 0, 79, 64)),
        (64, 96, (0, 0, 96, 64)),
    ],
)
def test_letterbox_is_pillows_bilinear_centered_on_gray(
    height: int, width: int, box: tuple[int, int, int, int]
) -> None:
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    left, upper, right, lower = box
    expected = np.full((64, 96, 3), 77, np.uint8)
    size = (right - left, lower - upper)
    resized = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    expected[upper:lower, left:right] = np.asarray(resized)
    fitted, placement = fit_image(image, spec(fit=InputFit.LETTERBOX, pad=77))
    np.testing.assert_array_equal(fitted, expected)
    assert placement.pad == (left, upper)
    assert placement.resized == size
    assert placement.output == (96, 64)


@pytest.mark.parametrize("multiple", [1, 32])
def test_images_that_are_padded_keep_their_pixels(multiple: int, photos: dict[str, Pixels]) -> None:
    image = photos["coffee"][:99, :70]
    made = spec(height=0, width=0, fit=InputFit.PAD, pad=7, multiple=multiple)
    fitted, placement = fit_image(image, made)
    expected = {1: (99, 70), 32: (128, 96)}[multiple]
    assert fitted.shape == (*expected, 3)
    assert np.array_equal(fitted[:99, :70], image)
    assert (fitted[99:] == 7).all()
    assert (fitted[:, 70:] == 7).all()
    assert (placement.scale_x, placement.scale_y, placement.pad) == (1, 1, (0, 0))
    assert input_tensor([fitted], made).shape == (1, 3, *expected)


def test_letterbox_in_the_corner(photos: dict[str, Pixels]) -> None:
    image = photos["coffee"][:, :300]
    corner, placement = fit_image(image, spec(fit=InputFit.LETTERBOX_TOP_LEFT))
    centered, other = fit_image(image, spec(fit=InputFit.LETTERBOX))
    width, height = placement.resized
    left, top = other.pad
    assert max(left, top) > 0
    assert np.array_equal(corner[:height, :width], centered[top:, left:][:height, :width])
    assert (corner[height:] == 114).all()
    assert (corner[:, width:] == 114).all()

"""Stacks against straight-line calls of the libraries that they stand for, where these are light.

``make deployed`` compares them with TensorFlow, PyTorch, OpenVINO, Chromium and others.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from sysnoise import apply, load_grid
from sysnoise.pipelines.cli.photographs import jpeg_bytes
from sysnoise.transforms.pixels import Pixels

GRID = load_grid("imagenet-stacks")
VARIANTS = {stack.name: stack.variant.id for stack in GRID.stacks}
PHOTOGRAPHS = {
    "landscape": ("coffee", 400, 600),
    "cat": ("chelsea", 300, 451),
    "portrait": ("rocket", 427, 300),
    "odd": ("coffee", 227, 385),
}
"""Photograph, height and width; from twice the size of the result on, libvips decodes less."""


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def pillow_shorter_side(data: bytes, resample: Image.Resampling) -> Pixels:
    image = opened(data)
    longer = int(max(image.size) * 256 / min(image.size))
    size = (256, longer) if image.width <= image.height else (longer, 256)
    left, upper = (round((side - 224) / 2) for side in size)
    return np.asarray(image.resize(size, resample).crop((left, upper, left + 224, upper + 224)))


def opencv_shorter_side(data: bytes, interpolation: int) -> Pixels:
    image = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
    height, width = image.shape[:2]
    size = (256, int(256 * height / width)) if height > width else (int(256 * width / height), 256)
    resized = np.asarray(cv2.resize(image, size, interpolation=interpolation))
    upper, left = (int((side - 224) / 2) for side in resized.shape[:2])
    return np.asarray(resized[upper : upper + 224, left : left + 224, ::-1])


def thumbnail(data: bytes) -> Pixels:
    import pyvips

    image = pyvips.Image.thumbnail_buffer(data, 224, height=224, crop="centre")
    return np.asarray(image.numpy())


def smoothed(data: bytes) -> Pixels:
    import skimage.transform

    resize_image: Any = skimage.transform.resize  # It has no types.
    image = np.asarray(opened(data))
    resized = resize_image(image, (224, 224), anti_aliasing=True, preserve_range=True)
    return np.asarray(np.rint(resized), np.uint8)


STRAIGHT: dict[str, Callable[[bytes], Pixels]] = {
    "torchvision": lambda data: pillow_shorter_side(data, Image.Resampling.BILINEAR),
    "timm": lambda data: pillow_shorter_side(data, Image.Resampling.BICUBIC),
    "keras-load-img": lambda data: np.asarray(
        opened(data).resize((224, 224), Image.Resampling.NEAREST)
    ),
    "transformers": lambda data: np.asarray(
        opened(data).resize((224, 224), Image.Resampling.BILINEAR)
    ),
    "opencv": lambda data: opencv_shorter_side(data, cv2.INTER_LINEAR),
    "mlperf": lambda data: opencv_shorter_side(data, cv2.INTER_AREA),
    "pyvips-thumbnail": thumbnail,
    "scikit-image": smoothed,
}


@pytest.mark.parametrize("stack", STRAIGHT)
@pytest.mark.parametrize("photograph", PHOTOGRAPHS)
def test_a_stack_is_what_its_libraries_give(
    stack: str, photograph: str, photos: dict[str, Pixels]
) -> None:
    name, height, width = PHOTOGRAPHS[photograph]
    data = jpeg_bytes(np.ascontiguousarray(photos[name][:height, :width]), "420")
    made = apply(GRID, VARIANTS[stack], data, "photograph")
    assert made.shape == (224, 224, 3)
    np.testing.assert_array_equal(made, STRAIGHT[stack](data))


def test_onnx_runtime_and_opencv_agree_on_linear() -> None:
    """``ort-linear`` and ``opencv-linear-exact`` compute the same, in floats and in fixed point."""
    from sysnoise.transforms.resizers import resize

    source = np.random.default_rng(0).integers(0, 256, (97, 131, 3), np.uint8)
    for size in ((64, 48), (224, 224), (131, 97)):
        floats, fixed = (
            resize("ort-linear", source, size),
            resize("opencv-linear-exact", source, size),
        )
        assert np.abs(floats.astype(int) - fixed).max() <= 1

"""Decoders of the field: functions from the bytes of a JPEG to RGB."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import ajpegli
import cv2
import dlib
import imagecodecs
import keras
import kornia_rs
import libstb
import MNN.cv
import numpy as np
import pyvips
import rasterio
import SimpleITK
import skia
import tensorflow as tf
import torch
import torchvision.io

from benchmarks.deployed.programs import Chromium, Sharp, imagemagick, imagemagick_version
from benchmarks.deployed.real import Real, package_version
from sysnoise.transforms.pixels import Pixels

GDAL_BANDS = 3


def real_decoders(chromium: Chromium, sharp: Sharp) -> list[Real]:
    """Return the decoders of the field."""
    tensorflow = package_version("tensorflow-cpu")
    opencv = package_version("opencv-python-headless")
    return [
        Real("tf.io.decode_jpeg", tensorflow, _tensorflow),
        Real(
            'tf.io.decode_jpeg(dct_method="INTEGER_ACCURATE")',
            tensorflow,
            functools.partial(_tensorflow, dct_method="INTEGER_ACCURATE"),
        ),
        Real(
            "tf.io.decode_jpeg(fancy_upscaling=False)",
            tensorflow,
            functools.partial(_tensorflow, fancy_upscaling=False),
        ),
        Real(
            'tf.io.decode_jpeg(dct_method="INTEGER_ACCURATE", fancy_upscaling=False)',
            tensorflow,
            functools.partial(_tensorflow, dct_method="INTEGER_ACCURATE", fancy_upscaling=False),
        ),
        Real("tf.io.decode_image", tensorflow, _tensorflow_image),
        Real("keras.utils.load_img", package_version("keras"), _keras),
        Real("torchvision.io.decode_jpeg", package_version("torchvision"), _torchvision),
        Real("cv2.imdecode(IMREAD_COLOR)", opencv, decode_opencv),
        Real("dlib.load_rgb_image", package_version("dlib-bin"), _dlib),
        Real("rasterio.open().read (GDAL)", package_version("rasterio"), _rasterio),
        Real("SimpleITK.ReadImage", package_version("SimpleITK"), _simpleitk),
        Real("imagecodecs.jpeg8_decode", package_version("imagecodecs"), _imagecodecs),
        Real("pyvips.Image.new_from_buffer", package_version("pyvips-binary"), _pyvips),
        Real("skia.Image.MakeFromEncoded", package_version("skia-python"), _skia),
        Real("kornia_rs.io.decode_image_jpeg", package_version("kornia_rs"), _kornia),
        Real("libstb.imread", package_version("libstb"), _libstb),
        Real("MNN.cv.imread", package_version("MNN"), decode_mnn),
        Real("ajpegli.imdecode", package_version("ajpegli"), _ajpegli),
        Real("sharp().raw()", f"sharp {sharp.version}", lambda data: sharp.run(data)),
        Real("canvas drawImage", f"Chromium {chromium.version}", lambda data: chromium.draw(data)),
        Real("convert", f"ImageMagick {imagemagick_version()}", imagemagick),
    ]


def _tensorflow(data: bytes, *, dct_method: str = "", fancy_upscaling: bool = True) -> Pixels:
    decoded = tf.io.decode_jpeg(
        data, channels=3, dct_method=dct_method, fancy_upscaling=fancy_upscaling
    )
    return np.asarray(decoded.numpy())


def _tensorflow_image(data: bytes) -> Pixels:
    return np.asarray(tf.io.decode_image(data, channels=3, expand_animations=False).numpy())


def _torchvision(data: bytes) -> Pixels:
    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    decoded = torchvision.io.decode_jpeg(encoded, mode=torchvision.io.ImageReadMode.RGB)
    return np.ascontiguousarray(decoded.permute(1, 2, 0).numpy())


def decode_opencv(data: bytes) -> Pixels:
    """Decode with OpenCV as its users do: BGR, which they reverse."""
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(np.asarray(decoded), cv2.COLOR_BGR2RGB), np.uint8)


def _rasterio(data: bytes) -> Pixels:
    with rasterio.MemoryFile(data) as memory, memory.open() as opened:
        bands = opened.read(range(1, GDAL_BANDS + 1))
    return np.ascontiguousarray(bands.transpose(1, 2, 0))


def decode_by_path(data: bytes, read: Callable[[str], Pixels]) -> Pixels:
    """Read a file with a library that takes paths only."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.jpg"
        path.write_bytes(data)
        return read(str(path))


def _dlib(data: bytes) -> Pixels:
    return decode_by_path(data, dlib.load_rgb_image)


def _keras(data: bytes) -> Pixels:
    return decode_by_path(data, lambda path: np.asarray(keras.utils.load_img(path)))


def _simpleitk(data: bytes) -> Pixels:
    def read(path: str) -> Pixels:
        return np.asarray(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path)))

    return decode_by_path(data, read)


def decode_mnn(data: bytes) -> Pixels:
    """Decode with MNN's ``imread``, which gives BGR."""

    def read(path: str) -> Pixels:
        return np.ascontiguousarray(np.array(MNN.cv.imread(path).read())[..., ::-1])

    return decode_by_path(data, read)


def _imagecodecs(data: bytes) -> Pixels:
    return np.asarray(imagecodecs.jpeg8_decode(data))


def _pyvips(data: bytes) -> Pixels:
    return np.asarray(pyvips.Image.new_from_buffer(data, "").numpy())


def _skia(data: bytes) -> Pixels:
    image = skia.Image.MakeFromEncoded(skia.Data.MakeWithCopy(data))
    rgba = image.toarray(colorType=skia.kRGBA_8888_ColorType)
    return np.ascontiguousarray(rgba[..., :3])


def _kornia(data: bytes) -> Pixels:
    return np.asarray(kornia_rs.io.decode_image_jpeg(data))


def _libstb(data: bytes) -> Pixels:
    return np.asarray(libstb.imread(data, channels=3))


def _ajpegli(data: bytes) -> Pixels:
    return np.asarray(ajpegli.imdecode(data))

"""Resizes of the field: functions from RGB and a size, width and height, to RGB."""

from __future__ import annotations

import functools
from typing import Any

import dlib
import jax
import jax.numpy as jnp
import keras
import kornia
import MNN.cv
import MNN.expr
import ncnn
import numpy as np
import openvino as ov
import pyvips
import skia
import skimage.transform
import tensorflow as tf
import torch
import torchvision.transforms.v2.functional as transforms
from openvino import opset13
from openvino.preprocess import PrePostProcessor, ResizeAlgorithm
from torch.nn import functional

from benchmarks.deployed.programs import (
    Chromium,
    Sharp,
    imagemagick,
    imagemagick_version,
    png_bytes,
)
from benchmarks.deployed.real import NEAREST, Real, package_version, rounded
from sysnoise.transforms.pixels import Pixels

Size = tuple[int, int]


def real_resizes(chromium: Chromium, sharp: Sharp) -> list[Real]:
    """Return the resizes of the field."""
    return [
        *_torch(),
        *_tensorflow(),
        *_keras(),
        *_jax(),
        *_openvino(),
        *_other_packages(),
        *_sharp(sharp),
        *_chromium(chromium),
        Real("convert -resize", f"ImageMagick {imagemagick_version()}", _imagemagick),
    ]


def _torch() -> list[Real]:
    vision, torch_ = package_version("torchvision"), package_version("torch")
    modes = transforms.InterpolationMode
    v2 = [
        Real(
            f"torchvision v2 resize, {kind}, {mode.value}, antialias={antialias}",
            vision,
            functools.partial(_v2, mode=mode, antialias=antialias, dtype=dtype),
            "" if dtype is torch.uint8 else NEAREST,
        )
        for mode in (modes.BILINEAR, modes.BICUBIC)
        for kind, dtype in (("uint8", torch.uint8), ("float32", torch.float32))
        for antialias in (True, False)
    ]
    options: dict[str, dict[str, Any]] = {
        'mode="bilinear", align_corners=True': {"mode": "bilinear", "align_corners": True},
        'mode="bicubic", align_corners=True': {"mode": "bicubic", "align_corners": True},
        'mode="nearest"': {"mode": "nearest"},
        'mode="nearest-exact"': {"mode": "nearest-exact"},
        'mode="area"': {"mode": "area"},
    }
    return [
        *v2,
        *(
            Real(f"F.interpolate({text})", torch_, functools.partial(_interpolate, **each), NEAREST)
            for text, each in options.items()
        ),
    ]


def _planes(pixels: Pixels, dtype: torch.dtype) -> torch.Tensor:
    return torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()).to(dtype)


def _from_planes(planes: torch.Tensor) -> Pixels:
    values = planes[0].permute(1, 2, 0).contiguous().numpy()
    return values if values.dtype == np.uint8 else rounded(values)


def _v2(
    pixels: Pixels,
    size: Size,
    *,
    mode: transforms.InterpolationMode,
    antialias: bool,
    dtype: torch.dtype,
) -> Pixels:
    planes = _planes(pixels, dtype)
    return _from_planes(transforms.resize(planes, list(size[::-1]), mode, antialias=antialias))


def _interpolate(pixels: Pixels, size: Size, **options: Any) -> Pixels:
    planes = _planes(pixels, torch.float32)
    return _from_planes(functional.interpolate(planes, size[::-1], **options))


def _tensorflow() -> list[Real]:
    version = package_version("tensorflow-cpu")
    methods = ("bilinear", "bicubic", "area", "lanczos3", "gaussian", "mitchellcubic", "nearest")
    modern = [
        Real(
            f'tf.image.resize("{method}", antialias={antialias})',
            version,
            functools.partial(_tf_image, method=method, antialias=antialias),
            NEAREST,
        )
        for method in methods
        for antialias in (False, True)
        if not (antialias and method in ("area", "nearest"))  # They have no antialiasing.
    ]
    legacy = [
        Real(
            f'tf.compat.v1.image.resize("{method}", align_corners={align})',
            version,
            functools.partial(_tf_1, method=method, align_corners=align),
            NEAREST,
        )
        for method in ("bilinear", "bicubic", "nearest")
        for align in (False, True)
    ]
    return [
        *modern,
        Real(
            'tf.cast(tf.image.resize("bilinear"), tf.uint8)',
            version,
            _tf_cast,
            "toward zero",
        ),
        *legacy,
        Real("tf.image.crop_and_resize", version, _tf_crop_and_resize, NEAREST),
    ]


def _tf_image(pixels: Pixels, size: Size, *, method: str, antialias: bool) -> Pixels:
    return rounded(tf.image.resize(pixels, size[::-1], method=method, antialias=antialias))


def _tf_cast(pixels: Pixels, size: Size) -> Pixels:
    return np.asarray(tf.cast(tf.image.resize(pixels, size[::-1]), tf.uint8))


def _tf_1(pixels: Pixels, size: Size, *, method: str, align_corners: bool) -> Pixels:
    resized = tf.compat.v1.image.resize(
        pixels, size[::-1], method=method, align_corners=align_corners
    )
    return rounded(resized)


def _tf_crop_and_resize(pixels: Pixels, size: Size) -> Pixels:
    whole = [[0.0, 0.0, 1.0, 1.0]]
    return rounded(tf.image.crop_and_resize(pixels[None], whole, [0], size[::-1])[0])


def _keras() -> list[Real]:
    version = package_version("keras", "tensorflow-cpu")
    return [
        Real(
            f'keras.layers.Resizing("{interpolation}")',
            version,
            functools.partial(_keras_layer, interpolation=interpolation),
            NEAREST,
        )
        for interpolation in ("bilinear", "bicubic")
    ]


def _keras_layer(pixels: Pixels, size: Size, *, interpolation: str) -> Pixels:
    layer = keras.layers.Resizing(size[1], size[0], interpolation=interpolation)
    return rounded(layer(pixels.astype(np.float32)))


def _jax() -> list[Real]:
    version = package_version("jax")
    return [
        Real(
            f'jax.image.resize("{method}", antialias={antialias})',
            version,
            functools.partial(_jax_image, method=method, antialias=antialias),
            NEAREST,
        )
        for method in ("linear", "cubic", "lanczos3")
        for antialias in (True, False)
    ]


def _jax_image(pixels: Pixels, size: Size, *, method: str, antialias: bool) -> Pixels:
    shape = (size[1], size[0], 3)
    values = jnp.asarray(pixels, jnp.float32)
    return rounded(jax.image.resize(values, shape, method=method, antialias=antialias))


def _openvino() -> list[Real]:
    version = package_version("openvino")
    kinds = {"LINEAR": ("u8", "f32"), "CUBIC": ("u8",), "BILINEAR_PILLOW": ("u8",)}
    return [
        Real(
            f"OpenVINO preprocess RESIZE_{algorithm}, {kind}",
            version,
            functools.partial(resize_openvino, algorithm=algorithm, kind=kind),
            NEAREST,
        )
        for algorithm, of_algorithm in kinds.items()
        for kind in of_algorithm
    ]


@functools.cache
def _openvino_model(source: Size, size: Size, algorithm: str, kind: str) -> Any:
    """Return a model that passes its input on, with a resize before it."""
    node = opset13.parameter([1, size[1], size[0], 3], np.float32, name="image")
    model = ov.Model([opset13.result(opset13.relu(node))], [node], "identity")
    steps = PrePostProcessor(model)
    tensor = steps.input().tensor()
    tensor.set_shape([1, source[1], source[0], 3]).set_layout(ov.Layout("NHWC"))
    tensor.set_element_type(ov.Type.u8 if kind == "u8" else ov.Type.f32)
    steps.input().model().set_layout(ov.Layout("NHWC"))
    resize = getattr(ResizeAlgorithm, f"RESIZE_{algorithm}")
    steps.input().preprocess().resize(resize)
    return ov.Core().compile_model(steps.build(), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def resize_openvino(pixels: Pixels, size: Size, *, algorithm: str, kind: str) -> Pixels:
    """Resize in a model that a preprocessing step of OpenVINO was put before."""
    height, width = pixels.shape[:2]
    model = _openvino_model((width, height), size, algorithm, kind)
    dtype = np.uint8 if kind == "u8" else np.float32
    (result,) = model(pixels[None].astype(dtype)).values()
    return rounded(result[0])


def _other_packages() -> list[Real]:
    return [
        Real("ncnn.Mat.from_pixels_resize", package_version("ncnn"), _ncnn, NEAREST),
        Real("MNN.cv.resize", package_version("MNN"), _mnn),
        Real("MNN CVImageProcess, matrix of scales", package_version("MNN"), resize_mnn_matrix),
        Real("dlib.resize_image", package_version("dlib-bin"), _dlib),
        Real("pyvips resize", package_version("pyvips-binary"), _pyvips),
        Real("pyvips thumbnail_image", package_version("pyvips-binary"), _pyvips_thumbnail),
        Real(
            "pyvips thumbnail_image(linear=True)",
            package_version("pyvips-binary"),
            functools.partial(_pyvips_thumbnail, linear=True),
        ),
        Real(
            "skia resize, linear",
            package_version("skia-python"),
            functools.partial(_skia, options=skia.SamplingOptions(skia.FilterMode.kLinear)),
        ),
        Real(
            "skia resize, linear with mipmaps",
            package_version("skia-python"),
            functools.partial(
                _skia,
                options=skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kLinear),
            ),
        ),
        Real(
            "skia resize, CubicResampler.Mitchell",
            package_version("skia-python"),
            functools.partial(_skia, options=skia.SamplingOptions(skia.CubicResampler.Mitchell())),
        ),
        Real("skimage.transform.resize", package_version("scikit-image"), resize_skimage, NEAREST),
        Real("kornia.geometry.resize(antialias=True)", package_version("kornia"), _kornia, NEAREST),
    ]


def _ncnn(pixels: Pixels, size: Size) -> Pixels:
    height, width = pixels.shape[:2]
    kind = ncnn.Mat.PixelType.PIXEL_RGB
    planes = ncnn.Mat.from_pixels_resize(np.ascontiguousarray(pixels), kind, width, height, *size)
    return rounded(np.asarray(planes).transpose(1, 2, 0))


def _mnn(pixels: Pixels, size: Size) -> Pixels:
    source = np.ascontiguousarray(pixels)
    kind = MNN.expr.NHWC, MNN.expr.uint8
    image = MNN.expr.const(source.ctypes.data, list(source.shape), *kind)
    return np.array(MNN.cv.resize(image, size).read())


def resize_mnn_matrix(pixels: Pixels, size: Size) -> Pixels:
    """Resize with a matrix of scales, as MNN's ``demo/exec/pictureRecognition.cpp`` does."""
    height, width = pixels.shape[:2]
    process = MNN.CVImageProcess(
        {
            "filterType": MNN.CV_Filter_BILINEAL,
            "sourceFormat": MNN.CV_ImageFormat_RGB,
            "destFormat": MNN.CV_ImageFormat_RGB,
            "mean": (0, 0, 0, 0),
            "normal": (1, 1, 1, 1),
        }
    )
    matrix = MNN.CVMatrix()
    matrix.setScale(width / size[0], height / size[1])
    process.setMatrix(matrix)
    tensor = MNN.Tensor(
        (1, size[1], size[0], 3),
        MNN.Halide_Type_Float,
        np.zeros((1, size[1], size[0], 3), np.float32),
        MNN.Tensor_DimensionType_Tensorflow,
    )
    source = np.ascontiguousarray(pixels)
    process.convert(source.ctypes.data, width, height, 3 * width, tensor)
    return rounded(np.asarray(tensor.getData()).reshape(size[1], size[0], 3))


def _dlib(pixels: Pixels, size: Size) -> Pixels:
    return np.asarray(dlib.resize_image(pixels, size[1], size[0]))


def _pyvips(pixels: Pixels, size: Size) -> Pixels:
    height, width = pixels.shape[:2]
    image = pyvips.Image.new_from_array(pixels)
    return np.asarray(image.resize(size[0] / width, vscale=size[1] / height).numpy())


def _pyvips_thumbnail(pixels: Pixels, size: Size, *, linear: bool = False) -> Pixels:
    image = pyvips.Image.new_from_array(pixels, interpretation="srgb")
    shrunk = image.thumbnail_image(size[0], height=size[1], size="force", linear=linear)
    return np.asarray(shrunk.numpy())


def _skia(pixels: Pixels, size: Size, *, options: skia.SamplingOptions) -> Pixels:
    opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    image = skia.Image.fromarray(
        np.ascontiguousarray(np.concatenate([pixels, opaque], axis=2)),
        colorType=skia.kRGBA_8888_ColorType,
    )
    resized = image.resize(*size, options).toarray(colorType=skia.kRGBA_8888_ColorType)
    return np.ascontiguousarray(resized[..., :3])


def resize_skimage(pixels: Pixels, size: Size) -> Pixels:
    """Resize with scikit-image, which smooths before it reduces."""
    resize: Any = skimage.transform.resize  # It has no types.
    return rounded(resize(pixels, size[::-1], preserve_range=True))


def _kornia(pixels: Pixels, size: Size) -> Pixels:
    planes = _planes(pixels, torch.float32)
    resized = kornia.geometry.resize(planes, size[::-1], align_corners=False, antialias=True)
    return _from_planes(resized)


def _sharp(sharp: Sharp) -> list[Real]:
    def resize(pixels: Pixels, size: Size, *, kernel: str) -> Pixels:
        height, width = pixels.shape[:2]
        options = {"width": size[0], "height": size[1], "fit": "fill", "kernel": kernel}
        return sharp.run(pixels.tobytes(), options, (width, height))

    return [
        Real(
            f'sharp resize(kernel: "{kernel}")',
            f"sharp {sharp.version}",
            functools.partial(resize, kernel=kernel),
        )
        for kernel in ("lanczos3", "cubic", "mitchell", "linear", "nearest")
    ]


def _chromium(chromium: Chromium) -> list[Real]:
    def draw(pixels: Pixels, size: Size) -> Pixels:
        return chromium.draw(png_bytes(pixels), size)

    def bitmap(pixels: Pixels, size: Size, *, quality: str) -> Pixels:
        return chromium.bitmap(png_bytes(pixels), size, quality)

    version = f"Chromium {chromium.version}"
    return [
        Real("canvas drawImage(image)", version, draw),
        *(
            Real(
                f'createImageBitmap(image, resizeQuality: "{quality}")',
                version,
                functools.partial(bitmap, quality=quality),
            )
            for quality in ("low", "medium", "high")
        ),
    ]


def _imagemagick(pixels: Pixels, size: Size) -> Pixels:
    return imagemagick(png_bytes(pixels), "-resize", f"{size[0]}x{size[1]}!")

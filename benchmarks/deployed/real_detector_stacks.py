"""Stacks of the field for detectors: functions from the bytes of a JPEG to what a detector sees.

The shorter side is 800, the longer one at most 1333. Chains whose project leaves the size to the
model get it with the bytes.
"""

from __future__ import annotations

import functools
import io

import cv2
import dlib
import ncnn
import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import torch
import transformers
from PIL import Image
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from benchmarks.deployed.programs import Chromium, Sharp, imagemagick, imagemagick_version
from benchmarks.deployed.real import NEAREST, Real, package_version, rounded
from benchmarks.deployed.real_decoders import decode_by_path, decode_mnn, decode_opencv
from benchmarks.deployed.real_resizes import resize_mnn_matrix, resize_openvino
from sysnoise.transforms.pixels import Pixels

SHORTER, LONGER = 800, 1333
Size = tuple[int, int]


def real_detector_stacks(chromium: Chromium, sharp: Sharp) -> dict[str, Real]:
    """Return the chains of calls by the names of the stacks of ``coco-stacks``.

    The functions take the bytes of a file, and the width and height that the stack gives it.
    """
    tensorflow = package_version("tensorflow-cpu")
    opencv = package_version("opencv-python-headless")
    return {
        "torchvision": Real(
            "GeneralizedRCNNTransform(800, 1333)",
            package_version("torchvision"),
            _torchvision,
            NEAREST,
        ),
        "mmdetection": Real("cv2.imdecode, resize", opencv, _mmdetection),
        "transformers": Real("DetrImageProcessor", package_version("transformers"), _transformers),
        "tensorflow": Real("decode_jpeg, tf.image.resize", tensorflow, _tensorflow, NEAREST),
        "tensorflow-1": Real("decode_jpeg, compat.v1 resize", tensorflow, _tensorflow_1, NEAREST),
        "openvino": Real(
            "cv2.imdecode, RESIZE_LINEAR", package_version("openvino"), _openvino, NEAREST
        ),
        "onnxruntime": Real(
            "a Resize of 8-bit values (opset 16)", package_version("onnxruntime"), _onnxruntime
        ),
        "ncnn": Real("cv2.imdecode, from_pixels_resize", package_version("ncnn"), _ncnn, NEAREST),
        "mnn": Real("imread, CVImageProcess", package_version("MNN"), _mnn, NEAREST),
        "browser": Real(
            "createImageBitmap(resizeWidth, resizeHeight)",
            f"Chromium {chromium.version}",
            lambda data, size: chromium.bitmap(data, size, "low"),
        ),
        "sharp": Real(
            'resize(fit: "inside")',
            f"sharp {sharp.version}",
            functools.partial(_sharp, sharp=sharp),
        ),
        "imagemagick": Real(
            "-resize to the size", f"ImageMagick {imagemagick_version()}", _imagemagick
        ),
        "dlib": Real("load_rgb_image, resize_image", package_version("dlib-bin"), _dlib),
    }


def _sharp(data: bytes, size: Size, *, sharp: Sharp) -> Pixels:
    width, height = (LONGER, SHORTER) if size[0] > size[1] else (SHORTER, LONGER)
    return sharp.run(data, {"width": width, "height": height, "fit": "inside"})


@functools.cache
def _transform() -> GeneralizedRCNNTransform:
    return GeneralizedRCNNTransform(SHORTER, LONGER, [0.0] * 3, [1.0] * 3, size_divisible=1)


def _torchvision(data: bytes, size: Size) -> Pixels:
    """Source: torchvision, ``models/detection/transform.py``."""
    pixels = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    planes = torch.from_numpy(pixels).permute(2, 0, 1).float()
    images, _ = _transform()([planes])
    return rounded(images.tensors[0].permute(1, 2, 0).numpy())


def _mmdetection(data: bytes, size: Size) -> Pixels:
    """Source: mmcv, ``image/geometric.py``, ``rescale_size``: both sides are rounded."""
    image = decode_opencv(data)
    height, width = image.shape[:2]
    scale = min(LONGER / max(height, width), SHORTER / min(height, width))
    own = int(width * scale + 0.5), int(height * scale + 0.5)
    return np.asarray(cv2.resize(image, own, interpolation=cv2.INTER_LINEAR), np.uint8)


def _transformers(data: bytes, size: Size) -> Pixels:
    """Source: transformers, ``models/detr/image_processing_detr.py``."""
    process = transformers.DetrImageProcessor(do_rescale=False, do_normalize=False, do_pad=False)
    image = Image.open(io.BytesIO(data)).convert("RGB")
    (planes,) = process(image, return_tensors="np")["pixel_values"]
    return rounded(planes.transpose(1, 2, 0))


def _tensorflow(data: bytes, size: Size) -> Pixels:
    return rounded(tf.image.resize(tf.io.decode_jpeg(data, channels=3), size[::-1]))


def _tensorflow_1(data: bytes, size: Size) -> Pixels:
    image = tf.io.decode_jpeg(data, channels=3)
    return rounded(tf.compat.v1.image.resize(image, size[::-1], align_corners=False))


def _openvino(data: bytes, size: Size) -> Pixels:
    return resize_openvino(decode_opencv(data), size, algorithm="LINEAR", kind="u8")


@functools.cache
def _resize_model() -> onnxruntime.InferenceSession:
    model = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["": 16]>
        resize (uint8[1, H, W, 3] image, int64[4] sizes) => (uint8[1, A, B, 3] resized) {
            resized = Resize <mode = "linear", nearest_mode = "floor"> (image, , , sizes)
        }"""
    )
    return onnxruntime.InferenceSession(model.SerializeToString())


def _onnxruntime(data: bytes, size: Size) -> Pixels:
    sizes = np.array([1, size[1], size[0], 3], np.int64)
    image = decode_opencv(data)[None]
    return np.asarray(_resize_model().run(None, {"image": image, "sizes": sizes})[0][0])


def _ncnn(data: bytes, size: Size) -> Pixels:
    image = decode_opencv(data)
    height, width = image.shape[:2]
    kind = ncnn.Mat.PixelType.PIXEL_RGB
    planes = ncnn.Mat.from_pixels_resize(image, kind, width, height, *size)
    return rounded(np.asarray(planes).transpose(1, 2, 0))


def _mnn(data: bytes, size: Size) -> Pixels:
    return resize_mnn_matrix(decode_mnn(data), size)


def _imagemagick(data: bytes, size: Size) -> Pixels:
    return imagemagick(data, "-resize", f"{size[0]}x{size[1]}!")


def _dlib(data: bytes, size: Size) -> Pixels:
    image = decode_by_path(data, dlib.load_rgb_image)
    return np.asarray(dlib.resize_image(image, size[1], size[0]))

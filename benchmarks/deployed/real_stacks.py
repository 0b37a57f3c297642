"""Stacks of the field: functions from the bytes of a JPEG to what a network of 224 x 224 sees.

Each calls its library as the project named in its docstring does. Values that are floats before
normalization are rounded, so that they can be compared.
"""

from __future__ import annotations

import dataclasses
import functools
import io
from fractions import Fraction
from typing import Any

import av
import av.filter
import cv2
import dlib
import keras
import ncnn
import numpy as np
import onnx
import onnxruntime
import pyvips
import skimage.io
import tensorflow as tf
import timm.data
import torch
import torchvision.io
import torchvision.transforms
import torchvision.transforms.v2
import transformers
from PIL import Image

from benchmarks.deployed.programs import (
    Chromium,
    Sharp,
    imagemagick,
    imagemagick_version,
)
from benchmarks.deployed.real import NEAREST, Real, package_version, rounded
from benchmarks.deployed.real_decoders import decode_by_path, decode_mnn, decode_opencv
from benchmarks.deployed.real_resizes import resize_mnn_matrix, resize_openvino, resize_skimage
from sysnoise.transforms.pixels import Pixels

SIDE = 224
RESIZED = 256


def real_stacks(chromium: Chromium, sharp: Sharp) -> dict[str, Real]:
    """Return the chains of calls by the names of the stacks of ``imagenet-stacks``."""
    tensorflow = package_version("tensorflow-cpu")
    opencv = package_version("opencv-python-headless")
    vision = package_version("torchvision")
    found = {
        "torchvision": Real("Resize(256), CenterCrop(224) on a Pillow image", vision, _torchvision),
        "torchvision-tensor": Real(
            "decode_jpeg, v2 Resize(256), CenterCrop(224)", vision, _torchvision_tensor
        ),
        "torchvision-no-antialias": Real(
            "decode_jpeg, functional.resize(256, antialias=False), center_crop(224)",
            vision,
            _torchvision_no_antialias,
        ),
        "torchvision-232": Real(
            "Resize(232), CenterCrop(224) on a Pillow image",
            vision,
            functools.partial(_torchvision, shorter=232),
        ),
        "timm": Real('create_transform(interpolation="bicubic")', package_version("timm"), _timm),
        "transformers": Real("ViTImageProcessor", package_version("transformers"), _transformers),
        "tensorflow": Real(
            "decode_jpeg, padded crop, tf.image.resize", tensorflow, _tensorflow, NEAREST
        ),
        "tensorflow-1": Real(
            "decode_jpeg, compat.v1 resize to 256, crop", tensorflow, _tensorflow_1, NEAREST
        ),
        "tensorflow-slim": Real(
            "decode_jpeg, central_crop(.875), compat.v1 resize", tensorflow, _slim, NEAREST
        ),
        "keras": Real(
            "utils.image_dataset_from_directory", package_version("keras"), _keras, NEAREST
        ),
        "keras-load-img": Real(
            "utils.load_img(target_size=)", package_version("keras"), _keras_load_img
        ),
        "jax": Real("Flax's ImageNet example", tensorflow, _jax, NEAREST),
        "big-vision": Real("decode, resize_small(256), central_crop(224)", tensorflow, _big_vision),
        "opencv": Real("MLPerf's preparation of MobileNet", opencv, _opencv),
        "mlperf": Real("MLPerf's preparation of ResNet-50", opencv, _mlperf),
        "openvino": Real(
            "cv2.imread, RESIZE_LINEAR", package_version("openvino"), _openvino, NEAREST
        ),
        "onnxruntime": Real(
            "ONNX Runtime Extensions' Resize(256), CenterCrop(224)",
            package_version("onnxruntime"),
            _onnxruntime,
        ),
        "ncnn": Real("cv2.imread, from_pixels_resize", package_version("ncnn"), _ncnn, NEAREST),
        "mnn": Real("imread, CVImageProcess", package_version("MNN"), _mnn, NEAREST),
        "tfjs": Real(
            "resize_bilinear(align_corners=True) of Chromium's pixels",
            tensorflow,
            functools.partial(_tfjs, chromium=chromium),
            NEAREST,
        ),
        "browser": Real(
            "createImageBitmap(resizeWidth, resizeHeight)",
            f"Chromium {chromium.version}",
            lambda data: chromium.bitmap(data, (SIDE, SIDE), "low"),
        ),
        "browser-drawimage": Real(
            "drawImage(image)",
            f"Chromium {chromium.version}",
            lambda data: chromium.draw(data, (SIDE, SIDE)),
        ),
        "sharp": Real(
            "resize(224, 224)",
            f"sharp {sharp.version}",
            lambda data: sharp.run(data, {"width": SIDE, "height": SIDE}),
        ),
        "pyvips-thumbnail": Real(
            'thumbnail_buffer(224, height=224, crop="centre")',
            package_version("pyvips-binary"),
            _pyvips_thumbnail,
        ),
        "imagemagick": Real(
            "-resize 224x224^ -gravity center -extent 224x224",
            f"ImageMagick {imagemagick_version()}",
            _imagemagick,
        ),
        "ffmpeg": Real(
            "scale=256:256:force_original_aspect_ratio=increase,crop=224:224",
            package_version("av"),
            _ffmpeg,
        ),
        "dlib": Real("load_rgb_image, resize_image", package_version("dlib-bin"), _dlib),
        "scikit-image": Real(
            "imread, resize(anti_aliasing=True)", package_version("scikit-image"), _skimage, NEAREST
        ),
    }
    return {name: _of_one_size(each) for name, each in found.items()}


def _of_one_size(real: Real) -> Real:
    """Return a chain that is given the size of its result, which is always the same."""
    return dataclasses.replace(real, function=lambda data, size: real.function(data))


def _torchvision(data: bytes, shorter: int = RESIZED) -> Pixels:
    """Source: torchvision, ``transforms/_presets.py``, ``ImageClassification``."""
    steps = torchvision.transforms.Compose(
        [torchvision.transforms.Resize(shorter), torchvision.transforms.CenterCrop(SIDE)]
    )
    return np.asarray(steps(Image.open(io.BytesIO(data)).convert("RGB")))


def _torchvision_tensor(data: bytes) -> Pixels:
    """Source: the same preset, which takes tensors too."""
    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    decoded = torchvision.io.decode_jpeg(encoded, mode=torchvision.io.ImageReadMode.RGB)
    steps = torchvision.transforms.v2.Compose(
        [
            torchvision.transforms.v2.Resize(RESIZED, antialias=True),
            torchvision.transforms.v2.CenterCrop(SIDE),
        ]
    )
    return np.ascontiguousarray(steps(decoded).permute(1, 2, 0).numpy())


def _torchvision_no_antialias(data: bytes) -> Pixels:
    """Source: torchvision before 0.17, whose default for tensors was ``antialias=False``."""
    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    decoded = torchvision.io.decode_jpeg(encoded, mode=torchvision.io.ImageReadMode.RGB)
    functional = torchvision.transforms.functional
    resized = functional.resize(decoded, [RESIZED], antialias=False)
    cropped = functional.center_crop(resized, [SIDE, SIDE])
    return np.ascontiguousarray(cropped.permute(1, 2, 0).numpy())


def _timm(data: bytes) -> Pixels:
    """Source: timm, ``data/transforms_factory.py``, ``transforms_imagenet_eval``."""
    steps = timm.data.create_transform(SIDE, interpolation="bicubic", crop_pct=0.875)
    until_tensor = torchvision.transforms.Compose(steps.transforms[:2])
    return np.asarray(until_tensor(Image.open(io.BytesIO(data)).convert("RGB")))


def _transformers(data: bytes) -> Pixels:
    """Source: transformers, ``models/vit/image_processing_vit.py``, on its defaults."""
    process = transformers.ViTImageProcessor(do_rescale=False, do_normalize=False)
    image = Image.open(io.BytesIO(data)).convert("RGB")
    (planes,) = process(image, return_tensors="np")["pixel_values"]
    return rounded(planes.transpose(1, 2, 0))


def _decode_padded_crop(data: bytes) -> tf.Tensor:
    """Source: tensorflow/tpu, ``models/official/resnet/resnet_preprocessing.py``."""
    shape = tf.io.extract_jpeg_shape(data)
    shorter = tf.cast(tf.minimum(shape[0], shape[1]), tf.float32)
    side = tf.cast(SIDE / (SIDE + 32) * shorter, tf.int32)
    upper, left = ((shape[0] - side) + 1) // 2, ((shape[1] - side) + 1) // 2
    window = tf.stack([upper, left, side, side])
    return tf.io.decode_and_crop_jpeg(data, window, channels=3)


def _tensorflow(data: bytes) -> Pixels:
    return rounded(tf.image.resize(_decode_padded_crop(data), [SIDE, SIDE]))


def _jax(data: bytes) -> Pixels:
    """Source: google/flax, ``examples/imagenet/input_pipeline.py``."""
    return rounded(tf.image.resize(_decode_padded_crop(data), [SIDE, SIDE], method="bicubic"))


def _tensorflow_1(data: bytes) -> Pixels:
    """Source: tensorflow/models, ``official/legacy/.../resnet/imagenet_preprocessing.py``."""
    image = tf.io.decode_jpeg(data, channels=3)
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    size = tf.cast(sides * (RESIZED / tf.reduce_min(sides)), tf.int32)
    resized = tf.compat.v1.image.resize(image, size, align_corners=False)
    return rounded(_central(resized.numpy()))


def _slim(data: bytes) -> Pixels:
    """Source: TF-Slim, ``preprocessing/inception_preprocessing.py``, ``preprocess_for_eval``."""
    cropped = tf.image.central_crop(tf.io.decode_jpeg(data, channels=3), central_fraction=0.875)
    return rounded(tf.compat.v1.image.resize(cropped, [SIDE, SIDE], align_corners=False))


def _central(values: Any) -> Any:
    """Return the central square of an array; half of the remainder is truncated."""
    upper, left = ((side - SIDE) // 2 for side in values.shape[:2])
    return values[upper : upper + SIDE, left : left + SIDE]


def _keras(data: bytes) -> Pixels:
    """Source: Keras, ``utils/image_dataset_utils.py``, ``load_image`` on its defaults."""
    image = tf.io.decode_image(data, channels=3, expand_animations=False)
    return rounded(tf.image.resize(image, (SIDE, SIDE), method="bilinear"))


def _keras_load_img(data: bytes) -> Pixels:
    """Source: Keras, the examples of ``keras.applications``."""
    return decode_by_path(
        data, lambda path: np.asarray(keras.utils.load_img(path, target_size=(SIDE, SIDE)))
    )


def _big_vision(data: bytes) -> Pixels:
    """Source: google-research/big_vision, ``pp/ops_image.py``."""
    image = tf.io.decode_image(data, channels=3, expand_animations=False)
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    size = tf.cast(tf.round(sides * (RESIZED / tf.reduce_min(sides))), tf.int32)
    resized = tf.image.resize(image, size, method="area")
    return np.ascontiguousarray(_central(tf.cast(resized, tf.uint8).numpy()))


def _opencv(data: bytes, interpolation: int = cv2.INTER_LINEAR) -> Pixels:
    """Source: mlcommons/inference, ``classification_and_detection/python/dataset.py``."""
    image = decode_opencv(data)
    height, width = image.shape[:2]
    shorter = int(100.0 * SIDE / 87.5)
    tall = (shorter, int(shorter * height / width))
    size = tall if height > width else (int(shorter * width / height), shorter)
    resized = np.asarray(cv2.resize(image, size, interpolation=interpolation))
    return np.ascontiguousarray(_central(resized))


def _mlperf(data: bytes) -> Pixels:
    return _opencv(data, cv2.INTER_AREA)


def _openvino(data: bytes) -> Pixels:
    """Source: openvino, ``samples/python/hello_classification``."""
    return resize_openvino(decode_opencv(data), (SIDE, SIDE), algorithm="LINEAR", kind="u8")


@functools.cache
def _extensions_model() -> onnxruntime.InferenceSession:
    """Source: onnxruntime-extensions, ``tools/pre_post_processing/steps/vision.py``, opset 16."""
    model = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 16]>
        prepare (uint8[H, W, 3] image) => (uint8[{SIDE}, {SIDE}, 3] cropped) {{
            target = Constant <value = float[2] {{{RESIZED}.0, {RESIZED}.0}}> ()
            shape = Shape (image)
            h, w, c = Split <axis = 0> (shape)
            hw = Concat <axis = 0> (h, w)
            sides = Cast <to = 1> (hw)
            ratios = Div (target, sides)
            ratio = ReduceMax (ratios)
            exact = Mul (sides, ratio)
            nearest = Round (exact)
            size = Cast <to = 7> (nearest)
            one = Constant <value = int64[1] {{1}}> ()
            sizes = Concat <axis = 0> (one, size, c)
            zero = Constant <value = int64[1] {{0}}> ()
            batch = Unsqueeze (image, zero)
            resized_batch = Resize <mode = "linear", nearest_mode = "floor"> (batch, , , sizes)
            resized = Squeeze (resized_batch, zero)
            side = Constant <value = int64[2] {{{SIDE}, {SIDE}}}> ()
            two = Constant <value = int64[1] {{2}}> ()
            difference = Sub (size, side)
            start = Div (difference, two)
            end = Add (start, side)
            axes = Constant <value = int64[2] {{0, 1}}> ()
            cropped = Slice (resized, start, end, axes)
        }}"""
    )
    return onnxruntime.InferenceSession(model.SerializeToString())


def _onnxruntime(data: bytes) -> Pixels:
    return np.asarray(_extensions_model().run(None, {"image": decode_opencv(data)})[0])


def _ncnn(data: bytes) -> Pixels:
    """Source: ncnn, ``examples/squeezenet.cpp``, at 224 x 224."""
    image = decode_opencv(data)
    height, width = image.shape[:2]
    kind = ncnn.Mat.PixelType.PIXEL_RGB
    planes = ncnn.Mat.from_pixels_resize(image, kind, width, height, SIDE, SIDE)
    return rounded(np.asarray(planes).transpose(1, 2, 0))


def _mnn(data: bytes) -> Pixels:
    """Source: MNN, ``demo/exec/pictureRecognition.cpp``."""
    return resize_mnn_matrix(decode_mnn(data), (SIDE, SIDE))


def _tfjs(data: bytes, *, chromium: Chromium) -> Pixels:
    """Source: tfjs-models, ``mobilenet/src/index.ts``; the resize is TensorFlow's here."""
    resized = tf.compat.v1.image.resize(chromium.draw(data), [SIDE, SIDE], align_corners=True)
    return rounded(resized)


def _pyvips_thumbnail(data: bytes) -> Pixels:
    image = pyvips.Image.thumbnail_buffer(data, SIDE, height=SIDE, crop="centre")
    return np.asarray(image.numpy())


def _imagemagick(data: bytes) -> Pixels:
    size = f"{SIDE}x{SIDE}"
    return imagemagick(data, "-resize", f"{size}^", "-gravity", "center", "-extent", size)


def _ffmpeg(data: bytes) -> Pixels:
    """Decode, and scale, crop and convert in a filter graph, as the program does."""
    codec = av.CodecContext.create("mjpeg", "r")
    assert isinstance(codec, av.VideoCodecContext)
    (frame,) = [*codec.decode(av.Packet(data)), *codec.decode(None)]
    graph = av.filter.Graph()
    resized = f"{RESIZED}:{RESIZED}:force_original_aspect_ratio=increase"
    graph.link_nodes(
        graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)
        ),
        graph.add("scale", f"{resized}:flags=bicubic"),
        graph.add("crop", f"{SIDE}:{SIDE}"),
        graph.add("format", "rgb24"),
        graph.add("buffersink"),
    ).configure()
    graph.push(frame)
    made = graph.pull()
    assert isinstance(made, av.VideoFrame)
    return np.asarray(made.to_ndarray(format="rgb24"))


def _dlib(data: bytes) -> Pixels:
    return np.asarray(dlib.resize_image(decode_by_path(data, dlib.load_rgb_image), SIDE, SIDE))


def _skimage(data: bytes) -> Pixels:
    image = skimage.io.imread(io.BytesIO(data))
    return resize_skimage(image, (SIDE, SIDE))

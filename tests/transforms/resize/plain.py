"""The plain calls behind the resizes of extras, written out once for several tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plain = NDArray[Any]
Size = tuple[int, int]


def onnx_runtime(pixels: Plain, size: Size, threads: int = 1, **attributes: Any) -> Plain:
    """A model in ONNX's text form, whose sizes are constants, in a session of its own."""
    import onnx.parser
    import onnxruntime

    height, width = pixels.shape[:2]
    number = {"float32": "float", "uint8": "uint8"}[pixels.dtype.name]
    given = ", ".join(f"{name} = {value!r}".replace("'", '"') for name, value in attributes.items())
    model = onnx.parser.parse_model(
        f"""<ir_version: 8, opset_import: ["" : 18]>
        resize ({number}[1, 3, {height}, {width}] x) => ({number}[1, 3, {size[1]}, {size[0]}] y) {{
            sizes = Constant <value_ints = [1, 3, {size[1]}, {size[0]}]> ()
            y = Resize <{given}> (x, , , sizes)
        }}"""
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    channels = np.stack([pixels[:, :, channel] for channel in range(3)])
    (resized,) = session.run(["y"], {"x": channels[np.newaxis]})
    return np.dstack(list(resized[0]))


def rounded_onnx_runtime(pixels: Plain, size: Size, **attributes: Any) -> Plain:
    resized = onnx_runtime(pixels.astype(np.float32), size, **attributes)
    return np.rint(resized).clip(0, 255).astype(np.uint8)


def vips(pixels: Plain) -> Any:
    import pyvips

    return pyvips.Image.new_from_array(pixels)


def vips_resize(pixels: Plain, size: Size, **options: Any) -> Plain:
    height, width = pixels.shape[:2]
    resized = vips(pixels).resize(size[0] / width, vscale=size[1] / height, **options)
    return np.frombuffer(resized.write_to_memory(), np.uint8).reshape(size[1], size[0], 3)


def vips_thumbnail(pixels: Plain, size: Size) -> Plain:
    """libvips's own thumbnails of a width, or of a height, where one has the size."""
    height, width = pixels.shape[:2]
    endless = 1_000_000
    of_width = vips(pixels).thumbnail_image(size[0], height=endless)
    of_height = vips(pixels).thumbnail_image(endless, height=size[1])
    for thumbnail in (of_width, of_height) if width <= height else (of_height, of_width):
        if (thumbnail.width, thumbnail.height) == size:
            return np.asarray(thumbnail.numpy())
    return vips_resize(pixels, size, kernel="lanczos3")


def vips_linear_light(pixels: Plain, size: Size) -> Plain:
    thumbnail = vips(pixels).thumbnail_image(size[0], height=size[1], size="force", linear=True)
    return np.array(thumbnail.numpy())


def skia(pixels: Plain, size: Size, sampling: Callable[[Any], Any]) -> Plain:
    import skia as library

    opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    image = library.Image.fromarray(
        np.concatenate([pixels, opaque], axis=2), colorType=library.kRGBA_8888_ColorType
    )
    resized = image.resize(*size, sampling(library))
    return np.array(resized.toarray(colorType=library.kRGBA_8888_ColorType)[:, :, :3])


def scikit_image(pixels: Plain, size: Size) -> Plain:
    from skimage import transform, util

    resize: Any = transform.resize
    to_bytes: Any = util.img_as_ubyte
    return np.asarray(to_bytes(resize(pixels, size[::-1], anti_aliasing=True)))


RESIZES: Mapping[str, Callable[[Plain, Size], Plain]] = {
    "ort-linear": lambda pixels, size: rounded_onnx_runtime(pixels, size, mode="linear"),
    "ort-linear-asymmetric": lambda pixels, size: rounded_onnx_runtime(
        pixels, size, mode="linear", coordinate_transformation_mode="asymmetric"
    ),
    "ort-linear-align-corners": lambda pixels, size: rounded_onnx_runtime(
        pixels, size, mode="linear", coordinate_transformation_mode="align_corners"
    ),
    "ort-linear-uint8": lambda pixels, size: onnx_runtime(pixels, size, mode="linear"),
    "ort-linear-antialias": lambda pixels, size: rounded_onnx_runtime(
        pixels, size, mode="linear", antialias=1
    ),
    "ort-cubic-05": lambda pixels, size: rounded_onnx_runtime(
        pixels, size, mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1
    ),
    "ort-cubic-antialias": lambda pixels, size: rounded_onnx_runtime(
        pixels, size, mode="cubic", antialias=1
    ),
    "vips-lanczos3": lambda pixels, size: vips_resize(pixels, size, kernel="lanczos3"),
    "vips-shrink": lambda pixels, size: vips_resize(pixels, size, gap=1),
    "vips-thumbnail": vips_thumbnail,
    "vips-linear-light": vips_linear_light,
    "skia-mipmap": lambda pixels, size: skia(
        pixels,
        size,
        lambda library: library.SamplingOptions(
            library.FilterMode.kLinear, library.MipmapMode.kLinear
        ),
    ),
    "skia-mitchell": lambda pixels, size: skia(
        pixels,
        size,
        lambda library: library.SamplingOptions(library.CubicResampler.Mitchell()),
    ),
    "skia-catmull-rom": lambda pixels, size: skia(
        pixels,
        size,
        lambda library: library.SamplingOptions(library.CubicResampler.CatmullRom()),
    ),
    "skimage-gaussian": scikit_image,
}

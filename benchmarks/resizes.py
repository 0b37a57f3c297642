"""Resizes of extras against their libraries' own calls: ``python -m benchmarks.resizes``.

The own call takes an array, converts it to what the library works on, resizes it and converts the
result back, as a user would write it in a loop, with a session or pipeline that is kept. Both
are timed on the same arrays in turn, in one thread, so that a busy machine slows both.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from benchmarks.in_turn import in_turn
from benchmarks.report import resize_table
from sysnoise.pipelines.cli.photographs import photographs
from sysnoise.pipelines.workers.job import prepare_libraries
from sysnoise.transforms.methods import is_available
from sysnoise.transforms.pixels import Pixels
from sysnoise.transforms.resizers import RESIZES, resize

Call = Callable[[Pixels, tuple[int, int]], Pixels]
Row = dict[str, Any]

PHOTOGRAPHS = ("coffee", "rocket")
SOURCE = (375, 500)
SIZES = ((341, 256), (1067, 800))
"""Width and height of the results: ImageNet's usual size, and COCO's."""


def onnx_runtime(element: str = "FLOAT", **attributes: Any) -> Call:
    """Return ``Resize`` of opset 18 in a session with one thread."""
    import onnxruntime
    from onnx import TensorProto, helper

    number = getattr(TensorProto, element)
    image = helper.make_tensor_value_info("x", number, [1, 3, None, None])
    sizes = helper.make_tensor_value_info("sizes", TensorProto.INT64, [4])
    resized = helper.make_tensor_value_info("y", number, [1, 3, None, None])
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], **attributes)
    graph = helper.make_graph([node], "resize", [image, sizes], [resized])
    opsets = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def call(pixels: Pixels, size: tuple[int, int]) -> Pixels:
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))[np.newaxis]
        if element == "FLOAT":
            planes = planes.astype(np.float32)
        shape = np.array([1, 3, size[1], size[0]], np.int64)
        (found,) = session.run(None, {"x": planes, "sizes": shape})
        if element == "FLOAT":
            found = np.rint(found).clip(0, 255).astype(np.uint8)
        return np.ascontiguousarray(found[0].transpose(1, 2, 0))

    return call


def vips(**options: Any) -> Call:
    """Return libvips's ``resize`` with one thread."""
    import pyvips

    pyvips.concurrency_set(1)

    def call(pixels: Pixels, size: tuple[int, int]) -> Pixels:
        height, width = pixels.shape[:2]
        image = pyvips.Image.new_from_array(pixels)
        found = image.resize(size[0] / width, vscale=size[1] / height, kernel="lanczos3", **options)
        return np.array(found.numpy())

    return call


def vips_thumbnail() -> Call:
    """Return libvips's ``thumbnail_image`` of a height, with one thread."""
    import pyvips

    pyvips.concurrency_set(1)

    def call(pixels: Pixels, size: tuple[int, int]) -> Pixels:
        image = pyvips.Image.new_from_array(pixels)
        return np.array(image.thumbnail_image(1_000_000, height=size[1]).numpy())

    return call


def vips_linear_light() -> Call:
    """Return libvips's ``thumbnail_image`` with one thread."""
    import pyvips

    pyvips.concurrency_set(1)

    def call(pixels: Pixels, size: tuple[int, int]) -> Pixels:
        image = pyvips.Image.new_from_array(pixels)
        found = image.thumbnail_image(size[0], height=size[1], size="force", linear=True)
        return np.array(found.numpy())

    return call


def skia(sampling: Callable[[Any], Any]) -> Call:
    """Return Skia's ``Image.resize``."""
    import skia as library

    options = sampling(library)

    def call(pixels: Pixels, size: tuple[int, int]) -> Pixels:
        rgba = np.empty((*pixels.shape[:2], 4), np.uint8)
        rgba[:, :, :3], rgba[:, :, 3] = pixels, 255
        image = library.Image.fromarray(rgba, colorType=library.kRGBA_8888_ColorType)
        return np.ascontiguousarray(np.asarray(image.resize(*size, options))[:, :, :3])

    return call


def scikit_image() -> Call:
    """Return ``skimage.transform.resize``."""
    from skimage import transform, util

    resize_image: Any = transform.resize
    to_bytes: Any = util.img_as_ubyte
    return lambda pixels, size: to_bytes(resize_image(pixels, size[::-1], anti_aliasing=True))


OWN_CALLS: Mapping[str, Callable[[], Call]] = {
    "ort-linear": lambda: onnx_runtime(mode="linear"),
    "ort-linear-asymmetric": lambda: onnx_runtime(
        mode="linear", coordinate_transformation_mode="asymmetric"
    ),
    "ort-linear-align-corners": lambda: onnx_runtime(
        mode="linear", coordinate_transformation_mode="align_corners"
    ),
    "ort-linear-uint8": lambda: onnx_runtime("UINT8", mode="linear"),
    "ort-linear-antialias": lambda: onnx_runtime(mode="linear", antialias=1),
    "ort-cubic-05": lambda: onnx_runtime(mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1),
    "ort-cubic-antialias": lambda: onnx_runtime(mode="cubic", antialias=1),
    "vips-lanczos3": vips,
    "vips-shrink": lambda: vips(gap=1.0),
    "vips-thumbnail": vips_thumbnail,
    "vips-linear-light": vips_linear_light,
    "skia-mipmap": lambda: skia(
        lambda library: library.SamplingOptions(
            library.FilterMode.kLinear, library.MipmapMode.kLinear
        )
    ),
    "skia-mitchell": lambda: skia(
        lambda library: library.SamplingOptions(library.CubicResampler.Mitchell())
    ),
    "skia-catmull-rom": lambda: skia(
        lambda library: library.SamplingOptions(library.CubicResampler.CatmullRom())
    ),
    "skimage-gaussian": scikit_image,
}


def against_own_calls() -> Iterator[Row]:
    """Yield name, size, milliseconds of both, and their ratio, for every installed method."""
    prepare_libraries()
    height, width = SOURCE
    arrays = [np.ascontiguousarray(photographs()[name][:height, :width]) for name in PHOTOGRAPHS]
    for name, make in OWN_CALLS.items():
        if not is_available(RESIZES[name]):
            continue
        own = make()
        for size in SIZES:
            if not np.array_equal(own(arrays[0], size), resize(name, arrays[0], size)):
                raise RuntimeError(f"{name} and its library's own call differ at {size}")
            method = functools.partial(resize, name)
            compared = in_turn(method, own, [(pixels, size) for pixels in arrays])
            yield {"resize": name, "size": size, **compared}


def main() -> None:
    """Measure, and print the table."""
    print(resize_table(list(against_own_calls())))


if __name__ == "__main__":
    main()

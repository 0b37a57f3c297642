"""``apply`` against the library calls that it stands for: ``python -m benchmarks.applying``.

The own calls decode a file, resize it and cut out the middle, as a user would write them straight,
without a check of anything. Both are timed on the same files in turn, in one thread.
"""

from __future__ import annotations

import functools
import io
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import av
import cv2
import numpy as np
import simplejpeg
from av.video.reformatter import Interpolation
from PIL import Image

from benchmarks.in_turn import in_turn
from benchmarks.report import apply_table
from sysnoise import Grid, Variant, apply
from sysnoise.pipelines.cli.photographs import jpeg_bytes, photographs
from sysnoise.transforms.geometry import PRESETS
from sysnoise.transforms.pixels import Pixels

SIZES = ((500, 375), (640, 480), (2048, 1536))
"""Width and height of the photographs: those of ImageNet and of COCO, and larger ones."""

TIMES = {(500, 375): 8, (640, 480): 8, (2048, 1536): 3}
"""How often each photograph is a task in a round: the short times vary more."""

SHORTER, CROP = 256, 224


def targets(width: int, height: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the size of the resize, as torchvision has it, and the corner of the central crop."""
    scaled = int(SHORTER * max(width, height) / min(width, height))
    size = (SHORTER, scaled) if width <= height else (scaled, SHORTER)
    return size, (round((size[0] - CROP) / 2), round((size[1] - CROP) / 2))


def cut(image: Image.Image, resample: Image.Resampling) -> Pixels:
    """Resize with Pillow and cut out the middle."""
    size, (x, y) = targets(*image.size)
    return np.asarray(image.resize(size, resample).crop((x, y, x + CROP, y + CROP)))


def cut_array(pixels: Pixels, interpolation: int) -> Pixels:
    """Resize with OpenCV and cut out the middle."""
    height, width = pixels.shape[:2]
    size, (x, y) = targets(width, height)
    resized = cv2.resize(pixels, size, interpolation=interpolation)
    return np.ascontiguousarray(resized[y : y + CROP, x : x + CROP], np.uint8)


def pillow_pillow(data: bytes) -> Pixels:
    """Pillow alone."""
    return cut(Image.open(io.BytesIO(data)).convert("RGB"), Image.Resampling.BILINEAR)


def opencv_pillow(data: bytes) -> Pixels:
    """OpenCV, then Pillow."""
    return cut(Image.fromarray(opencv_pixels(data)), Image.Resampling.BILINEAR)


def ffmpeg_pillow(data: bytes) -> Pixels:
    """FFmpeg, then Pillow."""
    return cut(Image.fromarray(ffmpeg_frame(data).to_ndarray()), Image.Resampling.BICUBIC)


def pillow_opencv(data: bytes) -> Pixels:
    """Pillow, then OpenCV."""
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    return cut_array(pixels, cv2.INTER_LINEAR)


def simplejpeg_opencv(data: bytes) -> Pixels:
    """TurboJPEG, then OpenCV."""
    return cut_array(simplejpeg.decode_jpeg(data), cv2.INTER_AREA)


def opencv_opencv(data: bytes) -> Pixels:
    """OpenCV alone."""
    return cut_array(opencv_pixels(data), cv2.INTER_LINEAR)


def opencv_pixels(data: bytes) -> Pixels:
    """Decode with OpenCV."""
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)


def ffmpeg_frame(data: bytes) -> av.VideoFrame:
    """Decode with FFmpeg, in one thread."""
    context = av.CodecContext.create("mjpeg", "r")
    context.thread_count = 1
    (frame,) = [*context.decode(av.Packet(data)), *context.decode(None)]
    return frame.reformat(format="rgb24", interpolation=Interpolation.BICUBIC, threads=1)


PAIRS: dict[tuple[str, str], Callable[[bytes], Pixels]] = {
    ("pillow", "pillow-bilinear"): pillow_pillow,
    ("opencv", "pillow-bilinear"): opencv_pillow,
    ("ffmpeg", "pillow-bicubic"): ffmpeg_pillow,
    ("pillow", "opencv-linear"): pillow_opencv,
    ("simplejpeg", "opencv-area"): simplejpeg_opencv,
    ("opencv", "opencv-linear"): opencv_opencv,
}
"""The straight calls by decoder and resize."""


def against_own_calls() -> Iterator[dict[str, Any]]:
    """Yield decoder, resize, size, milliseconds of both and their ratio, for every pair and size.

    Each has a process of its own, as in a data loader. What a process has allocated before decides
    whether the C library keeps the memory of large images or returns it to the system each time.

    Raises:
        RuntimeError: ``apply`` and the own calls give other pixels.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        for size in SIZES:
            for pair in PAIRS:
                yield pool.submit(_compared, pair, size).result()


def _compared(pair: tuple[str, str], size: tuple[int, int]) -> dict[str, Any]:
    cv2.setNumThreads(1)
    decoder, resize = pair
    grid = Grid(
        "pair",
        (decoder,),
        (resize,),
        ("rgb",),
        PRESETS["shorter256-crop224"],
        baseline=Variant(decoder, resize, "rgb"),
    )
    own, call = PAIRS[pair], functools.partial(_applied, grid, grid.baseline.id)
    files = [_photograph(pixels, size) for pixels in photographs().values()]
    for data in files:
        if not np.array_equal(own(data), call(data)):
            raise RuntimeError(f"{decoder} and {resize}: apply and the own calls differ")
    compared = in_turn(call, own, [(data,) for data in files] * TIMES[size])
    return {"decoder": decoder, "resize": resize, "size": size, **compared}


def _applied(grid: Grid, variant: str, data: bytes) -> Pixels:
    return apply(grid, variant, data)


def _photograph(pixels: Pixels, size: tuple[int, int]) -> bytes:
    """Return a photograph of a size as JPEG."""
    image = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
    return jpeg_bytes(np.asarray(image), "420")


def main() -> None:
    """Measure, and print the table."""
    print(apply_table(list(against_own_calls())))


if __name__ == "__main__":
    main()

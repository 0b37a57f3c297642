"""A generator as the paper's published one works: one variant at a time, one image at a time.

Every image is decoded again for every variant, with FFmpeg as a subprocess, resized to 256 x 256,
cropped to 224 x 224 and saved as uncompressed ``.npy``. That is what the paper's generator
(``imagenet_s_gen.py``) is known to do; this is not its code, which does not run on current Pillow.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[Any]

SIZE, CROP = 256, 224


def decode_pillow(file: Path) -> Pixels:
    """Decode with Pillow."""
    with Image.open(file) as image:
        return np.array(image.convert("RGB"))


def decode_opencv(file: Path) -> Pixels:
    """Decode with OpenCV."""
    pixels = cv2.imread(str(file))
    if pixels is None:
        raise ValueError(f"OpenCV cannot read {file}")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def decode_ffmpeg(file: Path) -> Pixels:
    """Decode with the FFmpeg program; the size comes from the header."""
    program = imageio_ffmpeg.get_ffmpeg_exe()
    command = [program, "-v", "error", "-i", str(file), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    with Image.open(file) as image:
        width, height = image.size
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)


DECODERS: dict[str, Callable[[Path], Pixels]] = {
    "pillow": decode_pillow,
    "opencv": decode_opencv,
    "ffmpeg": decode_ffmpeg,
}

PILLOW_FILTERS = tuple(Image.Resampling)
OPENCV_FLAGS = (
    cv2.INTER_NEAREST,
    cv2.INTER_LINEAR,
    cv2.INTER_AREA,
    cv2.INTER_CUBIC,
    cv2.INTER_LANCZOS4,
)


def resize_pillow(pixels: Pixels, resample: Image.Resampling) -> Pixels:
    """Resize with Pillow."""
    return np.array(Image.fromarray(pixels).resize((SIZE, SIZE), resample))


def resize_opencv(pixels: Pixels, interpolation: int) -> Pixels:
    """Resize with OpenCV."""
    return cv2.resize(pixels, (SIZE, SIZE), interpolation=interpolation)


def variants_per_second(decoder: str, files: list[Path]) -> float:
    """Generate all eleven resizes of one decoder, each in a pass of its own over the files."""
    cv2.setNumThreads(1)
    calls: list[tuple[Callable[[Pixels, Any], Pixels], Any]] = [
        *((resize_pillow, resample) for resample in PILLOW_FILTERS),
        *((resize_opencv, flag) for flag in OPENCV_FLAGS),
    ]
    margin = (SIZE - CROP) // 2
    start = time.perf_counter()
    for resize, method in calls:
        with tempfile.TemporaryDirectory() as output:
            for file in files:
                resized = resize(DECODERS[decoder](file), method)
                cropped = resized[margin : margin + CROP, margin : margin + CROP]
                np.save(Path(output, file.stem), cropped)
    return len(calls) * len(files) / (time.perf_counter() - start)


def main() -> None:
    """Print the variants per second of each decoder as JSON: FOLDER COUNT."""
    folder, count = sys.argv[1:]
    files = sorted(Path(folder).iterdir())
    files = files[:: max(1, len(files) // int(count))][: int(count)]
    print(json.dumps({name: variants_per_second(name, files) for name in DECODERS}))


if __name__ == "__main__":
    main()

"""The floor: the library calls that no generator can avoid, one after the other.

Each distinct decoded, colored, resized and encoded array counts once, by the time of the public
functions of ``transforms``. Finding the distinct arrays, hashing and writing do not count.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np

from sysnoise import load_grid
from sysnoise.pipelines.workers.job import prepare_libraries
from sysnoise.transforms.codecs.decoders import decode
from sysnoise.transforms.codecs.encoded import EncodedImage
from sysnoise.transforms.codecs.encoders import encode
from sysnoise.transforms.colors import convert
from sysnoise.transforms.grid import Grid
from sysnoise.transforms.pixels import Pixels, size_of
from sysnoise.transforms.resizers import resize

Seconds = defaultdict[str, float]

OPENCV_PNG = "opencv-png"
"""This stands for PNG with OpenCV's default flags where formats are named."""


def floor_seconds(grid: Grid, files: Iterable[Path], encoders: Iterable[str]) -> Seconds:
    """Return the seconds of each step over all files.

    Args:
        grid: with colors before the resize, and a geometry that neither cuts first nor pads.
        files: images.
        encoders: formats, or :data:`OPENCV_PNG`; all are timed on the same arrays.

    Returns:
        Seconds by ``decode``, ``color``, ``resize`` and the name of each encoder.
    """
    seconds: Seconds = defaultdict(float)
    for file in files:
        for pixels in _render(grid, file.read_bytes(), file.stem, seconds):
            for name in encoders:
                start = time.perf_counter()
                _encode(name, pixels)
                seconds[name] += time.perf_counter() - start
    return seconds


def _render(grid: Grid, data: bytes, key: str, seconds: Seconds) -> list[Pixels]:
    decoders = {name: {v for v in grid.variants if v.decoder == name} for name in grid.decoders}
    results = []
    encoded = EncodedImage(data)
    for image, names in _distinct(
        seconds, "decode", {name: functools.partial(decode, name, encoded) for name in decoders}
    ):
        variants = set[tuple[str, str]]().union(
            *({(v.color, v.resize) for v in decoders[name]} for name in names)
        )
        placement = grid.place(size_of(image), key)
        size = placement.resized
        left, upper, right, lower = placement.box
        colors = {c: functools.partial(convert, c, image) for c in sorted({c for c, _ in variants})}
        for colored, same in _distinct(seconds, "color", colors):
            resizes = {
                name: functools.partial(_resize, name, colored, size, (left, upper, right, lower))
                for name in sorted({resize_name for c, resize_name in variants if c in same})
            }
            results += [pixels for pixels, _ in _distinct(seconds, "resize", resizes)]
    return results


def _resize(
    name: str, pixels: Pixels, size: tuple[int, int], box: tuple[int, int, int, int]
) -> Pixels:
    left, upper, right, lower = box
    return np.ascontiguousarray(resize(name, pixels, size)[upper:lower, left:right])


def _encode(name: str, pixels: Pixels) -> bytes:
    if name != OPENCV_PNG:
        return encode(name, pixels)
    return bytes(cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1])


def _distinct(
    seconds: Seconds, step: str, calls: Mapping[str, Callable[[], Pixels]]
) -> list[tuple[Pixels, list[str]]]:
    """Make all calls; return distinct results with the names that give them, each timed once."""
    found: list[tuple[Pixels, list[str]]] = []
    for name, call in calls.items():
        start = time.perf_counter()
        pixels = call()
        spent = time.perf_counter() - start
        for earlier, names in found:
            if np.array_equal(earlier, pixels):
                names.append(name)
                break
        else:
            found.append((pixels, [name]))
            seconds[step] += spent
    return found


def main() -> None:
    """Print the floor of every ``parts``-th file as JSON: FOLDER GRID PART PARTS ENCODER..."""
    folder, grid, part, parts, *encoders = sys.argv[1:]
    prepare_libraries()
    files = sorted(Path(folder).iterdir())[int(part) :: int(parts)]
    print(json.dumps(floor_seconds(load_grid(grid), files, encoders)))


if __name__ == "__main__":
    main()

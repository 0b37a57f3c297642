"""Several builds of libjpeg, libjpeg-turbo and mozjpeg, from the extra ``jpeglib``."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from sysnoise.transforms.codecs.jpeg import has_end_of_image
from sysnoise.transforms.codecs.sniff import Entropy, ImageKind
from sysnoise.transforms.pixels import Pixels

LIBJPEG_BUILDS: Mapping[str, str] = {
    "6b": "6b",
    "7": "7",
    "8d": "8d",
    "9e": "9e",
    "mozjpeg4": "mozjpeg403",
    "turbo2": "turbo210",
}
"""The names of the builds in jpeglib, by their names in methods."""

_WITHOUT_ARITHMETIC = {"6b"}
_DCT_PROCESSES = {0, 1, 2, 9, 10}
_ONE_AT_A_TIME = threading.Lock()  # The selected build is a global of jpeglib.
_OPEN_FILES = Path("/proc/self/fd")
"""Where Linux lets a process open its own files anew, from their first byte on."""


def decode_jpeglib(data: bytes, *, build: str) -> Pixels:
    """Decode with one build of libjpeg: accurate DCT, fancy upsampling; to RGB.

    jpeglib reads from a path, so the bytes go through a temporary file. On Linux it has no name,
    and is in memory where there is ``/dev/shm``. ``jpeglib.read_spatial`` is not used: it does not
    delete a file when decoding fails, and writes past its buffers where there are more than 50
    markers.

    libjpeg would fill up a file without an end with gray, so such a file is refused first. Its
    warnings go to the standard error of the process.

    Args:
        data: the bytes of a JPEG file.
        build: a value of :data:`LIBJPEG_BUILDS`.

    Raises:
        ValueError: the data is not a complete JPEG, or the build cannot read it.
    """
    import jpeglib  # It comes with an extra.

    if not has_end_of_image(data):
        raise ValueError("not a JPEG, or one without its end-of-image marker")
    with _ONE_AT_A_TIME, jpeglib.version(build), _written(data) as path:
        try:
            return _read(path)
        except OSError as error:  # Its message names the temporary file.
            raise ValueError(f"jpeglib's build {build} cannot read the file") from error


@contextlib.contextmanager
def _written(data: bytes) -> Iterator[str]:
    """Give the path of a temporary file that holds these bytes."""
    if _OPEN_FILES.is_dir():
        with tempfile.TemporaryFile(dir=_memory_folder()) as file:
            file.write(data)
            file.flush()
            yield f"{_OPEN_FILES}/{file.fileno()}"
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "image.jpg")
        with open(path, "xb") as named:
            named.write(data)
        yield path


def _read(path: str) -> Pixels:
    """Decode a file with the selected build; the first call finds errors in the header."""
    from jpeglib import Colorspace, DCTMethod
    from jpeglib._bind import CJpegLib

    size, scans = (ctypes.c_int * 2)(), (ctypes.c_int * 1)()
    unused = (
        "block_dims",
        "num_components",
        "samp_factor",
        "jpeg_color_space",
        "marker_lengths",
        "marker_types",
        "huffman_bits",
        "huffman_values",
        "flags",
    )
    CJpegLib.read_jpeg_info(path, image_dims=size, num_scans=scans, **dict.fromkeys(unused))
    height, width = size
    pixels = np.empty((height, width, 3), np.uint8)
    CJpegLib.read_jpeg_spatial(
        path,
        np.ctypeslib.as_ctypes(pixels),
        colormap=None,
        in_colormap=None,
        out_color_space=int(Colorspace.JCS_RGB),
        dither_mode=None,
        dct_method=int(DCTMethod.JDCT_ISLOW),
        flags=None,
    )
    return pixels


@functools.cache
def _memory_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def jpeglib_kind(kind: ImageKind, *, build: str) -> bool:
    """Accept gray and three-component DCT JPEGs of 8 bits, arithmetic-coded from libjpeg 7 on."""
    frame = kind.frame
    if frame is None or frame.precision != 8 or frame.process not in _DCT_PROCESSES:
        return False
    if frame.entropy is Entropy.ARITHMETIC and build in _WITHOUT_ARITHMETIC:
        return False
    return len(frame.sampling) in (1, 3)

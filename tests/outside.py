"""A distribution that brings a decoder, a resize and a library by entry points."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

MODULE = '''
"""Gray decoding by Pillow, a resize that repeats pixels, and the library that does it."""

import io

import numpy as np
from PIL import Image

from sysnoise.transforms.codecs.decoders import Decoder
from sysnoise.transforms.libraries import Library
from sysnoise.transforms.methods import Method


def decode_gray(data: bytes) -> np.ndarray:
    """Decode with Pillow to gray, in all three channels."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("L").convert("RGB"))


def resize_floor(task) -> np.ndarray:
    """Take the pixel at the rounded down place."""
    height, width = task.pixels.shape[:2]
    left, upper, right, lower = task.box
    rows = np.arange(task.size[1]) * height // task.size[1]
    columns = np.arange(task.size[0]) * width // task.size[0]
    return np.ascontiguousarray(task.pixels[rows][:, columns][upper:lower, left:right])


library = Library("repeating", "repeating", "sysnoise-gray", lambda: {"version": "1.2"})
decoder = Decoder("pillow-gray", "pillow", decode_gray, {"mode": "L"})
resize = Method("repeating-floor", "repeating", resize_floor)
'''
ENTRY_POINTS = {
    "sysnoise.libraries": {"repeating": "repeating:library"},
    "sysnoise.decoders": {"pillow-gray": "repeating:decoder"},
    "sysnoise.resizes": {"repeating-floor": "repeating:resize"},
}

EntryPoints = Mapping[str, Mapping[str, str]]


def write_distribution(
    folder: Path,
    name: str = "sysnoise-gray",
    entry_points: EntryPoints = ENTRY_POINTS,
    module: str = MODULE,
    version: str = "1.2",
    module_name: str = "repeating",
) -> None:
    """Write what pip would install into a folder: a module and the metadata."""
    (folder / f"{module_name}.py").write_text(module, "utf-8")
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (metadata / "METADATA").write_text(text, "utf-8")
    lines = [
        line
        for group, entries in entry_points.items()
        for line in (f"[{group}]", *(f"{each} = {place}" for each, place in entries.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n", "utf-8")


def environment(folder: Path) -> dict[str, str]:
    """The environment in which Python finds the folder's distributions."""
    return {**os.environ, "PYTHONPATH": str(folder)}

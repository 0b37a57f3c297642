"""Programs that are not in Python: sharp in Node.js, Chromium, ImageMagick."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from sysnoise.transforms.pixels import Pixels

CHROMIUM_OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")

DRAW = """async ([source, size, quality]) => {
    const image = new Image();
    image.src = source;
    await image.decode();
    const [width, height] = size ?? [image.naturalWidth, image.naturalHeight];
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const bitmap = { resizeWidth: width, resizeHeight: height, resizeQuality: quality };
    const drawn = quality ? await createImageBitmap(image, bitmap) : image;
    context.drawImage(drawn, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    let text = "";
    for (let start = 0; start < data.length; start += 8192)
        text += String.fromCharCode(...data.subarray(start, start + 8192));
    return [width, height, btoa(text)];
}"""
"""Draws an image on a canvas, and returns width, height and RGBA in base 64."""


@dataclass(frozen=True)
class Chromium:
    """A page of a headless Chromium.

    Attributes:
        page: the page.
        version: the browser's version.
    """

    page: Page
    version: str

    def draw(self, data: bytes, size: tuple[int, int] | None = None) -> Pixels:
        """Draw an image file on a canvas; the smoothing quality has no effect on an image.

        Args:
            data: the bytes of a JPEG or PNG.
            size: width and height of the canvas; those of the image where there are none.
        """
        return self._pixels(data, size, None)

    def bitmap(self, data: bytes, size: tuple[int, int], quality: str) -> Pixels:
        """Resize an image file by ``createImageBitmap``.

        Args:
            data: the bytes of a JPEG or PNG.
            size: width and height of the result.
            quality: its ``resizeQuality``.
        """
        return self._pixels(data, size, quality)

    def _pixels(self, data: bytes, size: tuple[int, int] | None, quality: str | None) -> Pixels:
        kind = "jpeg" if data.startswith(b"\xff\xd8") else "png"
        source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
        width, height, encoded = self.page.evaluate(DRAW, [source, size, quality])
        rgba = np.frombuffer(base64.b64decode(encoded), np.uint8).reshape(height, width, 4)
        return np.ascontiguousarray(rgba[..., :3])


@contextmanager
def chromium() -> Iterator[Chromium]:
    """Start the system's Chromium."""
    path = shutil.which("chromium")
    assert path, "Chromium is needed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield Chromium(browser.new_page(), browser.version)
        browser.close()


@dataclass(frozen=True)
class Sharp:
    """A process of Node.js that runs sharp.

    Attributes:
        requests: where requests are written.
        answers: where answers are read.
        version: the versions of sharp and libvips.
    """

    requests: IO[bytes]
    answers: IO[bytes]
    version: str

    def run(
        self,
        data: bytes,
        resize: Mapping[str, Any] | None = None,
        raw: tuple[int, int] | None = None,
    ) -> Pixels:
        """Decode an image file, or take raw RGB, and resize it.

        Args:
            data: the bytes of the file, or the values.
            resize: the options of ``sharp.resize``; nothing is resized where there are none.
            raw: width and height of raw RGB; None for a file.
        """
        size = {"width": raw[0], "height": raw[1], "channels": 3} if raw else None
        _send(self.requests, {"bytes": len(data), "resize": resize, "raw": size}, data)
        answer = json.loads(self.answers.readline())
        shape = answer["height"], answer["width"], 3
        return np.frombuffer(self.answers.read(int(np.prod(shape))), np.uint8).reshape(shape)


def _send(stream: IO[bytes], header: Mapping[str, Any], data: bytes) -> None:
    stream.write(json.dumps(header).encode() + b"\n" + data)
    stream.flush()


@contextmanager
def sharp(modules: Path) -> Iterator[Sharp]:
    """Start Node.js with the sharp of a folder ``node_modules``."""
    program = Path(__file__).with_name("sharp.cjs")
    environment = {**os.environ, "NODE_PATH": str(modules)}
    with subprocess.Popen(
        ["node", str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdin
        assert process.stdout
        version = process.stdout.readline().decode().strip()
        yield Sharp(process.stdin, process.stdout, version)
        process.stdin.close()


def imagemagick(data: bytes, *arguments: str) -> Pixels:
    """Run ImageMagick's ``convert`` on an image file."""
    command = ["convert-im6.q16", "-", *arguments, "-depth", "8", "ppm:-"]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    return np.asarray(Image.open(io.BytesIO(done.stdout)))


def imagemagick_version() -> str:
    """Return ImageMagick's version."""
    command = ["convert-im6.q16", "--version"]
    text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return text.split()[2]


def png_bytes(pixels: Pixels) -> bytes:
    """Return pixels as a PNG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png", compress_level=1)
    return stream.getvalue()

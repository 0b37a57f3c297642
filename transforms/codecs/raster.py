"""Opening image files with Pillow: the formats of this list, and only by their content.

Pillow knows formats that are programs or lead to other files. It hands PostScript to Ghostscript,
for example, whatever the file is called. Windows icons are not opened either: Pillow decodes them
before their size can be compared with a limit.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

from PIL import Image, ImageFile

from sysnoise.transforms.codecs.sniff import Container, sniff_container
from sysnoise.transforms.first_bytes import LENGTH, what_begins

PILLOW_FORMATS: Mapping[Container, str] = {
    Container.JPEG: "JPEG",
    Container.PNG: "PNG",
    Container.GIF: "GIF",
    Container.WEBP: "WEBP",
    Container.BMP: "BMP",
    Container.TIFF: "TIFF",
    Container.JPEG2000: "JPEG2000",
}
"""Pillow's names of the formats that are opened: rasters that hold all of their pixels."""


def unknown_kind(data: bytes) -> str:
    """Say what is wrong with other content, and what it is as far as its first bytes tell."""
    found = what_begins(data[:LENGTH])
    kinds = ", ".join(PILLOW_FORMATS.values())
    return f"not a file of a kind that is read: {kinds}" + (f"; it is {found}" if found else "")


def open_raster(data: bytes) -> ImageFile.ImageFile:
    """Open an image file with Pillow, which reads its header and nothing else.

    Args:
        data: the bytes of the file.

    Raises:
        ValueError: the content is of no kind in :data:`PILLOW_FORMATS`.
        Exception: Pillow cannot read the header; it raises errors of any type.
    """
    container = sniff_container(data)
    if container is Container.UNKNOWN:
        raise ValueError(unknown_kind(data))
    return Image.open(io.BytesIO(data), formats=(PILLOW_FORMATS[container],))

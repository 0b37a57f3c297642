"""An encoded image file, and what is read of it before it is decoded."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from sysnoise.transforms.codecs.exif import Orient, exif_orientation
from sysnoise.transforms.codecs.raster import open_raster
from sysnoise.transforms.codecs.sniff import ImageKind, sniff
from sysnoise.transforms.errors import plain_message
from sysnoise.transforms.pixels import Size


class DecodeError(Exception):
    """An image that cannot be decoded; the message is the library's, and the cause is chained."""


@dataclass(frozen=True)
class Header:
    """What the header of an image file says.

    Attributes:
        size: the stored size.
        orientation: the EXIF orientation, 1 to 8; 1 where the file has none that can be read.
    """

    size: Size
    orientation: int

    def size_in(self, orient: Orient) -> Size:
        """Return the size of the decoded image, whose sides orientations from 5 on swap."""
        is_turned = orient is Orient.UPRIGHT and self.orientation >= 5
        return Size(*self.size[::-1]) if is_turned else self.size


@dataclass(frozen=True)
class EncodedImage:
    """An image file in memory, whose kind and header are each read once, on first use.

    Attributes:
        data: the bytes of the file.
    """

    data: bytes

    @functools.cached_property
    def kind(self) -> ImageKind:
        """The kind of the file."""
        return sniff(self.data)

    @functools.cached_property
    def header(self) -> Header:
        """Size and orientation, which Pillow reads without decoding the image.

        Raises:
            DecodeError: the file is of no known kind, or Pillow cannot read its header.
        """
        try:
            with open_raster(self.data) as image:
                # Not getexif(), which decodes a whole PNG in search of EXIF and takes XMP for it.
                return Header(Size(*image.size), exif_orientation(image.info.get("exif", b"")))
        except Exception as error:
            raise DecodeError(f"reading the header: {plain_message(error)}") from error

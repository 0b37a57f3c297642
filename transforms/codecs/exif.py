"""The orientation that EXIF stores, as OpenCV reads it."""

from __future__ import annotations

from enum import Enum
from typing import Literal

_ORIENTATION = 0x0112
"""The tag of the orientation."""

_ENTRY = 12
"""Bytes per entry of the directory."""

_BYTE_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II*\x00": "little", b"MM\x00*": "big"}


class Exif(Enum):
    """What is done with the orientation that EXIF stores."""

    IGNORED = "ignored"
    APPLIED = "applied"


class Orient(Enum):
    """How the images of a set are turned before everything else: as stored, or upright by EXIF."""

    STORED = "stored"
    UPRIGHT = "upright"


def exif_orientation(block: bytes) -> int:
    """Return the orientation of an EXIF block, 1 to 8; 1 where it has none that can be read.

    Like OpenCV, and unlike Pillow, it takes the first two bytes of the value, whatever type and
    count the entry claims.

    Args:
        block: the block, with or without ``Exif`` and two zeros before it; it may be damaged.
    """
    tiff = block.removeprefix(b"Exif\x00\x00")
    byte_order = _BYTE_ORDERS.get(tiff[:4])
    if byte_order is None:
        return 1

    def number(offset: int, size: int) -> int:
        return int.from_bytes(tiff[offset : offset + size], byte_order)

    first = number(4, 4) + 2
    for offset in range(first, first + _ENTRY * number(first - 2, 2), _ENTRY):
        if number(offset, 2) == _ORIENTATION and offset + 10 <= len(tiff):
            value = number(offset + 8, 2)
            return value if 1 <= value <= 8 else 1
    return 1

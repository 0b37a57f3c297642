"""The orientation that EXIF stores, as OpenCV reads it."""

from __future__ import annotations

ORIENTATION = 0x0112
_ENTRY = 12


def exif_orientation(block: bytes) -> int:
    """Return the orientation of an EXIF block, 1 to 8; 1 where there is none that can be read.

    Like OpenCV, and unlike Pillow, it takes the first two bytes of the value, whatever type and
    count its entry claims.

    Args:
        block: with or without ``Exif`` and two zeros before it; may be damaged.
    """
    tiff = block.removeprefix(b"Exif\x00\x00")
    big = {b"II*\x00": False, b"MM\x00*": True}.get(tiff[:4])
    if big is None:
        return 1

    def number(offset: int, size: int) -> int:
        return int.from_bytes(tiff[offset : offset + size], "big" if big else "little")

    first = number(4, 4) + 2
    for offset in range(first, first + _ENTRY * number(first - 2, 2), _ENTRY):
        if number(offset, 2) == ORIENTATION and offset + 10 <= len(tiff):
            value = number(offset + 8, 2)
            return value if 1 <= value <= 8 else 1
    return 1

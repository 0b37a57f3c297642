"""The size of a JPEG XL image, which is read without decoding it."""

from __future__ import annotations

from sysnoise.transforms.pixels import Size

_SIGNATURE = b"\xff\x0a"
_HEADER_BYTES = 12
"""Number of bytes that hold the signature and the size."""
_LENGTH_BITS = (9, 13, 18, 30)
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height, by the number in the header from 1 on."""


def jxl_size(data: bytes) -> Size:
    """Return the size of a bare JPEG XL codestream (ISO/IEC 18181-1, ``SizeHeader``).

    Raises:
        ValueError: the data does not begin like one.
    """
    if not data.startswith(_SIGNATURE):
        raise ValueError("not a JPEG XL codestream")
    bits = int.from_bytes(data[2:_HEADER_BYTES].ljust(_HEADER_BYTES, b"\x00"), "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    def side(is_small: int) -> int:
        return 8 * (take(5) + 1) if is_small else take(_LENGTH_BITS[take(2)]) + 1

    is_small = take(1)
    height = side(is_small)
    ratio = take(3)
    if ratio == 0:
        return Size(side(is_small), height)
    over, under = _RATIOS[ratio - 1]
    return Size(height * over // under, height)

"""The markers of a JPEG file (ITU-T T.81, annex B), which are read without decoding."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

START_OF_IMAGE = b"\xff\xd8"
END_OF_IMAGE = b"\xff\xd9"
HUFFMAN_TABLES = 0xC4
QUANTIZATION_TABLES = 0xDB
START_OF_SCAN = 0xDA
RESTART_INTERVAL = 0xDD
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
_END_OF_IMAGE = 0xD9
_SKIPPED = {*range(0xC0, 0xC8), *range(0xC9, 0xD0), *range(0xDA, 0xDE), *range(0xE0, 0xF0), 0xFE}
"""Markers of segments whose content every decoder skips or parses; others may be searched."""
_NEXT_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
"""A marker other than those within image data: stuffed bytes, restarts and fill bytes."""
_ANY_MARKER = re.compile(rb"\xff([^\x00\xff])")


@dataclass(frozen=True)
class Segment:
    """One marker segment before the image data.

    Attributes:
        marker: the second byte of the marker.
        offset: the position of the marker in the file.
        payload: the bytes after the length.
    """

    marker: int
    offset: int
    payload: bytes


def segments(data: bytes) -> Iterator[Segment]:
    """Yield the segments of a JPEG up to its first start of scan or to where it is malformed."""
    for marker, start, end in segment_places(data):
        yield Segment(marker, start, data[start + 4 : end])


def segment_places(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker of each segment of :func:`segments`, and where the segment starts and ends.

    Its first four bytes are marker and length, and it may end behind the file. To look at places
    takes a fraction of the time that it takes to make every segment an object.
    """
    position, last = 2 if data.startswith(START_OF_IMAGE) else len(data), len(data) - 4
    while position <= last and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # A fill byte.
            position += 1
            continue
        if marker in _WITHOUT_LENGTH:
            position += 2
            continue
        length = data[position + 2] << 8 | data[position + 3]
        yield marker, position, position + 2 + length
        if marker == START_OF_SCAN:
            return
        position += 2 + max(2, length)


def all_segments(data: bytes) -> Iterator[Segment]:
    """Yield the segments of a JPEG, those between scans included, and its end-of-image marker.

    That and other markers without a length, such as those of restarts, have an empty payload.
    """
    position = 2
    while found := _ANY_MARKER.search(data, position):
        marker, start = found[1][0], found.end()
        has_length = marker not in _WITHOUT_LENGTH and marker != _END_OF_IMAGE
        length = int.from_bytes(data[start : start + 2], "big") if has_length else 0
        yield Segment(marker, start - 2, data[start + 2 : start + length])
        if marker == _END_OF_IMAGE:
            return
        position = start + length


def has_end_of_image(data: bytes) -> bool:
    """Whether an end-of-image marker follows the first start of scan; scans do not contain one."""
    for marker, start, _ in segment_places(data):
        if marker == START_OF_SCAN:
            return data.find(END_OF_IMAGE, start) >= 0
    return False


def count_scans(data: bytes) -> int:
    """Return the number of scans up to the end of the image, each with a start of scan.

    The image data is searched for markers; it is not decoded.
    """
    count, position = 0, 2
    while found := _NEXT_MARKER.search(data, position):
        marker, position = found[1][0], found.end()
        if marker == _END_OF_IMAGE:
            break
        count += marker == START_OF_SCAN
        if marker in _SKIPPED:
            position += max(2, int.from_bytes(data[position : position + 2], "big"))
    return count

"""stb_image, from the extra ``stb``: the decoder of MNN, raylib and many small programs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sysnoise.transforms.codecs.jpeg import (
    END_OF_IMAGE,
    HUFFMAN_TABLES,
    QUANTIZATION_TABLES,
    START_OF_SCAN,
    Segment,
    all_segments,
    has_end_of_image,
)
from sysnoise.transforms.codecs.sniff import ImageKind, sniff
from sysnoise.transforms.pixels import Pixels

_FRAMES = {0xC0, 0xC1, 0xC2}
_READ = {
    *_FRAMES,
    *(HUFFMAN_TABLES, QUANTIZATION_TABLES, START_OF_SCAN, END_OF_IMAGE[1]),
    *(*range(0xE0, 0xF0), 0xFE),  # Of applications, and comments.
}
"""The markers that stb_image knows, without the restart intervals that it is not made for."""


def decode_stb(data: bytes) -> Pixels:
    """Decode with stb_image, as libstb has it, in the stored orientation; to RGB.

    Where stb_image cannot read a segment, it stops, and returns what was in memory in the place of
    what is missing; so it does for a component without data. Such files are refused first. What
    it cannot read within the data of a scan, it finds itself.

    Source: ``libstb.imread`` with ``channels=3``.

    Args:
        data: the bytes of a JPEG file.

    Raises:
        ValueError: the data is not a complete JPEG.
        libstb.Error: the file is damaged.
    """
    import libstb  # It comes with an extra.

    if not has_end_of_image(data):
        raise ValueError("not a JPEG, or one without its end-of-image marker")
    _check_segments(data)
    return np.asarray(libstb.imread(data, channels=3))


def stb_kind(kind: ImageKind) -> bool:
    """Accept Huffman-coded gray and three-component JPEGs of 8 bits, without restart markers.

    With restart markers, stb_image takes a damaged image for a complete one. It takes four
    components without Adobe's marker for YCbCr and one that it ignores.
    """
    return kind.frame is not None and kind.frame.is_common and not kind.frame.restarts


def _check_segments(data: bytes) -> None:
    """Check the segments of a JPEG that stb_image has to get through.

    Raises:
        ValueError: it would stop at one, or miss the data of a component.
    """
    frames, decoded = list[set[int]](), set[int]()
    for segment in _needed_segments(data):
        if segment.marker in _FRAMES:
            frames.append(set(segment.payload[6::3]))
        elif segment.marker == START_OF_SCAN:
            decoded |= _first_data_of(segment.payload)
    if frames != [decoded]:
        raise ValueError("a component of the JPEG has no data, or the JPEG has two frames")


def _needed_segments(data: bytes) -> Iterator[Segment]:
    """Yield the segments up to the only scan or, where there are several, up to the end of image.

    Raises:
        ValueError: stb_image would stop before.
    """
    frame = sniff(data).frame
    has_one_scan = frame is not None and frame.scans == 1 and not frame.progressive
    end, in_scan = 2, False
    for segment in all_segments(data):
        stray = not in_scan and data[end : segment.offset].strip(b"\xff")
        if stray or segment.marker not in _READ or not _has_whole_tables(segment):
            raise ValueError(f"stb_image stops at {segment.offset}, which it cannot read")
        yield segment
        in_scan, end = segment.marker == START_OF_SCAN, segment.offset + 4 + len(segment.payload)
        if segment.marker == END_OF_IMAGE[1] or (in_scan and has_one_scan):
            return
    raise ValueError("a segment of the JPEG goes beyond the end of the file")


def _first_data_of(scan: bytes) -> set[int]:
    """Return the components whose data begin in a scan: whole ones, or the first of several."""
    if len(scan) < 4:
        return set()
    components = scan[1 : 1 + 2 * scan[0] : 2]
    start, approximation = scan[-3], scan[-1]
    return set(components) if start == 0 and approximation >> 4 == 0 else set()


def _has_whole_tables(segment: Segment) -> bool:
    """Whether a segment of tables holds whole ones, each of which can be used (T.81, B.2.4)."""
    if segment.marker not in (HUFFMAN_TABLES, QUANTIZATION_TABLES):
        return True
    length = _huffman_length if segment.marker == HUFFMAN_TABLES else _quantization_length
    rest = segment.payload
    while rest and 0 < (taken := length(rest)) <= len(rest):
        rest = rest[taken:]
    return not rest


def _huffman_length(table: bytes) -> int:
    """Return how many bytes a Huffman table takes; 0 if its codes are no prefix code."""
    counts = table[1:17]
    leaves = sum(count << (16 - length) for length, count in enumerate(counts, start=1))
    usable = table[0] >> 4 <= 1 and table[0] & 15 <= 3 and leaves <= 1 << 16
    return 17 + sum(counts) if usable else 0


def _quantization_length(table: bytes) -> int:
    """Return how many bytes a quantization table takes; 0 if it has no such form."""
    precision, number = table[0] >> 4, table[0] & 15
    return 1 + 64 * (precision + 1) if precision <= 1 and number <= 3 else 0

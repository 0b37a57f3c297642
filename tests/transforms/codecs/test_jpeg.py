"""JPEG markers, found in real files and in files put together by hand."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from sysnoise.pipelines.cli.photographs import jpeg_bytes
from sysnoise.transforms.codecs.jpeg import Segment, all_segments, has_end_of_image, segments
from sysnoise.transforms.pixels import Pixels
from tests.transforms.plain import saved

HAND_MADE = bytes.fromhex(
    "ffd8"  # Start of image.
    "ffe0 0004 4142"  # APP0 with two bytes.
    "ffff ffff fe00 02"  # Fill bytes before an empty comment.
    "ff01 ffd0"  # Markers that have no length.
    "ffda 0003 07"  # Start of scan.
    "ff00 0002 11"  # Image data that look like a segment.
    "ffd9"
)


def with_thumbnail(pixels: Pixels) -> bytes:
    """A JPEG whose EXIF block holds a whole small JPEG, end-of-image marker and all."""
    thumbnail = jpeg_bytes(pixels[:16, :16], "444")
    return saved(Image.fromarray(pixels), "JPEG", exif=b"Exif\0\0" + thumbnail)


def test_segments_of_a_file_made_by_hand() -> None:
    assert list(segments(HAND_MADE)) == [
        Segment(marker=0xE0, offset=2, payload=b"AB"),
        Segment(marker=0xFE, offset=11, payload=b""),
        Segment(marker=0xDA, offset=19, payload=b"\x07"),
    ]


def test_all_segments_of_a_file_made_by_hand() -> None:
    """Those of the image data too: it holds an empty one that is none here, and the end."""
    assert list(all_segments(HAND_MADE)) == [
        Segment(marker=0xE0, offset=2, payload=b"AB"),
        Segment(marker=0xFE, offset=11, payload=b""),
        Segment(marker=0x01, offset=15, payload=b""),
        Segment(marker=0xD0, offset=17, payload=b""),
        Segment(marker=0xDA, offset=19, payload=b"\x07"),
        Segment(marker=0xD9, offset=29, payload=b""),
    ]


def test_scans_are_among_all_segments() -> None:
    data = saved(Image.linear_gradient("L"), "JPEG", progressive=True)
    found = list(all_segments(data + b"\xff\xda\0\4ab"))
    assert [each.marker for each in found].count(0xDA) == data.count(b"\xff\xda") > 1
    assert found[-1] == Segment(0xD9, len(data) - 2, b"")


def test_segments_of_a_photograph(jpeg: bytes) -> None:
    found = list(segments(jpeg))
    markers = [segment.marker for segment in found]
    assert markers[0] == 0xE0
    assert found[0].payload.startswith(b"JFIF\0")
    assert markers[-1] == 0xDA
    assert markers.count(0xC0) == 1
    assert set(markers) == {0xE0, 0xDB, 0xC0, 0xC4, 0xDA}
    for segment in found:
        assert jpeg[segment.offset : segment.offset + 2] == bytes([0xFF, segment.marker])


def test_comments_and_applications_are_those_of_pillow(photos: dict[str, Pixels]) -> None:
    data = saved(
        Image.fromarray(photos["chelsea"]), "JPEG", comment=b"a cat", icc_profile=b"profile"
    )
    with Image.open(io.BytesIO(data)) as image:
        expected = [payload for _, payload in image.applist]  # type: ignore[attr-defined]
    found = [each.payload for each in segments(data) if each.marker in (0xE0, 0xE2, 0xFE)]
    assert found == expected
    assert b"a cat" in found


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"", 0),
        (b"\xff\xd8", 0),
        (b"\0\0" + HAND_MADE[2:], 0),
        (HAND_MADE[:5], 0),
        (HAND_MADE[:8] + b"no marker", 1),
        (b"\xff\xd8\xff\xe0\x00\x00\xff\xe1\x00\x02\x00", 2),  # A length too short to be true.
        (b"\xff\xd8\xff\xe0\xff\xffcut", 1),
    ],
)
def test_reading_stops_where_a_file_is_malformed(data: bytes, count: int) -> None:
    assert len(list(segments(data))) == count


def test_whole_files_have_an_end(jpeg: bytes, photos: dict[str, Pixels]) -> None:
    assert has_end_of_image(jpeg)
    assert has_end_of_image(jpeg + b"trailing bytes")
    assert has_end_of_image(HAND_MADE)
    assert has_end_of_image(with_thumbnail(photos["chelsea"]))


@pytest.mark.parametrize("missing", [1, 2, 3, 1000])
def test_truncated_files_have_none(missing: int, jpeg: bytes, photos: dict[str, Pixels]) -> None:
    assert not has_end_of_image(jpeg[:-missing])
    assert not has_end_of_image(with_thumbnail(photos["chelsea"])[:-missing])


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xd9", b"garbage\xff\xd9", HAND_MADE[:19]])
def test_files_without_a_scan_have_none(data: bytes) -> None:
    assert not has_end_of_image(data)

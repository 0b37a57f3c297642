"""Kinds of image files, told from files that Pillow wrote and from headers put together by hand."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from sysnoise.pipelines.cli.photographs import SUBSAMPLINGS, jpeg_bytes
from sysnoise.transforms.codecs.sniff import Container, Entropy, ImageKind, JpegFrame, sniff
from sysnoise.transforms.pixels import Pixels
from tests.transforms.plain import saved


def frame_header(process: int, precision: int = 8, components: str = "01 22 00") -> bytes:
    """A JPEG that ends behind its start of frame: 600 x 400 pixels."""
    factors = bytes.fromhex(components)
    payload = bytes([precision]) + bytes.fromhex("0190 0258") + bytes([len(factors) // 3]) + factors
    length = (len(payload) + 2).to_bytes(2, "big")
    return b"\xff\xd8\xff" + bytes([0xC0 + process]) + length + payload


@pytest.mark.parametrize(
    ("kind", "container"),
    [
        ("JPEG", Container.JPEG),
        ("PNG", Container.PNG),
        ("GIF", Container.GIF),
        ("WEBP", Container.WEBP),
        ("BMP", Container.BMP),
        ("TIFF", Container.TIFF),
        ("JPEG2000", Container.JPEG2000),
    ],
)
def test_container_of_files_by_pillow(
    kind: str, container: Container, photos: dict[str, Pixels]
) -> None:
    found = sniff(saved(Image.fromarray(photos["chelsea"]), kind))
    assert found.container is container
    assert (found.frame is not None) is (container is Container.JPEG)


@pytest.mark.parametrize("data", [b"", b"\xff", b"garbage", b"RIFF....WAVEfmt ", b" \xff\xd8\xff"])
def test_other_bytes_are_unknown(data: bytes) -> None:
    assert sniff(data) == ImageKind(Container.UNKNOWN)


def test_big_endian_tiff() -> None:
    assert sniff(b"MM\x00*\x00\x00\x00\x08") == ImageKind(Container.TIFF)


@pytest.mark.parametrize(
    ("mode", "options", "process"),
    [
        ("RGB", {"subsampling": "4:4:4"}, 0),
        ("RGB", {"subsampling": "4:2:2"}, 0),
        ("RGB", {"subsampling": "4:2:0"}, 0),
        ("RGB", {"progressive": True}, 2),
        ("L", {}, 0),
        ("CMYK", {"subsampling": "4:2:0"}, 0),
    ],
)
def test_frame_is_the_one_pillow_reads(
    mode: str, options: dict[str, Any], process: int, photos: dict[str, Pixels]
) -> None:
    data = saved(Image.fromarray(photos["chelsea"]).convert(mode), "JPEG", **options)
    with Image.open(io.BytesIO(data)) as image:
        layers: list[tuple[int, int, int, int]] = image.layer  # type: ignore[attr-defined]
    frame = JpegFrame(
        process=process,
        precision=8,
        width=451,
        height=300,
        sampling=tuple((horizontal, vertical) for _, horizontal, vertical, _ in layers),
    )
    found = sniff(data)
    assert found.frame is not None
    assert found == ImageKind(Container.JPEG, frame._replace(scans=found.frame.scans))
    assert found.frame.scans == (data.count(b"\xff\xda") if process == 2 else 1)


def scans_of(headers: bytes, *between: bytes) -> bytes:
    """A JPEG of three components whose scans, of one each, have segments between them."""
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + b"data\xff\x00data\xff\xd0data"
    frame = frame_header(0, components="01 22 00 02 11 00 03 11 00")
    return frame + headers + scan + b"".join(each + scan for each in between) + b"\xff\xd9"


@pytest.mark.parametrize(
    ("data", "scans"),
    [
        (scans_of(b""), 1),
        (scans_of(b"", b"", b"\xff\xff", b"stray"), 4),
        (scans_of(b"", b"\xff\xfe\x00\x06\xff\xda\xff\xd9", b""), 3),
        (scans_of(b"", b"") + scans_of(b"", b"", b""), 2),
        (scans_of(b"", b"\xff\xfe\xff\xff"), 1),
    ],
    ids=["one", "fill bytes", "markers in a comment", "a second JPEG", "a comment beyond the end"],
)
def test_scans_are_counted(data: bytes, scans: int) -> None:
    found = sniff(data)
    assert found.frame is not None
    assert found.frame.scans == scans


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("interval", [0, 3])
def test_restart_markers(progressive: bool, interval: int) -> None:
    image = Image.new("RGB", (64, 64))
    data = saved(image, "JPEG", progressive=progressive, restart_marker_blocks=interval)
    found = sniff(data)
    assert found.frame is not None
    assert found.frame.restarts is (b"\xff\xd0" in data) is (interval > 0)


@pytest.mark.parametrize(
    ("process", "precision", "components", "is_common"),
    [
        (0, 8, "01 22 00 02 11 01 03 11 01", True),
        (1, 8, "01 11 00", True),
        (2, 8, "01 11 00", True),
        (1, 12, "01 11 00", False),
        (3, 8, "01 11 00", False),
        (5, 8, "01 11 00", False),
        (9, 8, "01 11 00", False),
        (0, 8, "01 11 00 02 11 00", False),
        (0, 8, "01 11 00 02 11 00 03 11 00 04 11 00", False),
    ],
)
def test_what_every_decoder_reads(
    process: int, precision: int, components: str, is_common: bool
) -> None:
    frame = sniff(frame_header(process, precision, components)).frame
    assert frame is not None
    assert frame.is_common is is_common


@pytest.mark.parametrize(
    ("subsampling", "sampling"), zip(SUBSAMPLINGS, ["1x1", "2x1", "2x2"], strict=True)
)
def test_kind_in_words(subsampling: str, sampling: str, photos: dict[str, Pixels]) -> None:
    data = jpeg_bytes(photos["chelsea"], subsampling)
    assert str(sniff(data)) == f"jpeg (SOF0, 8 bits, {sampling} 1x1 1x1)"
    assert str(sniff(b"GIF89a")) == "gif"


@pytest.mark.parametrize(
    ("process", "entropy", "lossless"),
    [
        (0, Entropy.HUFFMAN, False),
        (1, Entropy.HUFFMAN, False),
        (2, Entropy.HUFFMAN, False),
        (3, Entropy.HUFFMAN, True),
        (5, Entropy.HUFFMAN, False),
        (6, Entropy.HUFFMAN, False),
        (7, Entropy.HUFFMAN, True),
        (9, Entropy.ARITHMETIC, False),
        (10, Entropy.ARITHMETIC, False),
        (11, Entropy.ARITHMETIC, True),
        (13, Entropy.ARITHMETIC, False),
        (14, Entropy.ARITHMETIC, False),
        (15, Entropy.ARITHMETIC, True),
    ],
)
def test_processes_of_the_standard(process: int, entropy: Entropy, lossless: bool) -> None:
    """ITU-T T.81, table B.1."""
    frame = sniff(frame_header(process, precision=12, components="01 21 00 02 11 01")).frame
    assert frame == JpegFrame(process, 12, 600, 400, ((2, 1), (1, 1)))
    assert (frame.entropy, frame.lossless) == (entropy, lossless)


@pytest.mark.parametrize("process", [4, 8, 12])
def test_markers_among_the_frames_that_are_none(process: int) -> None:
    assert sniff(frame_header(process)) == ImageKind(Container.JPEG)


@pytest.mark.parametrize("data", [b"\xff\xd8", b"\xff\xd8\xff\xd9", frame_header(0)[:-1]])
def test_jpeg_without_a_readable_frame(data: bytes) -> None:
    assert sniff(data) == ImageKind(Container.JPEG)

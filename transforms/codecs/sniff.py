"""The kind of an image file, found from its bytes alone; file names are not trusted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from sysnoise.transforms.codecs.jpeg import (
    RESTART_INTERVAL,
    START_OF_IMAGE,
    START_OF_SCAN,
    count_scans,
    segment_places,
)


class Container(Enum):
    """The file formats that are recognized by their first bytes."""

    JPEG = "jpeg"
    PNG = "png"
    GIF = "gif"
    WEBP = "webp"
    BMP = "bmp"
    TIFF = "tiff"
    JPEG2000 = "jpeg2000"
    UNKNOWN = "unknown"


class Entropy(Enum):
    """The entropy coding of a JPEG."""

    HUFFMAN = "huffman"
    ARITHMETIC = "arithmetic"


class JpegFrame(NamedTuple):
    """The start-of-frame segment of a JPEG (ITU-T T.81, B.2.2).

    Attributes:
        process: the number of the SOF marker: 0 baseline, 1 extended, 2 progressive, 3 lossless,
            and so on.
        precision: the bits per sample.
        width: the width in pixels.
        height: the height in pixels.
        sampling: the horizontal and vertical sampling factor of each component.
        scans: the number of scans; 1 where the first one holds the whole image.
        restarts: whether the image data has restart markers.
    """

    process: int
    precision: int
    width: int
    height: int
    sampling: tuple[tuple[int, int], ...]
    scans: int = 1
    restarts: bool = False

    @property
    def entropy(self) -> Entropy:
        """The entropy coding; it is arithmetic in processes from 9 on."""
        return Entropy.ARITHMETIC if self.process >= 9 else Entropy.HUFFMAN

    @property
    def progressive(self) -> bool:
        """Whether each scan refines the image."""
        return self.process % 4 == 2

    @property
    def lossless(self) -> bool:
        """Whether the process is one of the lossless ones."""
        return self.process % 4 == 3

    @property
    def is_common(self) -> bool:
        """Whether it is Huffman-coded, lossy, of 8 bits, and gray or of three components."""
        return self.process <= 2 and self.precision == 8 and len(self.sampling) in (1, 3)


@dataclass(frozen=True)
class ImageKind:
    """The kind of an image file.

    Attributes:
        container: the file format.
        frame: the start of frame of a JPEG that has a readable one; otherwise None.
    """

    container: Container
    frame: JpegFrame | None = None

    @property
    def is_recognized(self) -> bool:
        """Whether the kind is known; a JPEG without a readable frame counts as damaged."""
        return self.container is not Container.JPEG or self.frame is not None

    def __str__(self) -> str:
        """Return the kind as messages have it: ``jpeg (SOF9, 8 bits, 2x2 1x1 1x1)``."""
        if self.frame is None:
            return self.container.value
        sampling = " ".join(f"{h}x{v}" for h, v in self.frame.sampling)
        return f"jpeg (SOF{self.frame.process}, {self.frame.precision} bits, {sampling})"


_MAGIC = {
    START_OF_IMAGE: Container.JPEG,
    b"\x89PNG\r\n\x1a\n": Container.PNG,
    b"GIF87a": Container.GIF,
    b"GIF89a": Container.GIF,
    b"BM": Container.BMP,
    b"II*\x00": Container.TIFF,
    b"MM\x00*": Container.TIFF,
    b"II+\x00": Container.TIFF,
    b"MM\x00+": Container.TIFF,
    b"\x00\x00\x00\x0cjP  \r\n\x87\n": Container.JPEG2000,
    b"\xff\x4f\xff\x51": Container.JPEG2000,
}
_START_OF_FRAME = {0xC0 + number: number for number in range(16) if number not in (4, 8, 12)}


def sniff(data: bytes) -> ImageKind:
    """Return the kind of an image file, from its bytes."""
    container = sniff_container(data)
    return ImageKind(container, _jpeg_frame(data) if container is Container.JPEG else None)


def sniff_container(data: bytes) -> Container:
    """Return the file format of an image file, from its first bytes."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Container.WEBP
    for magic, container in _MAGIC.items():
        if data.startswith(magic):
            return container
    return Container.UNKNOWN


def _jpeg_frame(data: bytes) -> JpegFrame | None:
    process, header, restarts = 0, b"", False
    for marker, start, end in segment_places(data):
        if marker == RESTART_INTERVAL:
            restarts = any(data[start + 4 : end])
        elif marker in _START_OF_FRAME and not header:
            process, header = _START_OF_FRAME[marker], data[start + 4 : end]
            if len(header) < 6 or len(header) < 6 + 3 * header[5]:
                return None
        elif marker == START_OF_SCAN and header:
            is_whole = process % 4 != 2 and data[start + 4 : start + 5] == header[5:6]
            return _frame(process, header, 1 if is_whole else count_scans(data), restarts)
    return _frame(process, header) if header else None


def _frame(process: int, header: bytes, scans: int = 1, restarts: bool = False) -> JpegFrame:
    """Return what the payload of a start of frame says."""
    factors = header[7 : 6 + 3 * header[5] : 3]
    return JpegFrame(
        process=process,
        precision=header[0],
        width=header[3] << 8 | header[4],
        height=header[1] << 8 | header[2],
        sampling=tuple([(factor >> 4, factor & 15) for factor in factors]),
        scans=scans,
        restarts=restarts,
    )

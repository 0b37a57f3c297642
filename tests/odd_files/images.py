"""Odd image files: how they are made, and what every decoder is expected to do with them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
from PIL import Image, ImageCms

from sysnoise.manifests.tables import RejectReason
from sysnoise.transforms.pixels import Pixels
from tests.transforms.plain import saved

FILES = Path(__file__).parent / "files"
DECODERS = (
    *("pillow", "opencv", "opencv-exif", "simplejpeg", "ffmpeg"),
    *("stb", "zune", "jpegli"),
)
MAX_PIXELS = 4_000_000
"""The limit under which the odd files are generated."""


class Does(Enum):
    """What a decoder does with a file."""

    BASELINE = "baseline"
    SAME = "same"
    OWN = "own"
    TURNED = "turned"
    FALLBACK = "fallback"
    READS = "reads"
    FAILS = "fails"
    UNTRIED = "untried"


Outcome = tuple[Does, ...]
"""What each of :data:`DECODERS` does."""


def outcome(
    opencv: Does,
    opencv_exif: Does,
    simplejpeg: Does,
    ffmpeg: Does,
    *others: Does,
) -> Outcome:
    """What the decoders do with a file that the baseline's decoder reads."""
    return (Does.BASELINE, opencv, opencv_exif, simplejpeg, ffmpeg, *others)


NONE_OF_THREE = (Does.FALLBACK,) * 3
ALL_THREE = (Does.OWN,) * 3
ORDINARY = outcome(Does.SAME, Does.SAME, Does.SAME, Does.OWN, *ALL_THREE)
ALL_SAME = outcome(*(Does.SAME,) * 7)
CMYK = outcome(*(Does.OWN,) * 4, *NONE_OF_THREE)
TURNED = outcome(Does.SAME, Does.TURNED, Does.SAME, Does.OWN, *ALL_THREE)
ARITHMETIC = outcome(Does.SAME, Does.SAME, Does.SAME, Does.FALLBACK, *NONE_OF_THREE)
RESTARTS = outcome(*(Does.SAME,) * 3, Does.OWN, Does.FALLBACK, Does.OWN, Does.OWN)
WITHOUT_SIMPLEJPEG = outcome(Does.SAME, Does.SAME, Does.FALLBACK, Does.OWN, *ALL_THREE)
THREE_BY_ONE = (*WITHOUT_SIMPLEJPEG[:-2], Does.FALLBACK, Does.OWN)
NO_JPEG = outcome(Does.SAME, Does.SAME, Does.FALLBACK, Does.FALLBACK, *NONE_OF_THREE)
NO_JPEG_TURNED = outcome(Does.SAME, Does.TURNED, Does.FALLBACK, Does.FALLBACK, *NONE_OF_THREE)
NO_JPEG_OWN = outcome(Does.OWN, Does.OWN, Does.FALLBACK, Does.FALLBACK, *NONE_OF_THREE)
ALL_FAIL = (Does.FAILS,) * len(DECODERS)
UNTRIED = (Does.UNTRIED,) * len(DECODERS)


@dataclass(frozen=True)
class OddFile:
    """One odd image file.

    Attributes:
        what: how it is odd.
        name: of the file.
        key: of the sample.
        data: the bytes.
        does: what each decoder does with it.
        reason: why it is rejected; None where it is kept.
        orientation: 1 to 8, as EXIF has it.
    """

    what: str
    name: str
    key: str
    data: bytes
    does: Outcome
    reason: RejectReason | None = None
    orientation: int = 1


def picture(width: int = 61, height: int = 43) -> Pixels:
    """Two gradients and a disk, with sharp colored edges and no symmetry."""
    y, x = np.mgrid[:height, :width]
    disk = (x - width / 3) ** 2 + (y - height / 3) ** 2 < (height / 4) ** 2
    channels = 255 * x // max(1, width - 1), 255 * y // max(1, height - 1), 25 + 200 * disk
    return np.dstack(channels).astype(np.uint8)


def image(mode: str = "RGB", size: tuple[int, int] = (61, 43)) -> Image.Image:
    """The picture in one of Pillow's modes; with a gradient where the mode has transparency."""
    converted = Image.fromarray(picture(*size)).convert(mode)
    if mode.endswith("A"):
        converted.putalpha(Image.linear_gradient("L").resize(size))
    return converted


def jpeg(size: tuple[int, int] = (61, 43), **options: Any) -> bytes:
    """The picture as a JPEG by Pillow."""
    return saved(image(size=size), "JPEG", **{"quality": 90, **options})


def shared(name: str) -> bytes:
    """A file that lies beside the tests."""
    return (FILES / name).read_bytes()


POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 61 43\n%%EndComments\nshowpage\n"


def many_scans(count: int) -> bytes:
    """The picture as a progressive JPEG whose last scan is repeated up to a number of scans."""
    data = jpeg(progressive=True)
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    return data[:-2] + scan * (count - data.count(b"\xff\xda")) + data[-2:]


def segment(marker: int, payload: bytes) -> bytes:
    """A marker segment of a JPEG."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def with_segment(marker: int, payload: bytes) -> bytes:
    """The JPEG with a further segment behind its first."""
    data = jpeg()
    end = 4 + struct.unpack(">H", data[4:6])[0]
    return data[:end] + segment(marker, payload) + data[end:]


def without_segments(data: bytes, marker: int) -> bytes:
    """A JPEG without the header segments of one marker."""
    kept, position = data[:2], 2
    while data[position + 1] != 0xDA:
        end = position + 2 + struct.unpack(">H", data[position + 2 : position + 4])[0]
        if data[position + 1] != marker:
            kept += data[position:end]
        position = end
    return kept + data[position:]


def exif(orientation: int, **changes: int) -> bytes:
    """An EXIF block of one entry, the orientation; changes are of its place, type and count."""
    fields = {"directory": 8, "kind": 3, "count": 1} | changes
    header = struct.pack("<2sHIH", b"II", 42, fields["directory"], 1)
    entry = struct.pack("<HHIHH", 0x0112, fields["kind"], fields["count"], orientation, 0)
    return b"Exif\0\0" + header + entry + bytes(4)


def xmp(orientation: int) -> bytes:
    """An XMP block that has the orientation, which Pillow reads where EXIF has none."""
    entry = f'<rdf:Description tiff:Orientation="{orientation}"/>'
    return b"http://ns.adobe.com/xap/1.0/\0" + entry.encode()


def turned(kind: str, orientation: int) -> bytes:
    """The picture with an orientation, in any format."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    return saved(image(), kind, exif=tags)


def profile(*primaries: tuple[float, float, float]) -> bytes:
    """An ICC profile: sRGB, or with other red, green and blue (CIE XYZ under D50)."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for tag, color in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=False):
        offset = struct.unpack_from(">I", data, data.index(tag) + 4)[0]
        struct.pack_into(">3i", data, offset + 8, *(round(value * 65536) for value in color))
    return bytes(data)


ADOBE_RGB = (0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)
"""Red, green and blue of Adobe RGB (1998), adapted to D50."""


def cmyk() -> Image.Image:
    """The picture in four inks, the black taken out of the colors."""
    ink = 255 - picture()
    black = ink.min(axis=2, keepdims=True)
    return Image.fromarray(np.dstack([ink - black, black]), "CMYK")


def png_16_bit(pixels: Pixels) -> bytes:
    """A PNG of 16 bits a channel, gray or RGB."""
    done, data = cv2.imencode(".png", pixels[..., ::-1].astype(np.uint16) * 257)
    assert done
    return data.tobytes()


def black_png(width: int, height: int, rows: int) -> bytes:
    """A black PNG with data for some of the rows that its header claims."""
    packer = zlib.compressobj(1)
    data = b"".join([*(packer.compress(bytes(1 + 3 * width)) for _ in range(rows)), packer.flush()])
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    )


def kinds() -> Iterator[tuple[str, str, bytes, Outcome]]:
    """JPEGs of all kinds."""
    yield "ordinary", "Ordinary, 4:2:0", jpeg(), ORDINARY
    yield "gray", "Grayscale", saved(image("L"), "JPEG"), ORDINARY
    yield "progressive", "Progressive", jpeg(progressive=True), ORDINARY
    yield "restarts", "Restart markers", jpeg(restart_marker_blocks=1), RESTARTS
    for digits in ("411", "440"):
        data = simplejpeg.encode_jpeg(picture(), quality=90, colorsubsampling=digits)
        yield f"sampled-{digits}", ":".join(digits), data, ORDINARY
    yield "sampled-441", "4:4:1", shared("441.jpg"), ORDINARY
    yield "sampled-410", "4:1:0", shared("410.jpg"), WITHOUT_SIMPLEJPEG
    yield "sampled-3x1", "Luma sampled 3 x 1", shared("3x1.jpg"), THREE_BY_ONE
    yield "uneven", "Cb and Cr sampled differently", shared("uneven.jpg"), WITHOUT_SIMPLEJPEG
    yield "arithmetic", "Arithmetic coding", shared("arithmetic.jpg"), ARITHMETIC
    name = "arithmetic-progressive"
    yield name, "Arithmetic coding, progressive", shared(f"{name}.jpg"), ARITHMETIC
    yield "lossless", "Lossless JPEG (SOF3)", shared("lossless.jpg"), NO_JPEG
    yield "rgb", "Stored as RGB (Adobe marker)", jpeg(keep_rgb=True), ORDINARY
    data = without_segments(jpeg(keep_rgb=True), 0xEE)
    yield "rgb-ids", "Stored as RGB, recognized by component names alone", data, ORDINARY
    data = saved(cmyk(), "JPEG", quality=90)
    yield "cmyk", "CMYK (Adobe marker)", data, CMYK
    yield "cmyk-plain", "CMYK without Adobe marker", without_segments(data, 0xEE), CMYK
    yield "ycck", "YCCK (Adobe marker)", shared("ycck.jpg"), CMYK


def metadata() -> Iterator[tuple[str, str, bytes, Outcome]]:
    """JPEGs with color profiles, and with EXIF that says nothing."""
    yield "icc-srgb", "ICC profile sRGB", jpeg(icc_profile=profile()), ORDINARY
    data = jpeg(icc_profile=profile(*ADOBE_RGB))
    yield "icc-adobe", "ICC profile Adobe RGB", data, ORDINARY
    yield "icc-broken", "Not an ICC profile", jpeg(icc_profile=b"nonsense"), ORDINARY
    yield "xmp", "Orientation 6 in XMP, none in EXIF", with_segment(0xE1, xmp(6)), ORDINARY
    for name, what, block in (
        ("exif-0", "EXIF orientation 0", exif(0)),
        ("exif-9", "EXIF orientation 9", exif(9)),
        ("exif-noise", "EXIF block of random bytes", b"Exif\0\0" + bytes(range(100))),
        ("exif-cut", "EXIF block that ends amid its entry", exif(6)[:-8]),
        ("exif-empty", "EXIF block without a directory", b"Exif\0\0II*\0"),
        ("exif-astray", "EXIF directory beyond the end", exif(6, directory=0x7FFFFFFF)),
    ):
        yield name, what, with_segment(0xE1, block), ORDINARY


def other_formats() -> Iterator[tuple[str, str, bytes, Outcome]]:
    """Files of other formats, all named .JPEG."""
    two = {"save_all": True, "append_images": [image().rotate(180)]}
    yield "png", "PNG", saved(image(), "PNG"), NO_JPEG
    yield "png-gray", "PNG, gray", saved(image("L"), "PNG"), NO_JPEG
    yield "png-1", "PNG, black and white", saved(image("1"), "PNG"), NO_JPEG
    yield "png-palette", "PNG, palette", saved(image("P"), "PNG"), NO_JPEG
    data = saved(image("P"), "PNG", transparency=3)
    yield "png-palette-clear", "PNG, palette with a transparent color", data, NO_JPEG
    yield "png-rgba", "PNG, RGBA (transparency is dropped)", saved(image("RGBA"), "PNG"), NO_JPEG
    yield "png-la", "PNG, gray with transparency", saved(image("LA"), "PNG"), NO_JPEG
    yield "png-rgb16", "PNG, RGB of 16 bits", png_16_bit(picture()), NO_JPEG
    data = png_16_bit(picture()[..., :1])
    yield "png-gray16", "PNG, gray of 16 bits (Pillow cuts off at 255)", data, NO_JPEG_OWN
    yield "gif", "GIF", saved(image("P"), "GIF"), NO_JPEG
    yield "gif-two", "GIF, animated (the first frame)", saved(image("P"), "GIF", **two), NO_JPEG
    yield "webp", "WebP", saved(image(), "WEBP"), NO_JPEG
    yield "webp-rgba", "WebP, RGBA", saved(image("RGBA"), "WEBP", lossless=True), NO_JPEG
    yield "webp-two", "WebP, animated (the first frame)", saved(image(), "WEBP", **two), NO_JPEG
    yield "bmp", "BMP", saved(image(), "BMP"), NO_JPEG
    yield "bmp-palette", "BMP, palette", saved(image("P"), "BMP"), NO_JPEG
    yield "tiff", "TIFF", saved(image(), "TIFF"), NO_JPEG
    yield "jpeg2000", "JPEG 2000", saved(image(), "JPEG2000"), NO_JPEG


def damaged() -> Iterator[tuple[str, str, bytes, Outcome]]:
    """Files that no decoder, or not every one, gets through."""
    data = jpeg((400, 300))
    for tenths in range(1, 10):
        what = f"Truncated to {tenths}/10 of its length"
        yield f"cut-{tenths}", what, data[: len(data) * tenths // 10], ALL_FAIL
    yield "endless", "Without its end-of-image marker", data[:-2], ALL_FAIL
    yield "headless", "Truncated in its header", data[:300], UNTRIED
    middle = len(data) // 2
    before, after = data[:middle], data[middle + 20 :]
    three = (Does.READS,) * 3
    reads = (*three, Does.READS, Does.FAILS, Does.FAILS, Does.READS, Does.FAILS)
    yield "codes", "Impossible codes amid the image data", before + b"\xff\0" * 10 + after, reads
    reads = (*three, Does.FAILS, Does.FAILS, *three)
    yield "gap", "A gap in the image data", before + after[2000:], reads
    stray = data[:2] + data[2:].replace(b"\xff\xdb", b"stray\xff\xdb", 1)
    reads = (*three, *(Does.FAILS,) * 5)
    yield "stray", "Stray bytes between two segments", stray, reads
    yield "empty", "Zero bytes", b"", UNTRIED
    yield "text", "Text", b"<html>404 Not Found</html>", UNTRIED
    yield "postscript", "PostScript, which is a program", POSTSCRIPT, UNTRIED
    yield "scans", "Progressive, with 101 scans", many_scans(101), ALL_FAIL
    yield "icon", "Windows icon", saved(image(), "ICO"), UNTRIED
    yield "12bit", "12 bits per sample", shared("12bit.jpg"), UNTRIED


def unnoticed() -> Iterator[tuple[str, str, bytes, Outcome]]:
    """Files that are not as they should be, and that every decoder reads."""
    data = jpeg((400, 300))
    middle = len(data) // 2
    overwritten = data[:middle] + bytes(20) + data[middle + 20 :]
    yield "overwritten", "Zeros amid the image data, possible as codes", overwritten, ORDINARY
    yield "junk", "Trailing text", jpeg() + b"junk" * 100, ORDINARY
    yield "zeros", "Trailing zeros", jpeg() + bytes(1000), ORDINARY
    two = {"save_all": True, "append_images": [image().rotate(180)]}
    yield "mpo", "A second JPEG behind the first (MPO)", saved(image(), "MPO", **two), ORDINARY


def sizes() -> Iterator[tuple[str, str, bytes, Outcome]]:
    """Small and slender images that are kept."""
    yield "1x1", "1 x 1", jpeg((1, 1)), ALL_SAME
    yield "1x50", "1 x 50", jpeg((1, 50)), ORDINARY
    yield "50x1", "50 x 1", jpeg((50, 1)), ORDINARY
    yield "3x5", "3 x 5", jpeg((3, 5)), ORDINARY
    yield "223x224", "223 x 224, under the crop", jpeg((223, 224)), ORDINARY


def too_large() -> Iterator[tuple[str, str, bytes, Outcome]]:
    """Images that exceed the limit as stored or as resized."""
    yield "1x5000", "1 x 5000, would be resized to 256 x 1280000", jpeg((1, 5000)), UNTRIED
    large = black_png(2001, 2000, rows=2000)
    yield "large", f"2001 x 2000 pixels, where the limit is {MAX_PIXELS}", large, UNTRIED
    bomb = black_png(50_000, 50_000, rows=1)
    yield "bomb", "Decompression bomb: its header claims 50000 x 50000 pixels", bomb, UNTRIED


def named() -> Iterator[tuple[str, str, str]]:
    """Odd names of an ordinary file, and the keys that they give."""
    yield "Spaces", "two  words .JPEG", "two_20_20words_20"
    yield "Dots", "v1.0..final.JPEG", "v1_2E0_2E_2Efinal"
    yield "Non-ASCII", "größe-日本.jpeg", "gr_C3_B6_C3_9Fe-_E6_97_A5_E6_9C_AC"
    yield "Quotes and signs", 'it\'s "100%" & more.JPEG', "it_27s_20_22100_25_22_20_26_20more"
    yield "Leading dash", "-n01440764.jpg", "-n01440764"
    yield "Hidden, and named .png", ".hidden.png", "_2Ehidden"


PATHS = {
    "../outside.JPEG": "outside",
    "a/../../above.JPEG": "above",
    "/absolute.JPEG": "absolute",
}
"""Names of tar members that lead out of a folder, and the keys that they give."""


def as_files(
    rows: Iterator[tuple[str, str, bytes, Outcome]], reason: RejectReason | None = None
) -> list[OddFile]:
    return [OddFile(what, f"{key}.JPEG", key, data, does, reason) for key, what, data, does in rows]


def orientations() -> list[OddFile]:
    """EXIF orientations 1 to 8, and other ways to say 6."""
    rows = [
        (f"exif-{number}", f"EXIF orientation {number}", turned("JPEG", number), number, TURNED)
        for number in range(2, 9)
    ]
    text = with_segment(0xE1, exif(6, kind=2))
    rows = [
        ("exif-1", "EXIF orientation 1", turned("JPEG", 1), 1, ORDINARY),
        *rows,
        ("exif-text", "EXIF orientation 6 as a text", text, 6, TURNED),
        ("exif-png", "PNG with orientation 6", turned("PNG", 6), 6, NO_JPEG_TURNED),
        ("exif-webp", "WebP with orientation 6", turned("WEBP", 6), 6, NO_JPEG_TURNED),
    ]
    return [
        OddFile(what, f"{key}.JPEG", key, data, does, orientation=orientation)
        for key, what, data, orientation, does in rows
    ]


ODD_FILES: dict[str, Sequence[OddFile]] = {
    "Kinds of JPEG": as_files(kinds()),
    "Orientation": orientations(),
    "Metadata": as_files(metadata()),
    "Other formats that are named .JPEG": as_files(other_formats()),
    "Damage": [*as_files(damaged(), RejectReason.DECODE_FAILED), *as_files(unnoticed())],
    "Sizes": [*as_files(sizes()), *as_files(too_large(), RejectReason.TOO_LARGE)],
    "Names": [OddFile(f"{w}: `{n}`", n, k, jpeg(), ORDINARY) for w, n, k in named()],
}
"""By section of the page."""

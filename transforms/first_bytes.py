"""What a file is that is not what it should be, from its first bytes, for messages."""

from __future__ import annotations

import codecs

LENGTH = 1024
"""Number of bytes that :func:`what_begins` looks at."""

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Python's encoding of a text, by the mark that it begins with (Unicode 16.0, 23.8).

The marks of UTF-32 stand before those of UTF-16, with which they begin.
"""

PARQUET = "a Parquet file"

_MAGIC = {
    b"version https://git-lfs.github.com/": "a Git LFS pointer; run 'git lfs pull' to get the file",
    b"\x1f\x8b": "a gzip file",
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "an empty zip archive",
    b"PAR1": PARQUET,
    b"ARROW1": "an Arrow file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ\x00": "an xz file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
    b"%PDF-": "a PDF document",
    b"%!PS": "a PostScript program",
    b"\xff\xd8\xff": "a JPEG",
    b"\x89PNG\r\n\x1a\n": "a PNG",
    b"MATLAB 5.0 MAT-file": "a MATLAB file",
}
_HTML = (b"<!doctype html", b"<html", b"<head", b"<body")


def what_begins(data: bytes) -> str | None:
    """Return what a file is, as a noun with its article; None where the bytes do not tell.

    Args:
        data: the first :data:`LENGTH` bytes of the file, or all of a shorter one.
    """
    if not data:
        return "an empty file"
    for magic, name in _MAGIC.items():
        if data.startswith(magic):
            return name
    if data[257:262] == b"ustar":
        return "a tar archive"
    start = data.lstrip().lower()
    if start.startswith(_HTML):
        return "an HTML page, such as a server's message"
    if start.startswith(b"<?xml"):
        return "an XML document"
    return _binary_text(data)


def _binary_text(data: bytes) -> str | None:
    """Recognize UTF-16 by its zeros, of which every second byte of Latin text is one."""
    if not data.strip(b"\x00"):
        return "nothing but zero bytes"
    halves = data[0::2], data[1::2]
    for (high, low), name in ((halves, "big-endian"), (halves[::-1], "little-endian")):
        if len(data) >= 4 and high.count(0) > 0.8 * len(high) and 0 not in low:
            return f"text in UTF-16, {name}, without a byte order mark; save it as UTF-8"
    return None

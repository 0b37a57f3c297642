"""Reading tar files that anyone may have written.

``tarfile`` of some supported versions of Python does not end at a negative size (CVE-2025-8194), or
takes seconds for a header of some kilobytes (CVE-2024-6232).
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from typing import BinaryIO, Self, cast

MAX_EXTENDED_HEADER = 8192
"""Bytes of a header that holds a long name or other records; paths have at most 4,096 bytes.

The time that ``tarfile`` may take for such a header grows with the square of its length.
"""

END_BYTES = 2 * tarfile.BLOCKSIZE
"""Number of zeros that end a tar file, at least."""

_READ_BYTES = 2**20

MAX_DIGITS = 100
"""Digits in a row in such a header: the time grows with the square of their number too."""

_EXTENDED = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}


class _ShortHeader(tarfile.TarInfo):
    """A header, of which the extended ones are short."""

    __slots__ = ()

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.type in _EXTENDED and not 0 <= header.size <= MAX_EXTENDED_HEADER:
            raise tarfile.ReadError(
                f"an extended header has {header.size} bytes, the limit is {MAX_EXTENDED_HEADER}"
            )
        return header

    def _proc_pax(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        """Refuse records on which ``tarfile`` takes a second each, before it looks for numbers."""
        opened = cast("BinaryIO", archive.fileobj)
        start = opened.tell()
        digits = re.findall(rb"\d+", opened.read(self.size))
        if max(map(len, digits), default=0) > MAX_DIGITS:
            raise tarfile.ReadError(
                f"an extended header has a number of more than {MAX_DIGITS} digits"
            )
        opened.seek(start)
        return cast("tarfile.TarInfo", super()._proc_pax(archive))  # type: ignore[misc]


def read_tar(opened: BinaryIO) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yield the members of an uncompressed tar file, each with the opened tar file.

    A member begins behind the one before it, ends within the file and is not sparse, so that
    reading it takes no more memory than the file has bytes. After the last one there must be the
    blocks of zeros that end a tar file (POSIX pax, "ustar Interchange Format"), and nothing else:
    ``tarfile`` ends at a damaged header too, as if there were no more members.

    Args:
        opened: the file, at its start, which can be searched.

    Raises:
        tarfile.TarError: it is not a tar file, is damaged, or has such a member.
        OSError: it cannot be read.
    """
    end = opened.seek(0, io.SEEK_END)
    opened.seek(0)
    reached = 0
    try:
        with tarfile.open(fileobj=opened, mode="r:", tarinfo=_ShortHeader) as tar:
            while (member := tar.next()) is not None:
                _check_member(member, end)
                if tar.offset <= reached:
                    raise tarfile.ReadError(f"the member after {member.name!r} is before it")
                reached = tar.offset
                yield tar, member
            _check_end(opened, tar.offset)
    except (ValueError, LookupError, ArithmeticError, RecursionError, MemoryError) as error:
        raise tarfile.ReadError(f"a header is damaged: {error!r}") from error


def _check_end(opened: BinaryIO, place: int) -> None:
    """Refuse a tar file that does not end where its members do."""
    opened.seek(place)
    blocks = opened.read(END_BYTES)
    if blocks[: tarfile.BLOCKSIZE].strip(b"\x00"):
        raise tarfile.ReadError(f"the header at byte {place} is damaged")
    if len(blocks) < END_BYTES and not blocks.strip(b"\x00"):
        raise tarfile.ReadError(
            f"unexpected end of data at byte {place + len(blocks)}, where the two blocks of zeros "
            "that end a tar file are missing: it was cut off, or never finished"
        )
    while blocks:
        if blocks.strip(b"\x00"):
            raise tarfile.ReadError(
                f"it goes on after its end at byte {place}: it is damaged there, or several tar "
                "files in one; extract it with 'tar --ignore-zeros' and pack it again"
            )
        blocks = opened.read(_READ_BYTES)


def _check_member(member: tarfile.TarInfo, end: int) -> None:
    if member.issparse() or member.type == tarfile.GNUTYPE_SPARSE:
        raise tarfile.ReadError(f"the member {member.name!r} is sparse")
    if not 0 <= member.size <= end - member.offset_data:
        raise tarfile.ReadError(
            f"unexpected end of data in the member {member.name!r} of {member.size} bytes"
        )

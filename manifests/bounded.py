"""From a URL to bytes, with bounds: what is opened, and how much of it is read."""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO, cast

import fsspec
from fsspec.core import split_protocol, url_to_fs
from fsspec.implementations.local import LocalFileSystem
from fsspec.registry import available_protocols

from sysnoise.manifests.web import (
    BLOCK_BYTES,
    append_from_web,
    causes,
    http_status,
    web_client,
)
from sysnoise.transforms.methods import install_line

DOCUMENT_BYTES = 32 << 20
"""Longest JSON or YAML document of a set, in bytes: a receipt of 50,000 rejects has 15 MB."""

TABLE_BYTES = 256 << 20
"""Longest table or list that is read whole, in bytes: half a million files take 60 MB of sums."""

TEXT_BYTES = 128 << 20
"""Longest text file that a user names, in bytes: labels of ImageNet's train images have 60 MB."""

PIECE_BYTES = 32 << 20
"""Number of bytes of a remote file that are asked for at a time."""

_BINARY = getattr(os, "O_BINARY", 0)
_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0)
"""Flags of :func:`os.open`: Windows alone has the first, and no FIFOs that could be waited for."""

_LOCAL = (None, "file", "local")
_WEB = ("http", "https")
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "http": "http", "https": "http"}
"""The extras that install the libraries of file systems, by protocol."""
_RANGE_NOT_SATISFIABLE = 416

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
}


class IrregularFileError(OSError):
    """A path that leads to something that is neither a file nor a folder."""


class FileTooLargeError(OSError):
    """A file that is longer than what is read of it."""

    def __init__(self, most: int) -> None:
        """Say what the limit is, in bytes."""
        super().__init__(f"it is longer than {most} bytes, the most that is read of it")


class ChainError(ValueError):
    """A text with ``::`` that is no chain of file systems."""


def open_url(url: str, **options: object) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the file system of a URL, and the path in it.

    Args:
        url: path or fsspec URL.
        options: fsspec's.

    Raises:
        ChainError: the text before a ``::`` names no file system.
        IrregularFileError: it is a local path to a device, FIFO or socket.
        OSError, ValueError: fsspec cannot open it.
        ImportError: a library is missing; the message says how it is installed, if it is an
            extra's.
    """
    *outer, last = url.split("::")
    protocols = [split_protocol(part)[0] or part for part in outer]
    wrong = [name for name in protocols if name in _LOCAL or name not in available_protocols()]
    if wrong:
        raise ChainError(
            f"{url!r} is no chain of file systems, since {wrong[0]!r} is none; a local path cannot "
            "contain '::', rename it"
        )
    innermost = split_protocol(last)[0]
    if innermost in _LOCAL:
        refuse_irregular(LocalFileSystem._strip_protocol(last))
    clients = {name: {"get_client": web_client} for name in {*protocols, innermost} & {*_WEB}}
    try:
        fs, path = url_to_fs(url, **clients, **options)
    except ImportError as error:
        extra = _EXTRAS.get(innermost or "")
        raise ImportError(f"{error}: {install_line(extra)}" if extra else str(error)) from error
    return fs, path


def is_local_fs(fs: fsspec.AbstractFileSystem) -> bool:
    """Whether a file system is the local one."""
    return isinstance(fs, LocalFileSystem)


def without_file(fs: fsspec.AbstractFileSystem, path: str, url: str, name: str, what: str) -> str:
    """Return the message on a folder that lacks a file, or that does not exist itself.

    Args:
        fs: file system of the folder.
        path: the path in it; on the web, a folder that has files need not be found itself.
        url: URL of the folder, as the message shows it.
        name: name of the file.
        what: what the folder would be with the file.
    """
    if is_web_fs(fs) or fs.exists(path):
        return f"{url!r} is not {what}: it has no {name}"
    return f"{url!r} does not exist"


def is_web_fs(fs: fsspec.AbstractFileSystem) -> bool:
    """Whether a file system is that of web servers."""
    return "http" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


def refuse_irregular(path: str) -> None:
    """Refuse a local path that leads to a device, FIFO or socket.

    Raises:
        IrregularFileError: it does.
    """
    try:
        kind = _KINDS.get(stat.S_IFMT(os.stat(path).st_mode))
    except (OSError, ValueError):  # Whoever opens it finds out what is wrong.
        return
    if kind:
        raise IrregularFileError(f"{path!r} is {kind}, not a file; store its content in one")


def open_regular(path: str) -> io.BufferedReader:
    """Open a local file for reading.

    Raises:
        IrregularFileError: it is a device, FIFO or socket, which could block or have no end.
        OSError: it cannot be opened.
    """
    return open(path, "rb", opener=lambda name, flags: _descriptor(name, flags)[0])


def open_binary(fs: fsspec.AbstractFileSystem, path: str) -> BinaryIO:
    """Open a file for reading, on any file system.

    Raises:
        IrregularFileError: it is a local device, FIFO or socket.
        OSError: it cannot be opened; file systems raise other errors too.
    """
    return open_regular(path) if is_local_fs(fs) else cast("BinaryIO", fs.open(path, "rb"))


def _descriptor(path: str, flags: int = os.O_RDONLY | _BINARY) -> tuple[int, int]:
    """Open a regular file without blocking; return its descriptor and its length."""
    try:
        descriptor = os.open(path, flags | _WITHOUT_WAITING)
    except OSError:
        refuse_irregular(path)  # A socket cannot be opened at all.
        raise
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode):
        return descriptor, found.st_size
    os.close(descriptor)
    refuse_irregular(path)
    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)


def read_whole(fs: fsspec.AbstractFileSystem, path: str, most: int) -> bytes:
    """Return the content of a file.

    Args:
        fs: the file system.
        path: the path in it.
        most: length in bytes of the longest file that is read.

    Raises:
        FileTooLargeError: the file is longer.
        OSError: it cannot be read; file systems raise other errors too.
    """
    data = _read_local(path, most) if is_local_fs(fs) else read_part(fs, path, 0, most + 1)
    if len(data) > most:
        raise FileTooLargeError(most)
    return data


def read_part(fs: fsspec.AbstractFileSystem, path: str, start: int, stop: int) -> bytes:
    """Return the bytes of a file between two places, or fewer where it ends before.

    Raises:
        OSError: they cannot be read; file systems raise other errors too.
    """
    if is_local_fs(fs):
        return _read_local_part(path, start, stop)
    try:
        return b"".join(_pieces(fs, path, start, stop))
    except Exception as error:
        if any(http_status(each) == _RANGE_NOT_SATISFIABLE for each in causes(error)):
            return b""  # The file ends before; an empty one has no part at all.
        if isinstance(error, TimeoutError) and error.__cause__ is not None:
            raise error.__cause__ from None  # fsspec's own says nothing.
        raise


def _pieces(fs: fsspec.AbstractFileSystem, path: str, start: int, stop: int) -> Iterator[bytes]:
    if is_web_fs(fs):  # In one answer: some servers send only whole files.
        buffer = io.BytesIO()
        append_from_web(fs, path, buffer, (start, stop))
        yield buffer.getvalue()
        return
    while start < stop:
        end = min(start + PIECE_BYTES, stop)
        piece = bytes(fs.cat_file(path, start=start, end=end))
        yield piece
        if len(piece) < end - start:
            return
        start = end


def _read_local(path: str, most: int) -> bytes:
    descriptor, size = _descriptor(path)
    try:
        if size > most:
            raise FileTooLargeError(most)
        data = os.read(descriptor, size + 1)
        if size and len(data) == size:
            return data
        pieces, length = [data], len(data)  # It changes, or is one of /proc, without a length.
        while length <= most and (data := os.read(descriptor, BLOCK_BYTES)):
            pieces.append(data)
            length += len(data)
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def _read_local_part(path: str, start: int, stop: int) -> bytes:
    descriptor, size = _descriptor(path)
    try:
        pieces, left = [], min(stop, size) - os.lseek(descriptor, start, os.SEEK_SET)
        while left > 0 and (data := os.read(descriptor, left)):
            pieces.append(data)
            left -= len(data)
        return b"".join(pieces)
    finally:
        os.close(descriptor)

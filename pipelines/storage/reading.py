"""Reading files on any file system, with retries."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO, TypeVar

from sysnoise.manifests.bounded import (
    DOCUMENT_BYTES,
    TABLE_BYTES,
    TEXT_BYTES,
    FileTooLargeError,
    open_regular,
    read_part,
    read_whole,
)
from sysnoise.manifests.web import NoRangesError
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.storage.retries import with_retries
from sysnoise.pipelines.storage.root import (
    Answer,
    Root,
    call_with_retries,
    connect_without_retries,
    explained,
    is_local,
)
from sysnoise.transforms import first_bytes

_READ_AHEAD = 2**20
"""Number of bytes that are read from a remote file at a time.

The tables of a set are small, and S3's own 50 MB would be read again for each shard.
"""


STREAM_BYTES = 4 << 30
"""Longest file whose length a server does not say, in bytes: LVIS's annotations have 1 GB."""


_PARALLEL_READS = 16
"""Number of small files that are read in parallel."""

Item = TypeVar("Item")

Unpack = Callable[[io.BufferedReader], io.BufferedReader]
"""Turns a reader of packed bytes into one of what they hold."""


def read_text(url: str, purpose: str, most: int = TEXT_BYTES) -> str:
    """Return the text of a small file, of at most so many characters.

    The other arguments and errors are those of :func:`open_text`.
    """
    with open_text(url, purpose) as opened:
        text = opened.read(most + 1)
        if len(text) > most:
            raise FileTooLargeError(most)
        return text


@contextlib.contextmanager
def open_text(
    url: str, purpose: str, unpack: Unpack = lambda binary: binary
) -> Iterator[io.TextIOWrapper]:
    """Open a file of text, without changing its line ends.

    Its encoding is that of its byte order mark, or else UTF-8.

    Args:
        url: path or fsspec URL.
        purpose: what the file is, for the message.
        unpack: what the bytes go through before they are text.

    Raises:
        InputError: it cannot be opened, is not a text, or the body raises an OSError or ValueError.
    """
    try:
        root = with_retries(f"opening {url!r}", lambda: connect_without_retries(url))
        with open_file(root, "") as packed, unpack(packed) as binary:
            encoding = _text_encoding(binary.peek(first_bytes.LENGTH)[: first_bytes.LENGTH])
            with io.TextIOWrapper(binary, encoding=encoding, newline="") as opened:
                yield opened
    except FileNotFoundError as error:
        raise InputError(f"the {purpose} {url!r} does not exist") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"the {purpose} {url!r} is not in {error.encoding.upper()}: {error.reason} of byte "
            f"0x{error.object[error.start]:02x}; it may be in Latin-1 or a Windows code page; save "
            "it as UTF-8"
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"reading the {purpose} {url!r}: {error}") from error


def _text_encoding(start: bytes) -> str:
    for mark, encoding in first_bytes.BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return encoding
    found = start and first_bytes.what_begins(start)
    if found:
        raise ValueError(f"expected text, found {found}")
    return "utf-8"


def kind_of_file(root: Root, relative: str) -> str | None:
    """Return what a file is, from its first bytes; None where they do not tell.

    Raises:
        OSError: it cannot be read.
    """
    with open_file(root, relative) as opened:
        return first_bytes.what_begins(opened.read(first_bytes.LENGTH))


def what_it_is(root: Root, relative: str, expected: str) -> str:
    """Return the end of a message about a file that could not be read: what it seems to be.

    Args:
        root: the root of the file.
        relative: path of the file.
        expected: what it should be, as :func:`sysnoise.transforms.first_bytes.what_begins` says it.

    Returns:
        An empty text where it seems to be that, or where the content does not tell.
    """
    try:
        found = kind_of_file(root, relative)
    except OSError:
        return ""
    return f"; it is {found}" if found not in (None, expected) else ""


def read_file(root: Root, relative: str, most: int | None = None) -> bytes:
    """Return the content of a file of a set.

    Args:
        root: the root of the set.
        relative: path of the file.
        most: length of the longest file that is read, in bytes; where the length is known, that.
            By default the limit of the kind of file: a JSON document, or a table or list.

    Raises:
        FileTooLargeError: the file is longer.
        OSError: it cannot be read.
    """
    path = root.join(relative)
    limit = DOCUMENT_BYTES if relative.endswith(".json") else TABLE_BYTES
    limit = limit if most is None else most
    return call_with_retries(root, "reading", relative, lambda: read_whole(root.fs, path, limit))


def read_if_there(root: Root, relative: str, most: int | None = None) -> bytes | None:
    """Return the content of a file of a set; None where there is none.

    Args and errors are those of :func:`read_file`.
    """
    try:
        return read_file(root, relative, most)
    except FileNotFoundError:
        return None


def read_in_parallel(read: Callable[[Item], Answer], items: Iterable[Item]) -> Iterator[Answer]:
    """Yield what a function reads for each item, in order.

    Some items are read at a time, which helps with remote storage; no more than these are held.
    """
    waiting = iter(items)
    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        while batch := list(itertools.islice(waiting, _PARALLEL_READS)):
            yield from pool.map(read, batch)


def read_range(root: Root, relative: str, start: int, size: int) -> bytes:
    """Return ``size`` bytes of a file, from ``start`` on.

    Raises:
        OSError: they cannot be read, or the file ends before them.
    """
    path = root.join(relative)
    try:
        data = call_with_retries(
            *(root, "reading", relative), lambda: read_part(root.fs, path, start, start + size)
        )
    except OSError as error:
        if isinstance(error.__cause__, NoRangesError):
            raise OSError(f"{root.child(relative)!r}: {error}") from error
        raise
    if len(data) != size:
        raise OSError(
            f"{root.child(relative)!r}: expected {size} bytes from {start} on, found {len(data)}"
        )
    return data


def open_file(root: Root, relative: str) -> io.BufferedReader:
    """Open a file to read parts of it.

    Raises:
        OSError: it cannot be opened.
    """
    path = root.join(relative)
    if is_local(root):
        return open_regular(path)
    opened = call_with_retries(
        *(root, "opening", relative), lambda: root.fs.open(path, "rb", block_size=_READ_AHEAD)
    )
    return io.BufferedReader(_RemoteFile(opened, root, relative))


class _RemoteFile(io.RawIOBase):
    """A remote file opened for reading, with retries of each read."""

    def __init__(self, opened: BinaryIO, root: Root, relative: str) -> None:
        self._opened = opened
        self._root = root
        self._relative = relative
        self._streamed = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._call(lambda: self._opened.seek(offset, whence))

    def tell(self) -> int:
        return self._opened.tell()

    def readinto(self, buffer: Any) -> int:
        data = self._call(lambda: self._opened.read(len(buffer)))
        buffer[: len(data)] = data
        self._streamed += len(data)
        if self._streamed > STREAM_BYTES and getattr(self._opened, "size", None) is None:
            raise FileTooLargeError(STREAM_BYTES)
        return len(data)

    def _call(self, call: Callable[[], Answer]) -> Answer:
        try:
            return call_with_retries(self._root, "reading", self._relative, call)
        except OSError as error:
            raise OSError(explained(error)) from error

    def close(self) -> None:
        self._opened.close()
        super().close()


def modification_time(root: Root, relative: str) -> float | None:
    """Return when a file was last written, in seconds since the epoch; None where unknown.

    Raises:
        OSError: it is not there, or cannot be reached.
    """
    path = root.join(relative)
    try:
        time = call_with_retries(root, "looking for", relative, lambda: root.fs.modified(path))
    except NotImplementedError:
        return None
    except OSError as error:  # call_with_retries raises other errors as its cause.
        if isinstance(error.__cause__, NotImplementedError):
            return None
        raise
    return float(time.timestamp())


def version_of(root: Root, relative: str) -> str:
    """Return a text that changes whenever the file is written again."""
    path = root.join(relative)
    return str(call_with_retries(root, "looking for", relative, lambda: root.fs.ukey(path)))

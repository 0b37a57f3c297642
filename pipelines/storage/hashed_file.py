"""Files that are hashed while they are written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class WrittenFile:
    """A finished file.

    Attributes:
        path: the local path.
        samples: number of samples in it.
        bytes: length of the file.
        sha256: sha256 of the file, in hexadecimal.
    """

    path: str
    samples: int
    bytes: int
    sha256: str


_EMPTY = hashlib.sha256()


_BLOCK = 1 << 18
"""Number of bytes that the system is given at once.

Image by image, the system's copies take three tenths more processor time (Linux 6.18, ext4).
"""

_MOST_PARTS = 1024
"""The largest number of parts of a block (``IOV_MAX`` of Linux and macOS)."""

_WRITE_BEHIND = 1 << 20
"""Number of bytes after which the system is asked to write them to disk and drop its copy."""


class HashedFile:
    """A new binary file that counts and hashes what is written to it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = 0
        self._written = 0
        self._released = 0
        self._pending: list[bytes] = []  # Equal files share them.
        self._digest = _EMPTY  # Never updated in place, so that equal files can share it.
        self._file = open(path, "xb", buffering=0)  # noqa: SIM115 - closed by close()

    @property
    def closed(self) -> bool:
        """Whether the file is closed, as pyarrow asks of a file object."""
        return self._file.closed

    @property
    def sha256(self) -> str:
        """The sha256 of what was written, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, data: bytes | memoryview) -> int:
        """Append bytes (any object with the buffer protocol, which may change afterwards)."""
        own = bytes(data)
        self.append_to_all([self], [own])
        return len(own)

    @staticmethod
    def append_to_all(files: Iterable[HashedFile], parts: Sequence[bytes]) -> None:
        """Append the same parts to several files; those that were equal are hashed once."""
        updated: dict[Any, Any] = {}  # by digest object
        length = sum(map(len, parts))
        for file in files:
            if file._digest not in updated:
                updated[file._digest] = _continued(file._digest, parts)
            file._digest = updated[file._digest]
            file._pending += parts
            file.size += length
            if file.size - file._written >= _BLOCK or len(file._pending) >= _MOST_PARTS:
                file._write_pending()

    def _write_pending(self) -> None:
        while self._pending:
            written = _write_parts(self._file.fileno(), self._pending[:_MOST_PARTS])
            self._pending = _rest(self._pending, written)
            self._written += written
        if self._written - self._released >= _WRITE_BEHIND:
            self._release()

    def _release(self) -> None:
        """Ask the system to write the data to disk and to drop it from the page cache.

        Shards are not read again, except for the upload of a remote set. Otherwise they would fill
        the memory and be written only when the shard closes, which would wait for all of them.
        """
        if hasattr(os, "posix_fadvise"):  # macOS and Windows do not have it.
            os.posix_fadvise(self._file.fileno(), 0, self._written, os.POSIX_FADV_DONTNEED)
        self._released = self._written

    def tell(self) -> int:
        """Return the number of bytes written."""
        return self.size

    def flush(self) -> None:
        """Hand everything to the system, and ask it to begin to write it to disk."""
        self._write_pending()
        self._release()

    def close(self) -> None:
        """Sync to disk and close; further calls do nothing."""
        if not self._file.closed:
            self._write_pending()
            os.fsync(self._file.fileno())
            self._release()
            self._file.close()

    def describe(self, samples: int) -> WrittenFile:
        """Describe the closed file."""
        return WrittenFile(self.path, samples, self.size, self.sha256)


def close_all(files: Sequence[HashedFile]) -> None:
    """Sync several files to disk and close them; all are being written while the first is synced.

    One after the other, each would wait for a commit of its own of the file system's journal.
    """
    for file in files:
        file.flush()
    for file in files:
        file.close()


def _write_parts(descriptor: int, parts: Sequence[bytes]) -> int:
    """Write parts, or only the first bytes of them; return how many bytes these are."""
    if hasattr(os, "writev"):  # Windows does not have it.
        return os.writev(descriptor, parts)
    return os.write(descriptor, b"".join(parts))


def _continued(digest: Any, parts: Iterable[bytes]) -> Any:
    """Return the digest of what was hashed and some more."""
    continued = digest.copy()
    for part in parts:
        continued.update(part)
    return continued


def _rest(parts: Sequence[bytes], written: int) -> list[bytes]:
    """Return what is left of parts whose first bytes were written."""
    for number, part in enumerate(parts):
        if written < len(part):
            return [part[written:], *parts[number + 1 :]]
        written -= len(part)
    return []

"""Files that are hashed while they are written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
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


_WRITE_BEHIND = 1 << 20
"""Number of bytes after which the system is asked to write them to disk and drop its copy."""


class HashedFile:
    """A new binary file that counts and hashes what is written to it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = 0
        self._released = 0
        self._digest = _EMPTY  # Never updated in place, so that equal files can share it.
        self._file = open(path, "xb")  # noqa: SIM115 - closed by close()

    @property
    def closed(self) -> bool:
        """Whether the file is closed, as pyarrow asks of a file object."""
        return self._file.closed

    @property
    def sha256(self) -> str:
        """The sha256 of what was written, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> int:
        """Append bytes (any object with the buffer protocol)."""
        return self.append_to_all([self], data)

    @staticmethod
    def append_to_all(files: Iterable[HashedFile], data: bytes) -> int:
        """Append the same bytes to several files; those that were equal are hashed once."""
        updated: dict[Any, Any] = {}  # by digest object
        written = 0
        for file in files:
            if file._digest not in updated:
                updated[file._digest] = file._digest.copy()
                updated[file._digest].update(data)
            file._digest = updated[file._digest]
            written = file._file.write(data)
            file.size += written
            if file.size - file._released >= _WRITE_BEHIND:
                file._release()
        return written

    def _release(self) -> None:
        """Ask the system to write the data to disk and to drop it from the page cache.

        Shards are not read again, except for the upload of a remote set. Otherwise they would fill
        the memory and be written only when the shard closes, which would wait for all of them.
        """
        if hasattr(os, "posix_fadvise"):  # Not on macOS.
            os.posix_fadvise(self._file.fileno(), 0, self.size, os.POSIX_FADV_DONTNEED)
        self._released = self.size

    def tell(self) -> int:
        """Return the number of bytes written."""
        return self.size

    def flush(self) -> None:
        """Hand buffered bytes to the system."""
        self._file.flush()

    def close(self) -> None:
        """Sync to disk and close; further calls do nothing."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._release()
            self._file.close()

    def describe(self, samples: int) -> WrittenFile:
        """Describe the closed file."""
        return WrittenFile(self.path, samples, self.size, self.sha256)

"""Reading a file forward while its bytes are counted and hashed."""

from __future__ import annotations

import hashlib
import io
from typing import IO

from sysnoise.pipelines.verification.checked_file import ContentError

BLOCK = 1 << 20
"""Number of bytes that are read at a time."""


class HashingReader:
    """Reads a file forward, and counts and hashes what passes.

    After :meth:`drain`, the file may be read in any order.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.size = 0
        self._digest = hashlib.sha256()
        self._is_drained = False
        self._length = file.seek(0, io.SEEK_END)
        file.seek(0)

    def read(self, size: int = BLOCK) -> bytes:
        """Return up to ``size`` bytes; none at the end."""
        data = self.file.read(size)
        self.size += len(data)
        self._digest.update(data)
        return data

    def read_exactly(self, size: int, what: str) -> bytes:
        """Return ``size`` bytes, of which the file must have so many.

        Raises:
            ContentError: the file ends before; ``what`` names what is read.
        """
        self._refuse_end(size, what)
        return self.read(size) if size else b""

    def skip(self, size: int, what: str) -> None:
        """Read ``size`` bytes, without holding them all.

        Raises:
            ContentError: as :meth:`read_exactly`.
        """
        self._refuse_end(size, what)
        while size and (data := self.read(min(size, BLOCK))):
            size -= len(data)

    def _refuse_end(self, size: int, what: str) -> None:
        if size > self._length - self.size:
            raise ContentError(f"it ends within {what}")

    def drain(self) -> None:
        """Read to the end; further calls do nothing."""
        while not self._is_drained:
            self._is_drained = not self.read()

    @property
    def sha256(self) -> str:
        """The sha256 of what was read, in hexadecimal."""
        return self._digest.hexdigest()

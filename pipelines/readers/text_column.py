"""A column of long texts that waits in a temporary file, not in memory."""

from __future__ import annotations

import itertools
import tempfile
import weakref
from array import array
from collections.abc import Iterable

import pyarrow as pa

from sysnoise.pipelines.errors import CommandError


class TextColumn:
    """A column of a table, in the order of its rows.

    All annotations of COCO's train2017 have 400 MB. The file has no name, and goes with the column.
    """

    def __init__(self, texts: Iterable[bytes]) -> None:
        """Write the texts, in UTF-8, to a temporary file.

        Raises:
            CommandError: it cannot be written.
        """
        self._ends = array("q", [0])
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the column is.
            for text in texts:
                self._ends.append(self._ends[-1] + self._file.write(text))
            self._file.flush()
        except OSError as error:
            raise CommandError(
                f"writing a temporary file in {tempfile.gettempdir()!r}: {error}; set TMPDIR to a "
                "folder with more space"
            ) from error
        weakref.finalize(self, self._file.close)

    def read(self, start: int, stop: int) -> pa.Array | pa.ChunkedArray:
        """Return the texts of some rows."""
        ends = self._ends[start : stop + 1]
        self._file.seek(ends[0])
        texts = [self._file.read(end - begin) for begin, end in itertools.pairwise(ends)]
        return pa.array(texts, pa.string())

"""Copying a file of a set to a local one, which goes on where a connection broke."""

from __future__ import annotations

import logging
import os
from typing import BinaryIO

from sysnoise.manifests.bounded import PIECE_BYTES, open_regular, read_part
from sysnoise.manifests.secrets import without_secrets
from sysnoise.manifests.web import BLOCK_BYTES, NoRangesError, append_from_web
from sysnoise.pipelines.storage.retries import is_transient, with_retries
from sysnoise.pipelines.storage.root import Root, is_http, is_local

PROGRESS_BYTES = 1 << 20
"""Number of bytes that must arrive between two breaks, lest the second count as a failure."""


def download(root: Root, relative: str, local: str, most: int) -> bool:
    """Copy a file of a set to a new local file, and sync that.

    When a connection breaks, what has arrived is kept and only the rest is asked for; a server that
    sends only whole files starts again.

    Args:
        root: the root of the set.
        relative: path of the file.
        local: path of the new file.
        most: length of the file in bytes, or a limit where that is not known; no byte more is read.

    Returns:
        Whether the file was put together from parts of several answers.

    Raises:
        OSError: the file cannot be read or written.
    """
    with open(local, "w+b") as opened:
        answers = 1
        if is_local(root):
            _append_local(root.join(relative), opened, most)
        else:
            work = f"reading {root.child(relative)!r}"
            parts = _Parts(root, relative, opened, most)
            while not with_retries(work, parts.append):
                place = without_secrets(work)
                logging.getLogger(__name__).warning(
                    "%s broke off; going on at byte %d", place, opened.tell()
                )
            answers = parts.answers
        opened.flush()
        os.fsync(opened.fileno())
    return answers > 1


def _append_local(path: str, opened: BinaryIO, most: int) -> None:
    with open_regular(path) as source:
        while data := source.read(min(BLOCK_BYTES, most - opened.tell())):
            opened.write(data)


class _Parts:
    """The parts of a remote file, which are appended to a local one."""

    def __init__(self, root: Root, relative: str, opened: BinaryIO, most: int) -> None:
        self._root = root
        self._path = root.join(relative)
        self._opened = opened
        self._most = most
        self.answers = 0

    def append(self) -> bool:
        """Append what has not arrived; return whether the file is complete.

        Raises:
            Exception: the connection broke before much arrived, or there is another problem.
        """
        before = self._opened.tell()
        self.answers += 1
        try:
            self._append_rest()
        except Exception as error:
            if is_transient(error) and self._opened.tell() - before >= PROGRESS_BYTES:
                return False
            raise
        return True

    def _append_rest(self) -> None:
        if not is_http(self._root):
            self._append_pieces()
            return
        file = self._root.fs, self._path, self._opened
        try:
            append_from_web(*file, (self._opened.tell(), self._most))
        except NoRangesError:
            self._opened.seek(0)
            self._opened.truncate()
            append_from_web(*file, (0, self._most))

    def _append_pieces(self) -> None:
        while (start := self._opened.tell()) < self._most:
            stop = min(start + PIECE_BYTES, self._most)
            data = read_part(self._root.fs, self._path, start, stop)
            self._opened.write(data)
            if len(data) < stop - start:
                return

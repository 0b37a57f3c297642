"""Checking one file of a set: its length and sha256, and its content.

A file is read once; the checked columns of a Parquet file are read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sysnoise.manifests.files import FileRow
from sysnoise.pipelines.storage.reading import open_file
from sysnoise.pipelines.storage.root import Root
from sysnoise.pipelines.verification.checked_file import (
    CheckedFile,
    FileProblem,
    FilesBySha256,
    collected,
    unreadable_file,
)
from sysnoise.pipelines.verification.hashing import HashingReader

UNKNOWN_LENGTH = -1
"""The length of a file in a row that was not read from a files table."""

Scan = Callable[[HashingReader], Iterator[str]]
"""Reads the content of a file, and yields what is wrong with it."""


def check_file(
    root: Root, row: FileRow, files_by_sha256: FilesBySha256, scan: Scan | None = None
) -> CheckedFile:
    """Read a file of a set and compare it with its row of the files table.

    Args:
        root: the root of the set.
        row: the row of the file in the files table.
        files_by_sha256: rows of the stored files of the set, by the sha256 of their bytes.
        scan: checks the content; None where only the bytes are checked.
    """
    try:
        with open_file(root, row.path) as opened:
            reader = HashingReader(opened)
            messages = collected(scan(reader)) if scan else []
            reader.drain()
    except Exception as error:  # noqa: BLE001 - file systems raise whatever they like.
        return unreadable_file(row.path, error)
    wrong = byte_messages(row.bytes, row.sha256, reader.size, reader.sha256)
    messages = other_file(row, reader.sha256, files_by_sha256) or [*wrong, *messages]
    problems = tuple(FileProblem(row.path, message) for message in messages)
    return CheckedFile(row.path, reader.size, reader.sha256, problems)


def other_file(row: FileRow, sha256: str, files_by_sha256: FilesBySha256) -> list[str]:
    """Return a message if a file has the bytes of another file of the set.

    Of several files, one of the same variant is preferred.
    """
    others = files_by_sha256.get(sha256, ())
    if sha256 == row.sha256 or not others:
        return []
    nearest = min(others, key=lambda other: other.variant != row.variant)
    return [f"holds the bytes of {nearest.path!r}"]


def byte_messages(size: int, sha256: str, found_size: int, found_sha256: str) -> list[str]:
    """Return a message if a file's length, or else its sha256, is not the expected one."""
    if size not in (found_size, UNKNOWN_LENGTH):
        return [f"has {found_size} bytes, expected {size}"]
    if found_sha256 != sha256:
        return [f"its sha256 is {found_sha256}, expected {sha256}"]
    return []

"""A file that was checked, and the problems that were found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sysnoise.manifests.files import FileRow

MISSING = "missing"
"""The message for a file that is not there."""


@dataclass(frozen=True, order=True)
class FileProblem:
    """Something that differs from what the set says.

    Attributes:
        path: path of the file, relative to the root of the set.
        message: what was expected and found.
    """

    path: str
    message: str


FilesBySha256 = Mapping[str, Sequence[FileRow]]
"""Rows of the stored files, by the sha256 of their bytes."""


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file that was checked.

    Attributes:
        path: path of the file, relative to the root of the set.
        bytes: number of bytes that were read.
        sha256: sha256 of the file, in hexadecimal; empty where it could not be read.
        problems: problems of the file, and those of other files that it shows.
    """

    path: str
    bytes: int
    sha256: str
    problems: tuple[FileProblem, ...]


def checked_file(
    path: str, data: bytes, messages: Sequence[str], others: Sequence[FileProblem] = ()
) -> CheckedFile:
    """Return a file that was read whole, with its problems and those of other files."""
    problems = (*(FileProblem(path, message) for message in messages), *others)
    return CheckedFile(path, len(data), hashlib.sha256(data).hexdigest(), problems)


def unreadable_file(path: str, error: OSError) -> CheckedFile:
    """Return a file that is there but cannot be read."""
    return CheckedFile(path, 0, "", (FileProblem(path, f"cannot be read: {error}"),))

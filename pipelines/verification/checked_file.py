"""A file that was checked, the problems that were found, and what becomes of exceptions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sysnoise.manifests.files import FileRow
from sysnoise.transforms.errors import plain_message

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


def collected(messages: Iterable[str]) -> list[str]:
    """Return the messages of a check of one file; an exception that ends the check is one more.

    This is the only place that decides what becomes of exceptions while the content of a file is
    read. Arrow, codecs and file systems raise whatever they like on damaged data, and no other
    finding may be lost for that. The message names the exception, so that a defect of the check
    itself shows too.
    """
    found = []
    try:
        for message in messages:
            found.append(message)  # noqa: PERF402 - those before an exception are kept.
    except Exception as error:  # noqa: BLE001 - see above.
        found.append(f"cannot be read: {described(error)}")
    return found


def described(error: Exception) -> str:
    """Return an exception with its class; the message alone where the check itself raised it."""
    if isinstance(error, ContentError):
        return str(error)
    return plain_message(ValueError(repr(error)))


class ContentError(ValueError):
    """Content for which a file has no place; what follows it in the file cannot be checked."""


def checked_file(
    path: str, data: bytes, messages: Sequence[str], others: Sequence[FileProblem] = ()
) -> CheckedFile:
    """Return a file that was read whole, with its problems and those of other files."""
    problems = (*(FileProblem(path, message) for message in messages), *others)
    return CheckedFile(path, len(data), hashlib.sha256(data).hexdigest(), problems)


def unreadable_file(path: str, error: Exception) -> CheckedFile:
    """Return a file that is there but cannot be read."""
    return CheckedFile(path, 0, "", (FileProblem(path, f"cannot be read: {error}"),))

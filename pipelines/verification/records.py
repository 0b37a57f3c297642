"""What the checks of a set pass to each other."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sysnoise.manifests.tables import FILES_SCHEMA

MISSING = "missing"

Manifest = Mapping[str, Any]
"""A parsed manifest that follows its schema."""


@dataclass(frozen=True, order=True)
class FileProblem:
    """Something that is not as the set says.

    Attributes:
        path: of the file, relative to the root of the set.
        message: what was expected and found.
    """

    path: str
    message: str


class Depth(Enum):
    """How far files are looked into."""

    FILES = "files"
    PIXELS = "pixels"


@dataclass(frozen=True)
class CheckedPart:
    """The part of a set that is checked.

    Attributes:
        variants: their ids.
        held: ids of all variants whose images the set holds.
        shards: their numbers.
        is_whole: whether it is all that the set holds.
    """

    variants: frozenset[str]
    held: frozenset[str]
    shards: range
    is_whole: bool


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row of the files table; the columns are those of :data:`FILES_SCHEMA`."""

    path: str
    variant: str | None
    shard: int | None
    format: str
    samples: int | None
    bytes: int
    sha256: str
    same_as: str | None


def needed_files(rows: Sequence[FileRow], variants: Collection[str]) -> list[FileRow]:
    """Return the rows of the stored files that some variants need, and of those of no variant.

    A file that was left out as a duplicate stands for the one that has its bytes.
    """
    mine = [row for row in rows if row.variant is None or row.variant in variants]
    paths = {row.same_as or row.path for row in mine}
    return [row for row in rows if row.path in paths and row.same_as is None]


Holders = Mapping[str, Sequence[FileRow]]
"""By sha256, the rows of the stored files that have these bytes."""


def file_row(row: Mapping[str, Any]) -> FileRow:
    """Return a row of the files table, or of a receipt with its shard added."""
    columns: dict[str, Any] = {name: row.get(name) for name in FILES_SCHEMA.names}
    return FileRow(**columns)


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that was read.

    Attributes:
        path: relative to the root of the set.
        bytes: its length.
        sha256: in hexadecimal; empty where the file could not be read.
        problems: of the file, and what it shows of others.
    """

    path: str
    bytes: int
    sha256: str
    problems: tuple[FileProblem, ...]


def checked(
    path: str, data: bytes, messages: Sequence[str], others: Sequence[FileProblem] = ()
) -> Checked:
    """Return what is wrong with a file that was read whole, and what it shows of others."""
    problems = (*(FileProblem(path, message) for message in messages), *others)
    return Checked(path, len(data), hashlib.sha256(data).hexdigest(), problems)


def unreadable(path: str, error: OSError) -> Checked:
    """Return that a file is there but cannot be read."""
    return Checked(path, 0, "", (FileProblem(path, f"cannot be read: {error}"),))

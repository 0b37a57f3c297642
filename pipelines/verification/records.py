"""What the checks of a set pass to each other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from sysnoise.manifests.files import FileRow

MISSING = "missing"


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


Holders = Mapping[str, Sequence[FileRow]]
"""By sha256, the rows of the stored files that have these bytes."""


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

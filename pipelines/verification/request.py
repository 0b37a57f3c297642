"""What is to be verified: which part of a set, and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sysnoise.pipelines.planning.ranges import Range


class Depth(Enum):
    """How much of the files is checked: their bytes and samples, or their pixels too."""

    FILES = "files"
    PIXELS = "pixels"


@dataclass(frozen=True)
class Regeneration:
    """Samples that are made again.

    Attributes:
        samples: number of samples, which are chosen at random.
        images: what the set was made from, as it was given then.
    """

    samples: int
    images: str


@dataclass(frozen=True)
class VerificationRequest:
    """What a user wants to have checked.

    Attributes:
        variants: ids of the variants; empty for all.
        shards: range of the shards; None for all.
        depth: how much of the files is checked.
        regeneration: the samples that are made again; None for none.
        recipe: path or fsspec URL of another set that must have the same files; None for none.
    """

    variants: tuple[str, ...] = ()
    shards: Range | None = None
    depth: Depth = Depth.FILES
    regeneration: Regeneration | None = None
    recipe: str | None = None


@dataclass(frozen=True)
class CheckedPart:
    """The part of a set that is checked.

    Attributes:
        variants: ids of the variants.
        held: ids of all variants whose images the set holds.
        shards: numbers of the shards.
        is_whole: whether the part is all that the set holds.
    """

    variants: frozenset[str]
    held: frozenset[str]
    shards: range
    is_whole: bool

"""Images that a reader found, before they have labels and keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import Any


@dataclass(frozen=True)
class FoundImages:
    """Images, and where they are.

    Attributes:
        names: path of each image below the root, or in its archive.
        columns: other columns of :data:`sysnoise.pipelines.readers.sources.SOURCES_SCHEMA` that say
            where they are; empty for images that are files.
        classes: number, wnid or name of the class of each image, where the archive says it.
        left_out: paths of files that are not named like images.
    """

    names: list[str]
    columns: dict[str, list[Any]] = field(default_factory=dict)
    classes: list[str] | None = None
    left_out: list[str] = field(default_factory=list)

    def only(self, chosen: Sequence[bool]) -> FoundImages:
        """Return the images that are chosen."""
        if all(chosen):
            return self
        return FoundImages(
            list(compress(self.names, chosen)),
            {name: list(compress(values, chosen)) for name, values in self.columns.items()},
            None if self.classes is None else list(compress(self.classes, chosen)),
            self.left_out,
        )

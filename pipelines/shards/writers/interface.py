"""The interface of shard writers, and the sample that they are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sysnoise.manifests.tables import GeometryRow, Targets
from sysnoise.pipelines.storage.hashed_file import WrittenFile


@dataclass(frozen=True)
class SampleMetadata:
    """What is stored besides the pixels of a sample, the same for all variants of a geometry.

    Attributes:
        key: the sample's key.
        source_name: what the source calls the image.
        source_sha256: sha256 of the source file, in hexadecimal.
        targets: ``label``, ``wnid`` and ``class_name``, or ``image_id``; null where unknown.
        geometry: ``geometry`` and, in grids that apply EXIF, ``geometry_exif``.
        annotations: COCO objects in output pixels; None for ImageNet.
    """

    key: str
    source_name: str
    source_sha256: str
    targets: Targets
    geometry: Mapping[str, GeometryRow]
    annotations: Sequence[Mapping[str, Any]] | None


Samples = Mapping[str, SampleMetadata]
"""One sample in each geometry of a grid, by the geometry's name."""


class ShardWriter(Protocol):
    """Writes the files of one shard, one per variant, with the same samples in the same order."""

    def write(self, samples: Samples, images: Sequence[bytes]) -> None:
        """Append a sample; ``images`` has the encoded image of each variant, in order."""

    def close(self) -> list[WrittenFile]:
        """Finish and sync all files, and describe them in the order of the variants."""

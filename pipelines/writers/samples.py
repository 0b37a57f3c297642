"""A sample as the writers take it, and the files they give back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Sample:
    """What is stored beside the pixels of a sample; the same for all variants.

    Attributes:
        key: the sample's key.
        source_name: what the source calls the image.
        source_sha256: of the source file, in hexadecimal.
        targets: ``label``, ``wnid`` and ``class_name``, or ``image_id``; null where unknown.
        geometry: ``geometry`` and, in grids that apply EXIF, ``geometry_exif``.
        annotations: COCO objects in output pixels; none for ImageNet.
    """

    key: str
    source_name: str
    source_sha256: str
    targets: Mapping[str, Any]
    geometry: Mapping[str, Mapping[str, Any]]
    annotations: Sequence[Mapping[str, Any]] | None


@dataclass(frozen=True)
class WrittenFile:
    """A finished file: its number of samples, its length and its sha256 in hexadecimal."""

    path: str
    samples: int
    bytes: int
    sha256: str


class ShardWriter(Protocol):
    """Writes the files of one shard, one a variant, with the same samples in the same order."""

    def write(self, sample: Sample, images: Sequence[bytes]) -> None:
        """Append a sample; ``images`` has the encoded image of each variant, in order."""

    def close(self) -> list[WrittenFile]:
        """Finish and sync all files, and describe them in the order of the variants."""


class HashedFile:
    """A new binary file that counts and hashes what is written to it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = 0
        self._digest = hashlib.sha256()
        self._file = open(path, "xb", buffering=1 << 18)  # noqa: SIM115 - closed by close()

    @property
    def closed(self) -> bool:
        """Whether the file is closed, as pyarrow asks of a file object."""
        return self._file.closed

    def write(self, data: bytes) -> int:
        """Append bytes (any object with the buffer protocol)."""
        self._digest.update(data)
        written = self._file.write(data)
        self.size += written
        return written

    def tell(self) -> int:
        """Return the number of bytes written."""
        return self.size

    def flush(self) -> None:
        """Hand buffered bytes to the system."""
        self._file.flush()

    def close(self) -> None:
        """Sync to disk and close; further calls do nothing."""
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def describe(self, samples: int) -> WrittenFile:
        """Describe the closed file."""
        return WrittenFile(self.path, samples, self.size, self._digest.hexdigest())

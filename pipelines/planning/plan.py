"""The plan of a run: which samples stand in which shard, and everything that decides their bytes.

The plan is written before any pixel is touched. Its fingerprint stands in every receipt.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sysnoise.manifests.checksums import plan_fingerprint
from sysnoise.manifests.layout import MAX_PIXELS, PLAN, SOURCES, ShardFormat, shard_name
from sysnoise.manifests.tables import (
    DatasetKind,
    Duplicates,
    UnsupportedKinds,
)
from sysnoise.pipelines.errors import OutputError
from sysnoise.pipelines.readers.sources import ClassInfo, SourceSet, source_fingerprint
from sysnoise.pipelines.storage.commit import new_file, write_file
from sysnoise.pipelines.storage.json_files import json_bytes
from sysnoise.pipelines.storage.reading import open_file, read_file, version_of
from sysnoise.pipelines.storage.root import Root
from sysnoise.transforms.codecs.encoders import ENCODERS
from sysnoise.transforms.errors import GridError
from sysnoise.transforms.grid import Grid
from sysnoise.transforms.grid_document import grid_from_document
from sysnoise.transforms.methods import get_method, identity
from sysnoise.transforms.pixels import Size

PLAN_VERSION = 1
SAMPLES_PER_SHARD = {DatasetKind.IMAGENET: 256, DatasetKind.COCO: 16}
NOMINAL_SIZE = Size(640, 480)
"""Source size from which the length of Parquet row groups is estimated."""


@dataclass(frozen=True)
class PlanOptions:
    """What a user may choose beside dataset and grid.

    Attributes:
        formats: of the shard files; none for a set without images.
        image_format: a name of :data:`sysnoise.transforms.codecs.encoders.ENCODERS`.
        samples_per_shard: by default 256 for ImageNet and 16 for COCO.
        unsupported, duplicates, max_pixels: as in :class:`Plan`.
    """

    formats: tuple[ShardFormat, ...] = (ShardFormat.WEBDATASET,)
    image_format: str = "png"
    samples_per_shard: int | None = None
    unsupported: UnsupportedKinds = UnsupportedKinds.FALLBACK
    duplicates: Duplicates = Duplicates.STORE
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True)
class Plan:
    """Everything that decides the bytes of a set, but the images themselves.

    Attributes:
        kind, split: of the dataset.
        samples: number of source images.
        samples_per_shard: shard ``i`` holds the samples from ``i * samples_per_shard`` on.
        formats: of the shard files; none for a set without images.
        image_format: of the images in them.
        row_group_rows: length of the row groups of Parquet shards.
        grid: the grid.
        classes: ImageNet's classes by label, as far as the source knows them.
        coco: ``info``, ``licenses`` and ``categories`` of a COCO file.
        source_sha256: fingerprint of the table of sources.
        identities: of every method, by axis and name, and of the encoder.
        unsupported: what becomes of kinds of files that a decoder is not made for.
        duplicates: what becomes of shard files that equal those of an earlier variant.
        max_pixels: images that are larger, as stored or as resized, are rejected undecoded.
    """

    kind: DatasetKind
    split: str
    samples: int
    samples_per_shard: int
    formats: tuple[ShardFormat, ...]
    image_format: str
    row_group_rows: int
    grid: Grid
    classes: tuple[ClassInfo, ...]
    coco: Mapping[str, Any]
    source_sha256: str
    identities: Mapping[str, Mapping[str, Any]]
    unsupported: UnsupportedKinds
    duplicates: Duplicates
    max_pixels: int

    @property
    def shards(self) -> int:
        """Number of shards."""
        return math.ceil(self.samples / self.samples_per_shard)

    def shard_size(self, shard: int) -> int:
        """Number of source images of a shard."""
        return min(self.samples_per_shard, self.samples - shard * self.samples_per_shard)

    def shard_name(self, shard: int) -> str:
        """Return ``00003-of-00196``."""
        return shard_name(shard, self.shards)

    @functools.cached_property
    def fingerprint(self) -> str:
        """The sha256, in hexadecimal, of everything but the grid's name."""
        return plan_fingerprint(self._document())

    def document(self) -> dict[str, Any]:
        """Return the plan as a JSON-compatible mapping."""
        return {**self._document(), "fingerprint": self.fingerprint}

    def _document(self) -> dict[str, Any]:
        return {
            "version": PLAN_VERSION,
            "dataset": self.kind.value,
            "split": self.split,
            "samples": self.samples,
            "samples_per_shard": self.samples_per_shard,
            "shards": self.shards,
            "formats": [shard_format.value for shard_format in self.formats],
            "image_format": self.image_format,
            "row_group_rows": self.row_group_rows,
            "grid": self.grid.document(),
            "classes": [{"wnid": info.wnid, "name": info.name} for info in self.classes],
            "coco": dict(self.coco),
            "source_sha256": self.source_sha256,
            "identities": {name: dict(value) for name, value in self.identities.items()},
            "unsupported": self.unsupported.value,
            "duplicates": self.duplicates.value,
            "max_pixels": self.max_pixels,
        }


def current_identities(grid: Grid, image_format: str) -> dict[str, Any]:
    """Return the identities of a grid's methods and of the encoder, as this process has them."""
    encoder = get_method(ENCODERS, "image format", image_format)
    return {**grid.identities(), "encoder": identity(encoder)}


def make_plan(source: SourceSet, grid: Grid, settings: PlanOptions) -> Plan:
    """Fix the shards of a run."""
    per_shard = settings.samples_per_shard or SAMPLES_PER_SHARD[source.kind]
    width, height = grid.place(NOMINAL_SIZE, "").output
    return Plan(
        kind=source.kind,
        split=source.split,
        samples=source.table.num_rows,
        samples_per_shard=per_shard,
        formats=settings.formats,
        image_format=settings.image_format,
        row_group_rows=row_group_rows(len(grid.variants), width * height, per_shard),
        grid=grid,
        classes=source.classes,
        coco=source.coco,
        source_sha256=source_fingerprint(source.table),
        identities=current_identities(grid, settings.image_format),
        unsupported=settings.unsupported,
        duplicates=settings.duplicates,
        max_pixels=settings.max_pixels,
    )


def write_plan(plan: Plan, table: pa.Table, output: Root) -> None:
    """Write ``sources.parquet``, a row group a shard, and then ``plan.json``.

    Raises:
        OutputError: they cannot be written.
    """
    with new_file(output, SOURCES) as file:
        pq.write_table(
            table,
            file,
            row_group_size=plan.samples_per_shard,
            compression="zstd",
            write_statistics=["key"],  # Those of JSON texts would be most of the file's footer.
        )
    write_file(output, PLAN, json_bytes(plan.document()))


def load_plan(output: Root) -> Plan:
    """Read the plan of an output.

    Raises:
        OSError: there is none.
        OutputError: it is no plan, or of another version of this software.
        GridError: a method of its grid is not installed here.
    """
    data = read_file(output, PLAN)
    try:
        return plan_from_document(json.loads(data))
    except GridError:
        raise  # A method that is not installed here, say.
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"reading {PLAN} of {output.url!r}: {error}; use the version of sysnoise that made it"
        ) from error


def plan_from_document(document: Mapping[str, Any]) -> Plan:
    """Read what :meth:`Plan.document` gives.

    Raises:
        ValueError: another version of this software wrote it.
    """
    if document["version"] != PLAN_VERSION:
        raise ValueError(f"expected a plan of version {PLAN_VERSION}, found {document['version']}")
    return Plan(
        kind=DatasetKind(document["dataset"]),
        split=document["split"],
        samples=document["samples"],
        samples_per_shard=document["samples_per_shard"],
        formats=tuple(ShardFormat(value) for value in document["formats"]),
        image_format=document["image_format"],
        row_group_rows=document["row_group_rows"],
        grid=grid_from_document(document["grid"], "grid"),
        classes=tuple(ClassInfo(**info) for info in document["classes"]),
        coco=document["coco"],
        source_sha256=document["source_sha256"],
        identities=document["identities"],
        unsupported=UnsupportedKinds(document["unsupported"]),
        duplicates=Duplicates(document["duplicates"]),
        max_pixels=document["max_pixels"],
    )


def read_sources(output: Root, shard: int) -> list[dict[str, Any]]:
    """Return the rows of the table of sources that belong to a shard, in key order.

    Raises:
        OutputError: the table cannot be read.
    """
    try:
        metadata = _sources_metadata(output, version_of(output, SOURCES))
        with open_file(output, SOURCES) as opened:
            file = pq.ParquetFile(opened, metadata=metadata)
            rows: list[dict[str, Any]] = file.read_row_group(shard).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise OutputError(
            f"reading {SOURCES} of {output.url!r}: {error}; run the command again, which writes it"
        ) from error
    return rows


@functools.lru_cache(maxsize=1)
def _sources_metadata(output: Root, version: str) -> pq.FileMetaData:
    """Read where the shards stand in the table of sources: megabytes for thousands of shards.

    Args:
        output: of the run.
        version: of the table, so that another one is read anew.
    """
    with open_file(output, SOURCES) as opened:
        return pq.ParquetFile(opened).metadata


ROW_GROUP_BYTES = 128 << 20
"""Raw pixels, over all variants, of the samples that wait for a row group."""


def row_group_rows(variants: int, pixels: int, samples_per_shard: int) -> int:
    """Return the length of row groups, from the number of variants and output pixels an image."""
    rows = ROW_GROUP_BYTES // (variants * pixels * 3)
    return max(1, min(rows, samples_per_shard))

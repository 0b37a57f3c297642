"""Making a plan, and the files of an output that hold it: ``plan.json`` and ``sources.parquet``."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from sysnoise.manifests.json_documents import DocumentError, json_bytes
from sysnoise.manifests.layout import MAX_BYTES, MAX_PIXELS, PLAN, SOURCES, ShardFormat
from sysnoise.manifests.plan import (
    PLAN_VERSION,
    Identities,
    Plan,
    plan_fingerprint,
    read_plan,
    shard_count,
)
from sysnoise.manifests.tables import DatasetKind, Duplicates, UnsupportedKinds
from sysnoise.pipelines.errors import InputError, OutputError, quoted
from sysnoise.pipelines.readers.sources import (
    BATCH_ROWS,
    SOURCES_SCHEMA,
    Source,
    SourceSet,
    outside_places,
    source_fingerprint,
)
from sysnoise.pipelines.storage.commit import new_file, write_file
from sysnoise.pipelines.storage.reading import open_file, read_file, version_of
from sysnoise.pipelines.storage.root import Root
from sysnoise.transforms.codecs.encoders import ENCODERS
from sysnoise.transforms.grid import Grid
from sysnoise.transforms.methods import get_method, identity
from sysnoise.transforms.pixels import Size

SAMPLES_PER_SHARD = {DatasetKind.IMAGENET: 256, DatasetKind.COCO: 16}
"""Default number of samples per shard."""

NOMINAL_SIZE = Size(640, 480)
"""Width and height of a source image, from which the length of Parquet row groups is estimated."""

ROW_GROUP_BYTES = 128 << 20
"""Bytes of raw pixels, over all variants, of the samples that wait for a row group."""

PLACEHOLDER_FINGERPRINT = "0" * 64
"""The fingerprint of a plan whose fingerprint is still to be computed."""


@dataclass(frozen=True)
class PlanOptions:
    """What a user may choose besides dataset and grid.

    Attributes:
        formats: formats of the shard files; empty for a set without images.
        image_format: a name of ``ENCODERS``.
        samples_per_shard: number of samples per shard; by default 256 for ImageNet and 16 for COCO.
        unsupported, duplicates, max_pixels, max_bytes: as in :class:`sysnoise.manifests.plan.Plan`.
    """

    formats: tuple[ShardFormat, ...] = (ShardFormat.WEBDATASET,)
    image_format: str = "png"
    samples_per_shard: int | None = None
    unsupported: UnsupportedKinds = UnsupportedKinds.FALLBACK
    duplicates: Duplicates = Duplicates.STORE
    max_pixels: int = MAX_PIXELS
    max_bytes: int = MAX_BYTES


def current_identities(grid: Grid, image_format: str) -> Identities:
    """Return the identities of a grid's methods and of the encoder, as this process has them."""
    encoder = get_method(ENCODERS, "image format", image_format)
    document = {**grid.identities(), "encoder": identity(encoder)}
    return msgspec.convert(document, Identities)


def make_plan(source: SourceSet, grid: Grid, options: PlanOptions) -> Plan:
    """Fix the shards of a run."""
    per_shard = options.samples_per_shard or SAMPLES_PER_SHARD[source.kind]
    width, height = grid.place(NOMINAL_SIZE, "").output
    samples = source.table.num_rows
    plan = Plan(
        version=PLAN_VERSION,
        kind=source.kind,
        split=source.split,
        samples=samples,
        samples_per_shard=per_shard,
        shards=shard_count(samples, per_shard),
        formats=options.formats,
        image_format=options.image_format,
        row_group_rows=row_group_rows(len(grid.variants), width * height, per_shard),
        grid_document=grid.document(),
        classes=source.classes,
        coco=dict(source.coco),
        source_sha256=source_fingerprint(source.batches(BATCH_ROWS)),
        identities=current_identities(grid, options.image_format),
        unsupported=options.unsupported,
        duplicates=options.duplicates,
        max_pixels=options.max_pixels,
        max_bytes=options.max_bytes,
        image_column=source.image_column,
        fingerprint=PLACEHOLDER_FINGERPRINT,
    )
    return msgspec.structs.replace(plan, fingerprint=plan_fingerprint(plan.document()))


def row_group_rows(variants: int, pixels: int, samples_per_shard: int) -> int:
    """Return the length of row groups.

    Args:
        variants: number of variants.
        pixels: number of output pixels per image.
        samples_per_shard: number of samples per shard.
    """
    rows = ROW_GROUP_BYTES // (variants * pixels * 3)
    return max(1, min(rows, samples_per_shard))


def write_plan(plan: Plan, source: SourceSet, output: Root) -> None:
    """Write ``sources.parquet``, with one row group per shard, and then ``plan.json``.

    Raises:
        OutputError: they cannot be written.
    """
    rows = plan.samples_per_shard
    with (
        new_file(output, SOURCES) as file,
        pq.ParquetWriter(
            file,
            SOURCES_SCHEMA,
            compression="zstd",
            write_statistics=["key"],  # Those of JSON texts would be most of the file's footer.
        ) as writer,
    ):
        for batch in source.batches(rows * max(1, BATCH_ROWS // rows)):
            writer.write_table(batch, rows)
    write_file(output, PLAN, json_bytes(plan))


def load_plan(output: Root) -> Plan:
    """Read the plan of an output.

    Raises:
        OSError: there is none.
        OutputError: it is not a plan, has another version, or was edited.
    """
    return parse_stored_plan(output, PLAN, read_file(output, PLAN))


def parse_stored_plan(output: Root, path: str, data: bytes) -> Plan:
    """Parse the content of a plan that an output holds.

    Raises:
        OutputError: it is not a plan, has another version, or was edited.
    """
    try:
        return read_plan(data)
    except DocumentError as error:
        raise OutputError(
            f"reading {path} of {output.url!r}: {error}; use the version of sysnoise that made it"
        ) from error


def read_sources(output: Root, shard: int) -> list[Source]:
    """Return the rows of the table of sources that belong to a shard, in key order.

    Raises:
        OutputError: the table cannot be read.
        InputError: it names files that do not lie below the folder or archive of the sources.
    """
    rows = read_shard_rows(output, SOURCES, shard)
    try:
        sources = [Source(**row) for row in rows]
    except TypeError as error:  # It has other columns.
        raise _unreadable(output, SOURCES, error) from error
    outside = outside_places([source.file for source in sources])
    if outside:
        raise InputError(
            f"{SOURCES} of {output.url!r} names files outside of the source images: "
            f"{quoted(outside)}; use a set that you trust"
        )
    return sources


def read_shard_rows(output: Root, path: str, shard: int) -> list[dict[str, Any]]:
    """Return the rows of a table with one row group per shard that belong to a shard.

    Args:
        output: the output that holds the table.
        path: path of the table in it.
        shard: number of the shard.

    Raises:
        OutputError: the table cannot be read.
    """
    try:
        metadata = _table_metadata(output, path, version_of(output, path))
        with open_file(output, path) as opened:
            file = pq.ParquetFile(opened, metadata=metadata)
            rows: list[dict[str, Any]] = file.read_row_group(shard, use_threads=False).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(output, path, error) from error
    return rows


def _unreadable(output: Root, path: str, error: Exception) -> OutputError:
    return OutputError(
        f"reading {path} of {output.url!r}: {error}; run the command again, which writes it"
    )


@functools.lru_cache(maxsize=2)
def _table_metadata(output: Root, path: str, version: str) -> pq.FileMetaData:
    """Read where the row groups of a table are: megabytes for thousands of shards.

    Args:
        output: the output of the run.
        path: path of the table in it.
        version: version of the table, so that a changed one is read again.
    """
    with open_file(output, path) as opened:
        return pq.ParquetFile(opened).metadata

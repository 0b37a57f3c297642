"""The files table: one row per file of a set, with its length and its sha256."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

FILES_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("variant", pa.string()),
        ("shard", pa.int32()),
        ("format", pa.string()),
        ("samples", pa.int64()),
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("same_as", pa.string()),
    ]
)
"""The schema of ``files.parquet``, whose columns are the attributes of :class:`FileRow`."""

BATCH_ROWS = 4096
"""Number of rows that are Python objects at a time while a table is read."""


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of a set.

    Attributes:
        path: where the file is, relative to the root of the set.
        variant: id of the variant whose images the file holds; None for other files.
        shard: number of the shard that the file belongs to; None for a file of the whole set.
        format: ``webdataset``, ``parquet``, ``samples``, or the kind of a file of the whole set.
        samples: number of samples in the file; None where that has no meaning.
        bytes: length of the file.
        sha256: sha256 of the file, in hexadecimal.
        same_as: path of the file that has the same bytes, where this one is not stored; else None.
    """

    path: str
    variant: str | None
    shard: int | None
    format: str
    samples: int | None
    bytes: int
    sha256: str
    same_as: str | None = None


def files_table(rows: Iterable[FileRow]) -> pa.Table:
    """Return the rows as a table of :data:`FILES_SCHEMA`."""
    listed = list(rows)
    columns = {name: [getattr(row, name) for row in listed] for name in FILES_SCHEMA.names}
    return pa.table(columns, FILES_SCHEMA)


def file_rows(table: pa.Table) -> Iterator[FileRow]:
    """Yield the rows of a table of :data:`FILES_SCHEMA`."""
    for batch in table.select(FILES_SCHEMA.names).to_batches(max_chunksize=BATCH_ROWS):
        columns = (column.to_pylist() for column in batch.columns)
        yield from (FileRow(*values) for values in zip(*columns, strict=True))


def needed_files(rows: Sequence[FileRow], variants: Collection[str]) -> list[FileRow]:
    """Return the rows of the stored files that some variants need, and of those of no variant.

    A file that was left out as a duplicate is replaced by the one that has its bytes.

    Args:
        rows: rows of the files table; of a shard, or of all.
        variants: ids of the variants.
    """
    mine = [row for row in rows if row.variant is None or row.variant in variants]
    paths = {row.same_as or row.path for row in mine}
    return [row for row in rows if row.path in paths and row.same_as is None]

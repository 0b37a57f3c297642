"""Checking a Parquet shard: all columns except the images follow from the samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sysnoise.pipelines.errors import quoted
from sysnoise.pipelines.verification.checked_file import ContentError, described
from sysnoise.pipelines.verification.expected import Expected, Images, name_messages
from sysnoise.pipelines.verification.hashing import HashingReader


def scan_parquet(expected: Expected, reader: HashingReader) -> Iterator[str]:
    """Yield what is wrong with the schema, rows and images of a Parquet file."""
    reader.drain()
    keys: list[str] = []
    images = Images(expected)
    messages: list[str] = []
    try:
        opened = pq.ParquetFile(reader.file)
        schema, known = opened.schema_arrow, expected.schemas
        if not any(schema.equals(each, check_metadata=True) for each in known):
            messages.append(f"has other columns, types or metadata than {known[0].names}")
        for group in _groups(opened, expected):
            start = len(keys)
            keys += map(str, group["key"].to_pylist())
            messages += _image_messages(group, keys[start:], images)
            messages += _column_messages(group, expected, start)
    except Exception as error:  # noqa: BLE001 - Arrow raises whatever it likes on damaged data.
        messages.append(f"cannot be read as Parquet: {described(error)}")
    yield from name_messages(expected.keys, keys, expected.table)
    yield from messages
    yield from images.messages()


def _groups(opened: pq.ParquetFile, expected: Expected) -> Iterator[pa.Table]:
    """Yield the row groups of a file, with images only where they are decoded."""
    metadata, schema = opened.metadata, opened.schema_arrow
    rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    if max(rows, default=0) > expected.row_group_rows:
        raise ContentError(f"a row group has more than {expected.row_group_rows} rows: {rows}")
    if "image" not in schema.names:
        raise KeyError("image")
    columns = [name for name in schema.names if name != "image"] + ["image.path"]
    columns += [] if expected.digests is None else ["image.bytes"]
    for group in range(metadata.num_row_groups):
        yield opened.read_row_group(group, columns=columns, use_threads=False)


def _image_messages(group: pa.Table, keys: Sequence[str], images: Images) -> Iterator[str]:
    expected = images.expected
    for key, image in zip(keys, group["image"].to_pylist(), strict=True):
        stored: dict[str, Any] = image or {}
        if stored.get("path") != f"{key}.{expected.image_format}":
            yield f"{key!r} names its image {stored.get('path')!r}"
        if expected.digests is not None:
            images.compare_pixels(key, stored.get("bytes") or b"")


def _column_messages(group: pa.Table, expected: Expected, start: int) -> Iterator[str]:
    """Compare the columns of a row group with those that follow from the samples."""
    if expected.columns is None:
        return
    rows = expected.columns.slice(start, group.num_rows)
    if rows.num_rows != group.num_rows or not rows["key"].equals(group["key"]):
        return  # The keys are compared elsewhere.
    changed = [
        name
        for name in rows.column_names
        if name in group.column_names and not rows[name].equals(group[name])
    ]
    if changed:
        yield f"has other values than {expected.table} gives in {quoted(changed)}"

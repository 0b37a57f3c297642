"""The stored columns of the geometry, and tables that take more memory than they may."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sysnoise.manifests.tables import (
    FREE_ROWS,
    GEOMETRY,
    MAX_TABLE_BYTES,
    geometry_row,
    parse_parquet,
    placement_of,
)
from sysnoise.transforms.geometry import Offset, Placement, Region
from sysnoise.transforms.pixels import Size


def test_a_placement_is_stored_flat_and_read_back() -> None:
    placement = Placement(
        source=Size(1, 2),
        region=Region(3, 4, 5, 6),
        resized=Size(7, 8),
        output=Size(14, 15),
        crop=Offset(9, 10),
        pad=Offset(11, 12),
        pad_value=13,
    )
    row = geometry_row(placement, 16)
    assert list(row.items()) == [
        ("orientation", 16),
        ("source_width", 1),
        ("source_height", 2),
        ("source_x", 3),
        ("source_y", 4),
        ("region_width", 5),
        ("region_height", 6),
        ("resized_width", 7),
        ("resized_height", 8),
        ("crop_x", 9),
        ("crop_y", 10),
        ("pad_left", 11),
        ("pad_top", 12),
        ("pad_value", 13),
        ("output_width", 14),
        ("output_height", 15),
        ("scale_x", 7 / 5),
        ("scale_y", 8 / 6),
    ]
    assert [field.name for field in GEOMETRY] == list(row)
    assert placement_of(row) == placement


def parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def test_many_equal_rows_are_refused() -> None:
    """The rows of a short file, which would take gigabytes as Python objects."""
    data = parquet(pa.table({"key": pa.nulls(10**7, pa.string())}))
    assert len(data) < 100_000
    with pytest.raises(pa.ArrowInvalid, match=r"it has 10000000 rows in \d+ bytes"):
        parse_parquet(data)


def test_many_rows_of_wide_columns_are_refused() -> None:
    rows = FREE_ROWS // 2
    column = pa.nulls(rows, pa.binary(32))
    data = parquet(pa.table({f"column{number}": column for number in range(200)}))
    with pytest.raises(pa.ArrowInvalid, match=f"it takes {rows * 200 * 32} bytes of memory"):
        parse_parquet(data)


def test_a_long_text_in_many_rows_is_refused() -> None:
    text = pa.array(["a" * 500_000]).dictionary_encode()
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), text.dictionary)
    data = parquet(pa.table({"key": column}))
    assert len(data) < 100_000
    with pytest.raises(pa.ArrowInvalid, match="it takes 1000008000 bytes of memory"):
        parse_parquet(data)


def test_many_different_rows_are_read() -> None:
    """More than any file may have, in a file whose length makes them plausible."""
    names = [f"ILSVRC2012_val_{number:08d}" for number in range(2 * FREE_ROWS)]
    table = pa.table({"key": names, "name": names, "file": names})
    assert parse_parquet(parquet(table)).equals(table)


def test_wide_tables_of_some_rows_are_read() -> None:
    """The first look, which takes each text for as long as all together, is not enough here."""
    rows = 20_000
    texts = [f"{number:064x}" for number in range(rows)]
    table = pa.table({"key": texts, "more": [{"a": each, "b": None} for each in texts]})
    data = parquet(table)
    assert rows * len(data) > MAX_TABLE_BYTES
    assert parse_parquet(data, ["more", "key"]).equals(table.select(["more", "key"]))

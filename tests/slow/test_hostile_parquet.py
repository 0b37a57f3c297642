"""Parquet files of a set and of its sources, changed in every way: a finding or a refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.end_to_end.commands import command
from tests.shared import SharedFolders
from tests.slow.hostile import (
    Verdicts,
    files_of_sets,
    flipped,
    fuzz_sets,
    fuzzed,
    hostile_sets,
    values,
)

pytestmark = pytest.mark.slow

MANY = 2**22
"""Rows of a file that is short, because they are all equal."""


@st.composite
def tables(draw: st.DrawFn, table: pa.Table) -> pa.Table:
    """A table with a column dropped, doubled, renamed, or of another type or other values."""
    place = draw(st.integers(0, table.num_columns - 1))
    name = table.column_names[place]
    change = draw(st.integers(0, 7))
    if change == 0:
        return table.drop_columns([name])
    if change == 1:
        return table.append_column(name, table[name])
    if change == 2:
        return table.rename_columns(
            [*table.column_names[:place], "x", *table.column_names[place + 1 :]]
        )
    if change == 3:
        return table.set_column(place, name, pa.nulls(table.num_rows, table[name].type))
    if change == 4:
        kinds = [pa.int8(), pa.float64(), pa.string(), pa.binary(), pa.list_(pa.string())]
        kinds += [pa.null(), pa.uint64(), pa.struct([("a", pa.int64())]), pa.date32()]
        return table.set_column(place, name, pa.nulls(table.num_rows, draw(st.sampled_from(kinds))))
    if change == 5:
        return table.slice(0, draw(st.integers(0, table.num_rows)))
    if change == 6:
        return pa.concat_tables([table] * draw(st.integers(2, 4)))
    column = other_values(draw, table[name].to_pylist())
    return table if column is None else table.set_column(place, name, column)


def other_values(draw: st.DrawFn, listed: list[Any]) -> pa.Array | None:
    if listed:
        listed[draw(st.integers(0, len(listed) - 1))] = draw(values)
    try:
        return pa.array(listed)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError, TypeError, ValueError):
        return None


@st.composite
def files(draw: st.DrawFn, path: Path, target: Path) -> None:
    """Write a file with other content in the place of a Parquet file."""
    how = draw(st.integers(0, 4))
    if how == 0:
        target.write_bytes(flipped(draw, path.read_bytes()))
        return
    table = pq.ParquetFile(path).read()
    if how == 1:
        table = pa.table(
            [pa.nulls(MANY, field.type) for field in table.schema], schema=table.schema
        )
    else:
        table = draw(tables(table))
    metadata = draw(st.sampled_from([None, {"huggingface": "{"}, {"huggingface": "[" * 10_000}]))
    if metadata is not None:
        table = table.replace_schema_metadata(metadata)
    pq.write_table(table, target, compression="zstd")


def test_tables_and_shards_of_a_set(shared: SharedFolders, tmp_path: Path) -> None:
    base = hostile_sets(shared)

    def damage(data: st.DataObject, original: Path, target: Path) -> None:
        data.draw(files(original, target))

    fuzz_sets(base, tmp_path, files_of_sets(base, "*.parquet"), damage)


def test_parquet_sources(tmp_path: Path) -> None:
    verdicts = Verdicts(tmp_path)
    original, target = verdicts.work / "original.parquet", verdicts.work / "source" / "val.parquet"
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": b"1", "path": f"{number}.jpg"} for number in range(4)]
    pq.write_table(pa.table({"image": pa.array(rows, image), "label": [0, 1, 2, 3]}), original)
    target.parent.mkdir()

    @fuzzed
    @given(st.data())
    def check(data: st.DataObject) -> None:
        data.draw(files(original, target))
        verdicts.add(
            "generate --dry-run",
            lambda: command(
                *("generate", "imagenet", f"--images={target.parent}", "--dry-run", "--workers=1"),
                *("--grid=imagenet-one-factor", f"--output={verdicts.work / 'out'}", "--limit=1"),
            ),
        )

    check()

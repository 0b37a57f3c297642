"""Schemas of the tables of a set, and the columns of the geometry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sysnoise.transforms.codecs.exif import Exif, Orient
from sysnoise.transforms.geometry import Offset, Placement, Region
from sysnoise.transforms.pixels import Size
from sysnoise.transforms.variant_ids import FIRST_GEOMETRY


class DatasetKind(Enum):
    """The dataset, which decides the kind of labels that samples have."""

    IMAGENET = "imagenet"
    COCO = "coco"


class SampleStatus(Enum):
    """Whether a sample is in the set."""

    OK = "ok"
    REJECTED = "rejected"


class DecoderStatus(Enum):
    """What a decoder gave for a sample."""

    OK = "ok"
    FALLBACK = "fallback"
    FAILED = "failed"

    @property
    def is_own(self) -> bool:
        """Whether the pixels are the decoder's own."""
        return self is DecoderStatus.OK


class RejectReason(Enum):
    """Why a sample was left out of all variants."""

    DECODE_FAILED = "decode-failed"
    UNSUPPORTED_KIND = "unsupported-kind"
    SIZE_MISMATCH = "size-mismatch"
    TOO_LARGE = "too-large"
    NOT_RENDERED = "not-rendered"
    CRASHED = "crashed"


class UnsupportedKinds(Enum):
    """What becomes of a sample whose kind of file a decoder of the grid is not made for."""

    FALLBACK = "fallback"
    REJECT = "reject"


class Duplicates(Enum):
    """What becomes of a shard file whose images all equal those of an earlier variant."""

    STORE = "store"
    SKIP = "skip"


_PLACEMENT_COLUMNS = (
    "source_width",
    "source_height",
    "source_x",
    "source_y",
    "region_width",
    "region_height",
    "resized_width",
    "resized_height",
    "crop_x",
    "crop_y",
    "pad_left",
    "pad_top",
    "pad_value",
    "output_width",
    "output_height",
)

GEOMETRY = pa.struct(
    [
        pa.field("orientation", pa.int8()),
        *(pa.field(name, pa.int32()) for name in _PLACEMENT_COLUMNS),
        pa.field("scale_x", pa.float64()),
        pa.field("scale_y", pa.float64()),
    ]
)
"""A placement, the EXIF orientation of the source file and the scale factors.

They are those of :class:`sysnoise.transforms.geometry.Placement`; ``source_x`` and ``source_y`` are
the corner of its region.
"""

UPRIGHT_GEOMETRY = pa.struct([*GEOMETRY, pa.field("orient", pa.string())])
"""The geometry in sets whose images are turned upright: sizes and places are those after it."""

ANNOTATIONS = pa.list_(
    pa.struct(
        [
            pa.field("id", pa.int64()),
            pa.field("category_id", pa.int64()),
            pa.field("iscrowd", pa.int8()),
            pa.field("area", pa.float64()),
            pa.field("bbox", pa.list_(pa.float64())),
            pa.field("segmentation", pa.string()),
        ]
    )
)
"""COCO objects in output pixels; segmentation as compressed run-length text of pycocotools."""

DIFFERENCE = pa.struct(
    [
        pa.field("changed_pixels", pa.int64()),
        pa.field("absolute_sum", pa.int64()),
        pa.field("squared_sum", pa.int64()),
        pa.field("maximum", pa.uint8()),
    ]
)
"""A variant of one sample against the baseline, as ``transforms/difference.py`` counts it."""


GeometryRow = dict[str, int | float | str]
"""A row of :data:`GEOMETRY` or :data:`UPRIGHT_GEOMETRY`, by the names of its fields."""

Targets = dict[str, int | str | None]
"""The image of a sample and its label: values of the columns of :func:`target_fields`."""


def geometry_row(
    placement: Placement, orientation: int, orient: Orient = Orient.STORED
) -> GeometryRow:
    """Return a placement as a row of the geometry.

    Args:
        placement: the placement.
        orientation: the EXIF orientation of the source file, 1 to 8.
        orient: whether the image was turned upright by it before it was placed.
    """
    values = (
        *placement.source,
        *placement.region,
        *placement.resized,
        *placement.crop,
        *placement.pad,
        placement.pad_value,
        *placement.output,
    )
    return {
        "orientation": orientation,
        **dict(zip(_PLACEMENT_COLUMNS, values, strict=True)),
        "scale_x": placement.scale_x,
        "scale_y": placement.scale_y,
        **({} if orient is Orient.STORED else {"orient": orient.value}),
    }


def placement_of(geometry: Mapping[str, Any]) -> Placement:
    """Return the placement of a row of :data:`GEOMETRY`."""
    values = [geometry[name] for name in _PLACEMENT_COLUMNS]
    return Placement(
        source=Size(*values[:2]),
        region=Region(*values[2:6]),
        resized=Size(*values[6:8]),
        crop=Offset(*values[8:10]),
        pad=Offset(*values[10:12]),
        pad_value=values[12],
        output=Size(*values[13:]),
    )


def target_fields(kind: DatasetKind) -> list[pa.Field]:
    """Columns that say which image a sample is and what it shows, by kind of dataset."""
    if kind is DatasetKind.COCO:
        return [pa.field("image_id", pa.int64())]
    return [
        pa.field("label", pa.int64()),
        pa.field("wnid", pa.string()),
        pa.field("class_name", pa.string()),
    ]


def geometry_fields(exif: Exif, orient: Orient = Orient.STORED) -> list[pa.Field]:
    """The geometry of the images and, where some decoders turn theirs upright, of these."""
    kind = GEOMETRY if orient is Orient.STORED else UPRIGHT_GEOMETRY
    turned = [pa.field("geometry_exif", kind)] if exif is Exif.APPLIED else []
    return [pa.field("geometry", kind), *turned]


def samples_schema(
    kind: DatasetKind,
    decoders: Sequence[str],
    slugs: Sequence[str],
    exif: Exif,
    orient: Orient = Orient.STORED,
    geometries: Sequence[str] = (),
) -> pa.Schema:
    """Schema of ``samples/*.parquet``: one row per sample, rejected ones included.

    ``geometry`` is that of the baseline, and ``geometries`` has a field for each other one by name.
    ``decoders`` has one status per decoder. Each variant's slug names a column with the pixel
    digest, and a field of ``differences``, which is null where the variant is a fallback or of
    another size than the baseline. Rejected samples have null geometry, digests and differences.
    """
    return pa.schema(
        [
            pa.field("key", pa.string()),
            pa.field("source_name", pa.string()),
            pa.field("source_sha256", pa.string()),
            *target_fields(kind),
            *geometry_fields(exif, orient),
            *_other_geometries(geometries, orient),
            pa.field("status", pa.string()),
            pa.field("decoders", _status_struct(decoders)),
            *(pa.field(slug, pa.binary(32)) for slug in slugs),
            pa.field("differences", pa.struct([pa.field(slug, DIFFERENCE) for slug in slugs])),
        ]
    )


def _other_geometries(names: Sequence[str], orient: Orient) -> list[pa.Field]:
    kind = GEOMETRY if orient is Orient.STORED else UPRIGHT_GEOMETRY
    fields = [pa.field(name, kind) for name in names]
    return [pa.field("geometries", pa.struct(fields))] if names else []


def geometry_of(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the geometry of a row of the samples table that has a name."""
    found: Mapping[str, Any] = (
        row["geometry"] if name == FIRST_GEOMETRY else row["geometries"][name]
    )
    return found


def rejects_schema(decoders: Sequence[str]) -> pa.Schema:
    """Schema of ``rejects.parquet``: one row per reject, with the messages of the decoders."""
    return pa.schema(
        [
            pa.field("key", pa.string()),
            pa.field("source_name", pa.string()),
            pa.field("shard", pa.int32()),
            pa.field("reason", pa.string()),
            pa.field("message", pa.string()),
            pa.field("decoders", _status_struct(decoders)),
        ]
    )


def _status_struct(decoders: Sequence[str]) -> pa.DataType:
    return pa.struct([pa.field(decoder, pa.string()) for decoder in decoders])


FREE_ROWS = 2**17
"""Number of rows that a Parquet file may have besides one for each of its bytes.

In the tables of a set, each row has a text of its own, which takes more than a byte.
"""

SHARD_ROWS = 2**20
"""Number of rows of a shard's table of samples, which are Python objects where it is read."""

MAX_VALUES = 2**26
"""Number of values, list elements included, of a column in a row group of a Parquet file."""

MAX_TABLE_BYTES = 2**28
"""Bytes of the columns that are read of a table, as Arrow holds them in memory."""


def check_parquet(metadata: pq.FileMetaData, length: int) -> None:
    """Refuse a Parquet file that has more rows or values than its length makes plausible.

    Equal values take almost no place in a file, but each takes memory when it is read.

    Args:
        metadata: what the file says about itself.
        length: length of the file in bytes.

    Raises:
        pyarrow.ArrowInvalid: it has too many.
    """
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    rows = max(metadata.num_rows, sum(group.num_rows for group in groups))
    if rows > FREE_ROWS + length:
        raise pa.ArrowInvalid(
            f"it has {rows} rows in {length} bytes, the limit is {FREE_ROWS}, and one more for "
            "each byte"
        )
    if _has_lists(metadata):
        for group in groups:
            values = max(group.column(number).num_values for number in range(group.num_columns))
            if values > MAX_VALUES:
                raise pa.ArrowInvalid(f"a column has {values} values, the limit is {MAX_VALUES}")


def _has_lists(metadata: pq.FileMetaData) -> bool:
    schema = metadata.schema
    return any(schema.column(number).max_repetition_level for number in range(metadata.num_columns))


def rows_at_a_time(metadata: pq.FileMetaData) -> int:
    """Return how many rows of a Parquet file fit into memory, however often a value is repeated."""
    return max(1, min(1024, MAX_TABLE_BYTES // max(1, _largest_group(metadata))))


def _largest_group(metadata: pq.FileMetaData) -> int:
    """Return the bytes of the largest row group, in which a repeated value counts once."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    return max((group.total_byte_size for group in groups), default=0)


def parse_parquet(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the columns of a Parquet file, by default all.

    Not from a Python file object: Arrow's threads may still hold that when the interpreter ends,
    and then abort the process.

    Raises:
        pyarrow.ArrowException, OSError: not Parquet, or too large in memory.
        KeyError: it lacks a column.
    """
    file = pq.ParquetFile(pa.BufferReader(data))
    check_parquet(file.metadata, len(data))
    if file.metadata.num_rows * _largest_group(file.metadata) > MAX_TABLE_BYTES:
        check_texts(pa.BufferReader(data), columns)
    table = file.read(columns, use_threads=False)
    return table if columns is None else table.select(list(columns))


REQUIRED = ("key", "status", "path", "format", "bytes", "sha256")
"""Columns of the tables of a set in which each row has a value."""


def check_required(table: pa.Table) -> None:
    """Raise ValueError where a column of :data:`REQUIRED` that a table has lacks a value."""
    for name in REQUIRED:
        if name in table.column_names and table[name].null_count:
            raise ValueError(f"{table[name].null_count} row(s) have no {name}")


_WIDTHS = {
    "BOOLEAN": 1,
    "INT32": 4,
    "INT64": 8,
    "INT96": 12,
    "FLOAT": 4,
    "DOUBLE": 8,
    "BYTE_ARRAY": 4,
}
"""Bytes of a value in memory; of a text, those of its place among the different ones."""


def check_texts(opened: Any, columns: Sequence[str] | None) -> None:
    """Refuse a Parquet file whose columns would take more than :data:`MAX_TABLE_BYTES`.

    Each different text is held once to find out.

    Args:
        opened: the file, which Arrow can read.
        columns: the columns; None for all.

    Raises:
        pyarrow.ArrowException: they would take more, or the file is damaged.
    """
    metadata = pq.ParquetFile(opened).metadata
    schema = [metadata.schema.column(number) for number in range(metadata.num_columns)]
    paths = [each.path for each in schema]
    read = [each for each in schema if columns is None or each.path.split(".")[0] in columns]
    fixed = metadata.num_rows * sum(_WIDTHS.get(each.physical_type, each.length) for each in read)
    if fixed > MAX_TABLE_BYTES:
        raise pa.ArrowInvalid(f"it takes {fixed} bytes of memory, the limit is {MAX_TABLE_BYTES}")
    check_size(pq.ParquetFile(opened, read_dictionary=paths).read(columns, use_threads=False))


def check_size(table: pa.Table) -> None:
    """Refuse a table that takes more than :data:`MAX_TABLE_BYTES` without its dictionaries.

    Raises:
        pyarrow.ArrowInvalid: it takes more.
    """
    held = sum(_plain_bytes(chunk) for column in table.columns for chunk in column.chunks)
    if held > MAX_TABLE_BYTES:
        raise pa.ArrowInvalid(f"it takes {held} bytes of memory, the limit is {MAX_TABLE_BYTES}")


def _plain_bytes(array: pa.Array) -> int:
    """Return the bytes of an array whose dictionaries are replaced by their values."""
    if pa.types.is_struct(array.type):
        return sum(map(_plain_bytes, array.flatten()))
    if pa.types.is_list(array.type):
        return int(array.nbytes) + _plain_bytes(array.flatten())
    if not pa.types.is_dictionary(array.type):
        return int(array.nbytes)
    lengths = pc.binary_length(array.dictionary).take(array.indices)
    return int(array.indices.nbytes) + int(pc.sum(lengths).as_py() or 0)

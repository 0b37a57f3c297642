"""ImageNet in Parquet files, as Hugging Face writes them."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from sysnoise.manifests.json_documents import DocumentError, as_document, read_document
from sysnoise.manifests.layout import IMAGE_COLUMN, LABEL_COLUMN
from sysnoise.manifests.plan import ClassInfo
from sysnoise.manifests.tables import check_parquet, check_size
from sysnoise.pipelines.errors import InputError, lines_of
from sysnoise.pipelines.readers.access import bytes_column
from sysnoise.pipelines.readers.classes import WNID, Classes
from sysnoise.pipelines.readers.found import FoundImages
from sysnoise.pipelines.readers.sources import sample_key
from sysnoise.pipelines.storage.reading import open_file, what_it_is
from sysnoise.pipelines.storage.root import Root


@dataclass(frozen=True)
class ColumnNames:
    """Names of the columns of Parquet files: the images, and their labels."""

    image: str = IMAGE_COLUMN
    label: str = LABEL_COLUMN


DEFAULT_COLUMN_NAMES = ColumnNames()


@dataclass(frozen=True)
class _Table:
    """The columns of a Parquet file, but for the bytes of the images.

    Attributes:
        paths: path of each image; None where it has none.
        labels: label of each image; None where it has none.
        schema: the schema, whose metadata may describe the labels.
    """

    paths: list[str | None]
    labels: list[Any]
    schema: pa.Schema


def read_parquet(
    root: Root, files: Sequence[str], columns: ColumnNames
) -> tuple[FoundImages, Classes]:
    """Find the images of Parquet files; no image is read.

    An image is named by its path where no other image has the same, otherwise by its row.

    Args:
        root: what the user named.
        files: paths of the Parquet files below it.
        columns: names of the columns.

    Returns:
        The images with their classes, and the class list that the files describe, if any.

    Raises:
        InputError: a file cannot be read, lacks such columns, or has images without a label.
    """
    tables = [_read_table(root, file, columns) for file in files]
    classes: Classes = ()
    for file, table in zip(files, tables, strict=True):
        classes = classes or _described_classes(
            table.schema.metadata or {}, columns, root.child(file)
        )
    _refuse_unlabeled(root, files, tables, columns)
    counts = Counter(path for table in tables for path in table.paths)
    names = [
        path if path and counts[path] == 1 else f"{sample_key(root.join(file))}-{row:06d}"
        for file, table in zip(files, tables, strict=True)
        for row, path in enumerate(table.paths)
    ]
    places: dict[str, list[Any]] = {
        "file": [file for file, t in zip(files, tables, strict=True) for _ in t.paths],
        "row": [row for table in tables for row in range(len(table.paths))],
    }
    return FoundImages(names, places, [str(each) for t in tables for each in t.labels]), classes


def _refuse_unlabeled(
    root: Root, files: Sequence[str], tables: Sequence[_Table], columns: ColumnNames
) -> None:
    unlabeled = [
        f"{root.join(file)}: row {row}: {label!r}"
        for file, table in zip(files, tables, strict=True)
        for row, label in enumerate(table.labels)
        if label in (None, -1, "")
    ]
    if unlabeled:
        raise InputError(
            f"{root.url!r} holds {len(unlabeled)} images without a label in the column "
            f"{columns.label!r} (a test split?):\n{lines_of(unlabeled)}"
        )


def _read_table(root: Root, file: str, columns: ColumnNames) -> _Table:
    """Read what a Parquet file says of its images, but not their bytes."""
    path = root.child(file)
    try:
        with open_file(root, file) as opened:
            length = opened.seek(0, io.SEEK_END)
            parquet = pq.ParquetFile(opened)
            metadata, schema = parquet.metadata, parquet.schema_arrow
            check_parquet(metadata, length)
            _refuse_columns(path, schema, columns)
            _refuse_without_bytes(path, metadata, bytes_column(schema, columns.image))
            kind = schema.field(columns.image).type
            has_paths = pa.types.is_struct(kind) and kind.get_field_index("path") >= 0
            wanted = [columns.label, *([f"{columns.image}.path"] if has_paths else [])]
            # As a dictionary, because a path that is repeated would take memory for each row.
            parquet = pq.ParquetFile(opened, metadata=metadata, read_dictionary=wanted[1:])
            # One by one, because Arrow reads no structs with dictionaries in chunks.
            groups = [
                parquet.read_row_group(group, columns=wanted)
                for group in range(metadata.num_row_groups)
            ]
            read = pa.concat_tables(groups) if groups else schema.empty_table()
            check_size(read)
            images = read[columns.image].to_pylist() if has_paths else [None] * len(read)
            paths = [(image or {}).get("path") for image in images]
            return _Table(paths, read[columns.label].to_pylist(), schema)
    except (pa.ArrowException, OSError, ValueError) as error:
        found = what_it_is(root, file, "a Parquet file")
        raise InputError(f"reading the Parquet file {path!r}: {error}{found}") from error


def _refuse_columns(path: str, schema: pa.Schema, columns: ColumnNames) -> None:
    """Refuse a file whose columns are not there once each, or are of other types."""
    kinds = {
        name: schema.field(place).type
        for name in (columns.image, columns.label)
        if (place := schema.get_field_index(name)) >= 0  # It is there, and only once.
    }
    image, label = (kinds.get(name) for name in (columns.image, columns.label))
    if image is not None and label is not None and _is_image(image) and _is_label(label):
        return
    raise InputError(
        f"{path!r}: expected the columns {columns.image} (bytes, or a struct with the fields bytes "
        f"and path) and {columns.label} (whole numbers or texts), found "
        f"{', '.join(f'{field.name}: {field.type}' for field in schema)}; other columns are named "
        "with --image-column and --label-column"
    )


def _is_image(kind: pa.DataType) -> bool:
    """Whether a type is that of bytes, or of structs with bytes and perhaps a path."""
    if not pa.types.is_struct(kind):
        return _is_bytes(kind)
    fields = {field.name: field.type for field in kind}
    path = fields.get("path", pa.null())
    is_path = _is_text(path) or pa.types.is_null(path)
    return is_path and "bytes" in fields and _is_bytes(fields["bytes"])


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_label(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_integer(value)) or _is_text(value)


def _refuse_without_bytes(path: str, metadata: pq.FileMetaData, column: str) -> None:
    """Refuse a file that has only the paths of its images, as far as its statistics say so."""
    nulls = 0
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(place)
            if chunk.path_in_schema == column and chunk.statistics is not None:
                nulls += chunk.statistics.null_count or 0
    if metadata.num_rows and nulls == metadata.num_rows:
        raise InputError(
            f"{path!r} has no bytes of images in {column!r}, but paths at most; write it again "
            "with the images in it (datasets: cast_column with decode=False, then embed the files)"
        )


class _ClassNames(msgspec.Struct):
    """A feature of Hugging Face's description; ``names`` are a label's classes, in order."""

    names: list[str] | None = None


class _Info(msgspec.Struct):
    """What the description says; the feature of the labels may have names."""

    features: dict[str, Any] | None = None


class _Description(msgspec.Struct):
    """The ``huggingface`` entry in the metadata of a Parquet file's schema."""

    info: _Info | None = None


def _described_classes(metadata: Mapping[bytes, bytes], columns: ColumnNames, path: str) -> Classes:
    try:
        described = read_document(metadata.get(b"huggingface", b"{}"), _Description)
        features = (described.info and described.info.features) or {}
        label = as_document(features.get(columns.label) or {}, _ClassNames)
    except DocumentError as error:
        raise InputError(f"the description by Hugging Face in {path!r}: {error}") from error
    return tuple(
        ClassInfo(name, None) if WNID.fullmatch(name) else ClassInfo(None, name)
        for name in label.names or ()
    )

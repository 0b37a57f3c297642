"""Parquet shards, whose image column Hugging Face ``datasets`` decodes by itself.

Columns: ``key``, ``image: struct<bytes, path>``, the targets, ``annotations`` (COCO) and the
geometry. Row groups are small and of fixed length, so that the images of all variants that wait for
a row group stay within :data:`ROW_GROUP_BYTES`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sysnoise.manifests.tables import ANNOTATIONS, DatasetKind, target_fields
from sysnoise.pipelines.shards.writers.interface import SampleMetadata, Samples
from sysnoise.pipelines.storage.hashed_file import HashedFile, WrittenFile, close_all
from sysnoise.transforms.targets import rle_string

IMAGE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
_DECODED_BY_DATASETS = ("png", "webp")
"""The image formats that Hugging Face ``datasets`` decodes."""


class ParquetWriter:
    """Writes one Parquet file per variant."""

    def __init__(
        self,
        paths: Sequence[str],
        geometries: Sequence[str],
        image_format: str,
        schema: pa.Schema,
        row_group_rows: int,
    ) -> None:
        """Create the files.

        Args:
            paths: the path of each variant's file.
            geometries: the name of each variant's geometry.
            image_format: file extension of the images.
            schema: the schema of the files, from :func:`shard_schema`.
            row_group_rows: number of rows per row group.
        """
        self._schema = schema
        self._image_format = image_format
        self._row_group_rows = row_group_rows
        self._geometries = geometries
        self._samples: list[Samples] = []
        self._images: list[Sequence[bytes]] = []
        self._count = 0
        self._files = [HashedFile(path) for path in paths]
        self._writers = [
            pq.ParquetWriter(
                file,
                self._schema,
                use_dictionary=False,
                write_statistics=["key"],
                compression={
                    name: "NONE" if name == "image" else "SNAPPY" for name in self._leaves()
                },
            )
            for file in self._files
        ]

    def _leaves(self) -> list[str]:
        return [name for name in self._schema.names if name != "image"] + ["image.bytes"]

    def write(self, samples: Samples, images: Sequence[bytes]) -> None:
        """Append a sample; ``images`` has the encoded image of each variant, in order."""
        self._samples.append(samples)
        self._images.append(images)
        if len(self._samples) == self._row_group_rows:
            self._flush()

    def close(self) -> list[WrittenFile]:
        """Finish and sync all files, and describe them in the order of the variants."""
        if self._samples:
            self._flush()
        for writer in self._writers:
            writer.close()
        close_all(self._files)
        return [file.describe(self._count) for file in self._files]

    def _flush(self) -> None:
        common = {
            name: metadata_columns([each[name] for each in self._samples], self._schema)
            for name in set(self._geometries)
        }
        keys = [next(iter(each.values())).key for each in self._samples]
        paths = pa.array([f"{key}.{self._image_format}" for key in keys])
        by_variant = zip(*self._images, strict=True)
        for writer, name, images in zip(self._writers, self._geometries, by_variant, strict=True):
            encoded = pa.array(images, pa.binary())
            image = pa.StructArray.from_arrays([encoded, paths], fields=list(IMAGE))
            columns = {**common[name], "image": image}
            arrays = [columns[field] for field in self._schema.names]
            writer.write_table(pa.table(arrays, schema=self._schema))
        self._count += len(self._samples)
        self._samples, self._images = [], []


def shard_schema(
    kind: DatasetKind,
    geometry: Sequence[pa.Field],
    image_format: str,
    names: Sequence[str] = (),
) -> pa.Schema:
    """Return the schema of Parquet shards.

    For image formats that Hugging Face ``datasets`` decodes, its metadata describes the features as
    that library writes them itself: the image, and the label by name.

    Args:
        kind: the dataset, which decides on the targets.
        geometry: the fields of the geometry, from ``geometry_fields``.
        image_format: file extension of the images.
        names: the name of each label, from ``label_names``; none where they are not known.
    """
    annotations = [pa.field("annotations", ANNOTATIONS)] if kind is DatasetKind.COCO else []
    schema = pa.schema(
        [
            pa.field("key", pa.string()),
            pa.field("image", IMAGE),
            *target_fields(kind),
            *annotations,
            *geometry,
        ]
    )
    if image_format not in _DECODED_BY_DATASETS:
        return schema
    features: dict[str, Any] = {field.name: _feature(field.type) for field in schema}
    features["image"] = {"_type": "Image"}
    if names and "label" in features:
        features["label"] = {"names": list(names), "_type": "ClassLabel"}
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _feature(data_type: pa.DataType) -> Any:
    """Return the type of a column as the features of ``datasets`` name it."""
    if pa.types.is_struct(data_type):
        return {field.name: _feature(field.type) for field in data_type}
    if pa.types.is_list(data_type):
        return {"feature": _feature(data_type.value_type), "_type": "List"}
    names = {pa.float64(): "float64", pa.string(): "string"}
    return {"dtype": names.get(data_type, str(data_type)), "_type": "Value"}


def metadata_columns(samples: Sequence[SampleMetadata], schema: pa.Schema) -> dict[str, pa.Array]:
    """Return the columns of some samples besides the images, the same for variants of a geometry.

    Args:
        samples: the samples.
        schema: the schema of the files, from :func:`shard_schema`.
    """
    rows = [_row(sample) for sample in samples]
    return {
        field.name: pa.array([row.get(field.name) for row in rows], field.type)
        for field in schema
        if field.name != "image"
    }


def _row(sample: SampleMetadata) -> Mapping[str, Any]:
    row: dict[str, Any] = {"key": sample.key, **sample.targets, **sample.geometry}
    if sample.annotations is not None:
        geometry = sample.geometry["geometry"]
        size = int(geometry["output_height"]), int(geometry["output_width"])
        row["annotations"] = [_object(annotation, *size) for annotation in sample.annotations]
    return row


def _object(annotation: Mapping[str, Any], height: int, width: int) -> dict[str, Any]:
    segmentation = annotation.get("segmentation")
    return {
        **{name: annotation.get(name) for name in ("id", "category_id", "iscrowd", "area", "bbox")},
        "segmentation": rle_string(segmentation, height, width) if segmentation else None,
    }

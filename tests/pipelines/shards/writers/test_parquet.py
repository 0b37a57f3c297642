"""Parquet shards: row groups, columns and the metadata for Hugging Face datasets."""

from __future__ import annotations

import hashlib
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest

from sysnoise.manifests.tables import DatasetKind, geometry_fields
from sysnoise.pipelines.planning.plan import row_group_rows
from sysnoise.pipelines.shards.writers.parquet import ParquetWriter, shard_schema
from sysnoise.transforms.codecs.exif import Exif
from tests.pipelines.shards.writers.builders import imagenet_sample


def test_rows_and_row_groups(tmp_path: Path) -> None:
    paths = [tmp_path / "first.parquet", tmp_path / "second.parquet"]
    schema = shard_schema(DatasetKind.IMAGENET, geometry_fields(Exif.IGNORED), "png")
    writer = ParquetWriter([str(p) for p in paths], ["first", "first"], "png", schema, 3)
    for number in range(7):
        writer.write({"first": imagenet_sample(f"k{number}", number)}, [b"first", b"second"])
    for path, written, content in zip(paths, writer.close(), [b"first", b"second"], strict=True):
        assert written.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        file = pq.ParquetFile(path)
        metadata = file.metadata
        assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [3, 3, 1]
        rows = file.read().to_pylist()
        assert [row["key"] for row in rows] == [f"k{number}" for number in range(7)]
        assert [row["label"] for row in rows] == list(range(7))
        assert rows[0]["image"] == {"bytes": content, "path": "k0.png"}
        assert rows[0]["geometry"]["crop_x"] == 58


@pytest.mark.parametrize(
    ("variants", "pixels", "per_shard", "rows"),
    [
        (17, 224 * 224, 256, 52),
        (132, 224 * 224, 256, 6),
        (17, 224 * 224, 10, 10),
        (132, 1333 * 800, 16, 1),
    ],
)
def test_row_groups_bound_the_waiting_pixels(
    variants: int, pixels: int, per_shard: int, rows: int
) -> None:
    assert row_group_rows(variants, pixels, per_shard) == rows


@pytest.mark.parametrize("kind", list(DatasetKind))
@pytest.mark.parametrize("exif", Exif)
def test_features_are_those_that_datasets_reads(kind: DatasetKind, exif: Exif) -> None:
    schema = shard_schema(kind, geometry_fields(exif), "png")
    features = datasets.Features.from_arrow_schema(schema)
    assert isinstance(features["image"], datasets.Image)
    assert features.arrow_schema.remove_metadata() == schema.remove_metadata()


@pytest.mark.parametrize("image_format", ["npy", "jxl"])
def test_formats_that_datasets_cannot_decode_are_plain_columns(image_format: str) -> None:
    assert (
        shard_schema(DatasetKind.IMAGENET, geometry_fields(Exif.IGNORED), image_format).metadata
        is None
    )

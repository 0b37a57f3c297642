"""Formats that are not read are told by the files that their own tools write."""

from __future__ import annotations

import tarfile
from pathlib import Path

import datasets
import pytest

from sysnoise.pipelines.readers.unread import unread_formats


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("imagenet2012-validation.tfrecord-00000-of-00064", "TFRecord"),
        ("5.1.0/imagenet2012-train.tfrecord-00001-of-01024", "TFRecord"),
        ("train-00000-of-01024", "TFRecord"),
        ("val.tfrecords", "TFRecord"),
        ("val.tfrec", "TFRecord"),
        ("val.tfrecord.gz", "TFRecord"),
        ("val/shard.00000.mds", "MosaicML's MDS"),
        ("shard.00000.mds.zstd", "MosaicML's MDS"),
        ("train_500_0.50_90.beton", "FFCV"),
        ("val_lmdb/data.mdb", "LMDB"),
        ("val.lmdb", "LMDB"),
        ("imagenet.H5", "HDF5"),
        ("train.rec", "MXNet's RecordIO"),
        ("x_val.npy", "NumPy"),
        ("train_data_batch_1", "Python's pickle"),
        ("val_images.tar.gz", "a compressed tar"),
        ("val_images.tgz", "a compressed tar"),
        ("val.tar.zst", "a compressed tar"),
        ("val.7z.001", "7-Zip"),
        ("val.z01", "a zip in several parts"),
    ],
)
def test_formats_are_told_by_names(file: str, name: str) -> None:
    (line,) = unread_formats(["README.md", file, "labels.txt"])
    assert line.startswith(f"{name} (1 file(s), such as {file!r}): ")


def test_what_is_read_is_none_of_them() -> None:
    read = ["a.JPEG", "train-00000-of-01024.parquet", "val-000000.tar", "val.zip", "index.json"]
    assert unread_formats([*read, "LOC_val_solution.csv", "validation", "data.txt"]) == []


def test_the_most_frequent_comes_first(tmp_path: Path) -> None:
    """With the files that ``datasets`` and ``tarfile`` write."""
    datasets.Dataset.from_dict({"label": list(range(4))}).save_to_disk(tmp_path / "a", num_shards=2)
    tarfile.open(tmp_path / "images.tar.gz", "w:gz").close()
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")]
    first, second = unread_formats(files)
    assert "Arrow" in first
    assert "(2 file(s), such as 'a/data-00000-of-00002.arrow'): load it with" in first
    assert second.startswith("a compressed tar (1 file(s), such as 'images.tar.gz'): unpack it")

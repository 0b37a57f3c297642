"""What the shard files of a set hold: samples as they are stored, and their decoded images."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, BinaryIO

import numpy as np
import pyarrow.parquet as pq

from sysnoise.manifests.layout import ShardFormat
from sysnoise.transforms.pixels import Pixels


@dataclass(frozen=True)
class StoredSample:
    """A sample of a shard file.

    Attributes:
        key: the sample's key.
        image: the encoded image.
        fields: the other columns of a Parquet row, or the JSON of a tar: label or annotations,
            geometry and more.
    """

    key: str
    image: bytes
    fields: Mapping[str, Any]


def stored_samples(
    opened: BinaryIO, shard_format: ShardFormat, image_format: str
) -> Iterator[StoredSample]:
    """Yield the samples of a shard file, in stored order.

    Args:
        opened: the file.
        shard_format: format of the file.
        image_format: format of the images in it.

    Raises:
        ValueError, tarfile.TarError, pyarrow.ArrowException: the file is damaged, or not a shard.
    """
    if shard_format is ShardFormat.PARQUET:
        for row in _parquet_rows(opened, None):
            yield StoredSample(row.pop("key"), row.pop("image")["bytes"], row)
        return
    for key, members in groupby(_tar_members(opened), key=lambda member: member[0]):
        contents = {extension: data for _, extension, data in members}
        if not {"json", image_format} <= contents.keys():
            raise ValueError(f"sample {key!r} has members {sorted(contents)}, no {image_format}")
        fields = json.loads(contents["json"])
        if not isinstance(fields, dict) or "geometry" not in fields:
            raise ValueError(f"the JSON of {key!r} is not that of a sample")
        yield StoredSample(key, contents[image_format], fields)


def stored_images(
    opened: BinaryIO, shard_format: ShardFormat, image_format: str
) -> Iterator[tuple[str, bytes]]:
    """Yield key and encoded image of each sample of a shard file; see :func:`stored_samples`."""
    if shard_format is ShardFormat.PARQUET:
        for row in _parquet_rows(opened, ["key", "image.bytes"]):
            yield row["key"], row["image"]["bytes"]
        return
    for key, extension, data in _tar_members(opened):
        if extension == image_format:
            yield key, data


def _parquet_rows(opened: BinaryIO, columns: list[str] | None) -> Iterator[dict[str, Any]]:
    """Yield rows, one row group at a time, without Arrow's threads, which outlive a reader."""
    parquet = pq.ParquetFile(opened)
    for group in range(parquet.num_row_groups):
        yield from parquet.read_row_group(group, columns=columns, use_threads=False).to_pylist()


def _tar_members(opened: BinaryIO) -> Iterator[tuple[str, str, bytes]]:
    """Yield key, extension and content of the members of a tar; no name may lead anywhere."""
    with tarfile.open(fileobj=opened, mode="r:") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or "/" in member.name or "\\" in member.name:
                raise ValueError(f"member {member.name!r} is no file of a sample")
            key, _, extension = member.name.partition(".")
            yield key, extension, content.read()


def decode_stored(data: bytes, image_format: str) -> Pixels:
    """Decode a stored image.

    Args:
        data: the bytes of the image.
        image_format: ``png``, ``webp``, ``jxl`` (needs imagecodecs) or ``npy``.

    Returns:
        uint8, shape (H, W, 3), RGB; it may be read-only.
    """
    if image_format == "npy":
        return np.asarray(np.load(io.BytesIO(data), allow_pickle=False), np.uint8)
    if image_format == "jxl":
        import imagecodecs

        return np.asarray(imagecodecs.jpegxl_decode(data), np.uint8)
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))

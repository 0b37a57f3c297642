"""What the shard files of a set hold: samples as they are stored, and their decoded images."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any, BinaryIO

import numpy as np
import pyarrow.parquet as pq

from sysnoise.manifests.json_documents import parse_json
from sysnoise.manifests.layout import MAX_PIXELS, ShardFormat
from sysnoise.manifests.tables import check_parquet, rows_at_a_time
from sysnoise.manifests.tar_files import read_tar
from sysnoise.transforms.pixels import Pixels, Size, check_pixels


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
            yield _stored_row(row)
        return
    for key, members in groupby(_tar_members(opened), key=lambda member: member[0]):
        contents = {extension: data for _, extension, data in members}
        if not {"json", image_format} <= contents.keys():
            raise ValueError(f"sample {key!r} has members {sorted(contents)}, no {image_format}")
        fields = parse_json(contents["json"])
        if not isinstance(fields, dict) or "geometry" not in fields:
            raise ValueError(f"the JSON of {key!r} is not that of a sample")
        yield StoredSample(key, contents[image_format], fields)


def stored_images(
    opened: BinaryIO, shard_format: ShardFormat, image_format: str
) -> Iterator[tuple[str, bytes]]:
    """Yield key and encoded image of each sample of a shard file; see :func:`stored_samples`."""
    if shard_format is ShardFormat.PARQUET:
        for row in _parquet_rows(opened, ["key", "image.bytes"]):
            yield _key_and_image(row)
        return
    for key, extension, data in _tar_members(opened):
        if extension == image_format:
            yield key, data


def tar_places(
    opened: BinaryIO, shard_format: ShardFormat, image_format: str
) -> Iterator[tuple[int, int]]:
    """Yield where each sample of a tar file begins, and where it ends, in bytes.

    The part between the two is a tar file without its end.

    Args:
        opened: the file.
        shard_format: format of the file.
        image_format: format of the images in it.

    Raises:
        tarfile.TarError: the file is damaged, or not a tar file.
    """
    members = (
        (member.name.partition(".")[0], member.offset, tar.offset)
        for tar, member in read_tar(opened)
    )
    for _, group in groupby(members, key=lambda member: member[0]):
        places = list(group)
        yield places[0][1], places[-1][2]


def row_places(
    opened: BinaryIO, shard_format: ShardFormat, image_format: str
) -> Iterator[tuple[int, int]]:
    """Yield the number of the row group of each sample of a Parquet file, and its row in it.

    Args:
        opened: the file.
        shard_format: format of the file.
        image_format: format of the images in it.

    Raises:
        pyarrow.ArrowException: the file is damaged, or not a Parquet file.
    """
    metadata = _parquet_file(opened).metadata
    for group in range(metadata.num_row_groups):
        yield from ((group, row) for row in range(metadata.row_group(group).num_rows))


def stored_row_group(
    opened: BinaryIO, shard_format: ShardFormat, image_format: str, *, group: int
) -> Iterator[StoredSample]:
    """Yield the samples of a row group of a Parquet file; see :func:`stored_samples`."""
    for row in _parquet_rows(opened, None, [group]):
        yield _stored_row(row)


def _key_and_image(row: Mapping[str, Any]) -> tuple[str, bytes]:
    key, image = row["key"], row["image"]
    data = image.get("bytes") if isinstance(image, dict) else None
    if not isinstance(key, str) or not isinstance(data, bytes):
        raise ValueError(f"the row of {key!r} has no image")
    return key, data


def _stored_row(row: dict[str, Any]) -> StoredSample:
    key, image = _key_and_image(row)
    del row["key"], row["image"]
    return StoredSample(key, image, row)


def _parquet_file(opened: BinaryIO) -> pq.ParquetFile:
    length = opened.seek(0, io.SEEK_END)
    parquet = pq.ParquetFile(opened)
    check_parquet(parquet.metadata, length)
    return parquet


def _parquet_rows(
    opened: BinaryIO, columns: list[str] | None, groups: list[int] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield rows, a few at a time, without Arrow's threads, which outlive a reader.

    Args:
        opened: the file.
        columns: the columns; None for all.
        groups: numbers of row groups; None for all.
    """
    parquet = _parquet_file(opened)
    for batch in parquet.iter_batches(
        rows_at_a_time(parquet.metadata), row_groups=groups, columns=columns, use_threads=False
    ):
        yield from batch.to_pylist()


def _tar_members(opened: BinaryIO) -> Iterator[tuple[str, str, bytes]]:
    """Yield key, extension and content of the members of a tar; no name may lead anywhere."""
    for tar, member in read_tar(opened):
        content = tar.extractfile(member) if member.isreg() else None
        if content is None or "/" in member.name or "\\" in member.name:
            raise ValueError(f"member {member.name!r} is no file of a sample")
        key, _, extension = member.name.partition(".")
        yield key, extension, content.read()


def decode_stored(data: bytes, image_format: str, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode a stored image.

    Args:
        data: the bytes of the image.
        image_format: ``png``, ``webp``, ``jxl`` (needs imagecodecs) or ``npy``.
        max_pixels: number of pixels of the largest image; a larger one is not decoded.

    Returns:
        uint8, shape (H, W, 3), RGB; it may be read-only.

    Raises:
        ValueError: it is not an RGB image of the format, or is too large.
        Exception: the library cannot decode it; codecs raise errors of any type.
    """
    decode = {"npy": _decode_npy, "jxl": _decode_jxl}.get(image_format, _decode_raster)
    pixels = decode(data, image_format, max_pixels)
    check_pixels(pixels)
    return pixels


def _decode_npy(data: bytes, _: str, max_pixels: int) -> Pixels:
    opened = io.BytesIO(data)
    if np.lib.format.read_magic(opened) != (1, 0):
        raise ValueError("not an array of NumPy's format 1.0")
    shape, _is_fortran, kind = np.lib.format.read_array_header_1_0(opened)
    _check_size(Size(*shape[1::-1]), max_pixels)
    if kind != np.uint8 or math.prod(shape) != len(data) - opened.tell():
        raise ValueError(f"an array of {kind} of shape {shape} in {len(data)} bytes")
    return np.asarray(np.load(io.BytesIO(data), allow_pickle=False), np.uint8)


def _decode_jxl(data: bytes, _: str, max_pixels: int) -> Pixels:
    import imagecodecs

    from sysnoise.transforms.codecs.jxl import jxl_size

    _check_size(jxl_size(data), max_pixels)
    return np.asarray(imagecodecs.jpegxl_decode(data), np.uint8)


def _decode_raster(data: bytes, image_format: str, max_pixels: int) -> Pixels:
    from sysnoise.transforms.codecs.raster import open_raster

    with open_raster(data) as image:
        if image.format != image_format.upper():
            raise ValueError(f"it is {image.format}, not {image_format.upper()}")
        _check_size(Size(*image.size), max_pixels)
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _check_size(size: Size, max_pixels: int) -> None:
    if size.width * size.height > max_pixels:
        raise ValueError(
            f"it has {size.width} x {size.height} pixels, the limit is {max_pixels} in all"
        )

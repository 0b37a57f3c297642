"""Reading a finished set: its manifest, its samples and the images of a variant.

Loads neither Beam nor the codecs that made the set; PNG and WebP are decoded with Pillow.
"""

from __future__ import annotations

import functools
import io
import json
import posixpath
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import fsspec
import numpy as np
import pyarrow.parquet as pq
from fsspec.core import url_to_fs

from manifests.layout import FILES, MANIFEST, ShardFormat, samples_path, shard_name, variant_path
from manifests.schema import validate_manifest
from manifests.tables import parse_parquet
from transforms.arrays import Pixels


class SetError(Exception):
    """A folder that is not a finished set, or one that lacks what its manifest names."""


@dataclass(frozen=True)
class FinishedSet:
    """A finished set.

    Attributes:
        url: of its root.
        fs: its file system.
        path: its root there.
        manifest: the parsed manifest.
    """

    url: str
    fs: fsspec.AbstractFileSystem
    path: str
    manifest: dict[str, Any]

    @property
    def shards(self) -> int:
        """Number of shards of a variant."""
        return int(self.manifest["counts"]["shards"])

    @property
    def variants(self) -> dict[str, dict[str, Any]]:
        """What the manifest says of each variant, by id, in grid order."""
        return {variant["id"]: variant for variant in self.manifest["variants"]}

    @property
    def image_format(self) -> str:
        """The format of the stored images: ``png``, ``webp``, ``jxl`` or ``npy``."""
        return str(self.manifest["image_format"]["name"])

    def samples(self, shard: int, columns: Sequence[str]) -> list[dict[str, Any]]:
        """Return columns of a shard's table of samples, a row a sample, rejects included."""
        path = samples_path(shard_name(shard, self.shards))
        rows: list[dict[str, Any]] = parse_parquet(self._read(path), columns).to_pylist()
        return rows

    def images(self, variant_id: str, shard: int) -> Iterator[tuple[str, bytes]]:
        """Yield key and encoded image of each sample of a shard, in stored order.

        A file that was left out as a duplicate is read where its bytes are.

        Raises:
            SetError: the set has no such file, or it is not at hand.
        """
        shard_format = ShardFormat(self.manifest["formats"][0])
        split = self.manifest["dataset"]["split"]
        name = shard_name(shard, self.shards)
        path = variant_path(variant_id, split, name, shard_format)
        if path not in self._same_as:
            raise SetError(f"{self.url!r} has no file {path!r}")
        stored = self._same_as[path] or path
        try:
            with self.fs.open(posixpath.join(self.path, stored), "rb") as opened:
                yield from stored_images(opened, shard_format, self.image_format)
        except FileNotFoundError as error:
            raise SetError(f"{self.url!r} lacks {stored!r}") from error

    @functools.cached_property
    def _same_as(self) -> dict[str, str | None]:
        table = parse_parquet(self._read(FILES), ["path", "same_as"])
        return {row["path"]: row["same_as"] for row in table.to_pylist()}

    def _read(self, relative: str) -> bytes:
        try:
            return bytes(self.fs.cat_file(posixpath.join(self.path, relative)))
        except FileNotFoundError as error:
            raise SetError(f"{self.url!r} lacks {relative!r}") from error


def open_set(url: str) -> FinishedSet:
    """Open a finished set and check its manifest against the schema.

    Args:
        url: its root, path or fsspec URL.

    Raises:
        SetError: no manifest, or one that cannot be read.
        ManifestError: a manifest that does not follow the schema.
    """
    try:
        fs, path = url_to_fs(url)
        data = fs.cat_file(posixpath.join(path, MANIFEST))
        manifest = json.loads(data)
    except FileNotFoundError as error:
        raise SetError(f"{url!r} is not a finished set: it has no {MANIFEST}") from error
    except (OSError, ValueError, ImportError) as error:
        raise SetError(f"reading {MANIFEST} of {url!r}: {error}") from error
    validate_manifest(manifest)
    return FinishedSet(url, fs, path, manifest)


def stored_images(
    opened: BinaryIO, shard_format: ShardFormat, image_format: str
) -> Iterator[tuple[str, bytes]]:
    """Yield key and encoded image of each sample of a shard file, in stored order.

    Args:
        opened: the file.
        shard_format: its format.
        image_format: of the images in it.
    """
    if shard_format is ShardFormat.PARQUET:
        parquet = pq.ParquetFile(opened)
        for group in range(parquet.num_row_groups):
            for row in parquet.read_row_group(group, columns=["key", "image.bytes"]).to_pylist():
                yield row["key"], row["image"]["bytes"]
        return
    with tarfile.open(fileobj=opened, mode="r:") as tar:
        for member in tar:
            key, _, extension = posixpath.basename(member.name).partition(".")
            content = tar.extractfile(member)
            if extension == image_format and content is not None:
                yield key, content.read()


def decode_stored(data: bytes, image_format: str) -> Pixels:
    """Decode a stored image.

    Args:
        data: the bytes of the image.
        image_format: ``png``, ``webp``, ``jxl`` (needs imagecodecs) or ``npy``.

    Returns:
        uint8, shape (H, W, 3), RGB.
    """
    if image_format == "npy":
        return np.asarray(np.load(io.BytesIO(data), allow_pickle=False), np.uint8)
    if image_format == "jxl":
        import imagecodecs

        return np.asarray(imagecodecs.jpegxl_decode(data), np.uint8)
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))

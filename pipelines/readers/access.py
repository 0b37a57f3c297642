"""Reading the bytes of source images: whole files, members of tars, rows of Parquet files."""

from __future__ import annotations

import bisect
import functools
import tarfile
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from sysnoise.manifests.tar_files import read_tar
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.readers.sources import Source
from sysnoise.pipelines.storage.reading import open_file, read_file, read_range
from sysnoise.pipelines.storage.root import Root, open_root


def tar_members(root: Root, relative: str) -> Iterator[tuple[tarfile.TarInfo, Callable[[], bytes]]]:
    """Yield the regular members of a tar file, each with a function that reads it.

    Raises:
        InputError: the file is not a tar file, or is damaged.
    """
    try:
        with open_file(root, relative) as opened:
            for tar, member in read_tar(opened):
                if member.isfile():
                    yield member, functools.partial(_read_member, tar, member)
    except (tarfile.TarError, OSError) as error:
        raise InputError(f"reading the tar file {root.child(relative)!r}: {error}") from error


def _read_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    extracted = tar.extractfile(member)
    if extracted is None:
        raise InputError(f"{member.name!r} is not a regular file")
    return extracted.read()


ReadSource = Callable[[Source], bytes]
"""Reads the bytes of a source image."""


def source_reader(url: str) -> ReadSource:
    """Return a function that reads the bytes of a source image.

    The file system is opened once. The last row group of a Parquet file is kept in memory, because
    neighbors in key order usually share it.
    """
    root = open_root(url)

    @functools.lru_cache(maxsize=1)
    def row_group(file: str, index: int) -> pa.ChunkedArray:
        with open_file(root, file) as opened:
            # As a dictionary, because bytes that are repeated would take memory for each row.
            parquet = pq.ParquetFile(opened, read_dictionary=["image.bytes"])
            return parquet.read_row_group(index, columns=["image.bytes"])["image"]

    @functools.lru_cache(maxsize=16)
    def row_group_starts(file: str) -> list[int]:
        with open_file(root, file) as opened:
            metadata = pq.ParquetFile(opened).metadata
        starts = [0]
        for index in range(metadata.num_row_groups):
            starts.append(starts[-1] + metadata.row_group(index).num_rows)
        return starts

    def read(source: Source) -> bytes:
        file = source.file
        if source.row is not None:
            starts = row_group_starts(file)
            index = bisect.bisect_right(starts, source.row) - 1
            image = row_group(file, index)[source.row - starts[index]].as_py()
            data = (image or {}).get("bytes")
            if data is None:
                raise InputError(f"row {source.row} of {file!r} has no bytes in its image column")
            return bytes(data)
        if source.offset is not None and source.size is not None:
            return read_range(root, file, source.offset, source.size)
        return read_file(root, file)

    return read

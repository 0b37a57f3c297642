"""Reading the bytes of source images: whole files, members of tars, rows of Parquet files."""

from __future__ import annotations

import bisect
import functools
import tarfile
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from sysnoise.manifests.bounded import FileTooLargeError
from sysnoise.manifests.junk import is_junk
from sysnoise.manifests.layout import MAX_BYTES
from sysnoise.manifests.tar_files import read_tar
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.readers.sources import Source
from sysnoise.pipelines.storage.listing import warn_of_junk
from sysnoise.pipelines.storage.reading import open_file, read_file, read_range
from sysnoise.pipelines.storage.root import Root, open_root


def tar_members(root: Root, relative: str) -> Iterator[tuple[tarfile.TarInfo, Callable[[], bytes]]]:
    """Yield the regular members of a tar file, each with a function that reads it.

    Junk is left out, and counted in a warning at the end.

    Raises:
        InputError: the file is not a tar file, or is damaged.
    """
    junk: list[str] = []
    try:
        with open_file(root, relative) as opened:
            for tar, member in read_tar(opened):
                if not member.isfile():
                    continue
                if is_junk(member.name):
                    junk.append(member.name)
                else:
                    yield member, functools.partial(_read_member, tar, member)
    except (tarfile.TarError, OSError) as error:
        raise InputError(f"reading the tar file {root.child(relative)!r}: {error}") from error
    warn_of_junk(root.child(relative), junk)


def _read_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    extracted = tar.extractfile(member)
    if extracted is None:
        raise InputError(f"{member.name!r} is not a regular file")
    return extracted.read()


ReadSource = Callable[[Source], bytes]
"""Reads the bytes of a source image."""


ROW_GROUP_BYTES = 1 << 30
"""Largest row group of images that is read, in bytes; those of Hugging Face have 100 MB."""


def source_reader(url: str, most: int = MAX_BYTES) -> ReadSource:
    """Return a function that reads the bytes of a source image.

    The file system is opened once. The last row group of a Parquet file is kept in memory, because
    neighbors in key order usually share it.

    Args:
        url: folder or archive of the source images, path or fsspec URL.
        most: length of the longest image file that is read, in bytes. The function raises
            FileTooLargeError for a longer one, before it fills the memory.
    """
    root = open_root(url)

    @functools.lru_cache(maxsize=1)
    def row_group(file: str, index: int) -> pa.ChunkedArray:
        with open_file(root, file) as opened:
            # As a dictionary, because bytes that are repeated would take memory for each row.
            parquet = pq.ParquetFile(opened, read_dictionary=["image.bytes"])
            _refuse_large_row_group(file, parquet.metadata.row_group(index))
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
            if len(data) > most:
                raise FileTooLargeError(most)
            return bytes(data)
        if source.offset is not None and source.size is not None:
            if source.size > most:
                raise FileTooLargeError(most)
            return read_range(root, file, source.offset, source.size)
        return read_file(root, file, most)

    return read


def _refuse_large_row_group(file: str, group: pq.RowGroupMetaData) -> None:
    columns = (group.column(position) for position in range(group.num_columns))
    size = sum(each.total_uncompressed_size for each in columns)
    if size > ROW_GROUP_BYTES:
        raise InputError(
            f"a row group of {file!r} has {size} bytes, the most that is read is "
            f"{ROW_GROUP_BYTES}; write the file again with shorter row groups"
        )

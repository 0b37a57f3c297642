"""Reading the bytes of source images: whole files, members of tars, rows of Parquet files."""

from __future__ import annotations

import bisect
import functools
import posixpath
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from sysnoise.manifests.bounded import FileTooLargeError
from sysnoise.manifests.junk import is_junk
from sysnoise.manifests.layout import IMAGE_COLUMN, MAX_BYTES
from sysnoise.manifests.tar_files import read_tar
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.readers.sources import Source
from sysnoise.pipelines.storage.listing import warn_of_junk
from sysnoise.pipelines.storage.reading import open_file, read_file, read_range, what_it_is
from sysnoise.pipelines.storage.root import Root, open_root

MAX_TAR_DEPTH = 2
"""Number of tar files that a tar file may lie in: ImageNet's training set is a tar of tars."""


@dataclass(frozen=True, slots=True)
class TarMember:
    """A regular member of a tar file.

    Attributes:
        name: its path; that of a member of a tar file within is below that file's.
        offset: where its bytes begin in the outermost tar file.
        size: number of bytes.
        read: reads it, before the next member is asked for.
    """

    name: str
    offset: int
    size: int
    read: Callable[[], bytes]


def tar_members(root: Root, relative: str, prefix: str = "") -> Iterator[TarMember]:
    """Yield the regular members of a tar file, and those of tar files within it.

    Args:
        root: what the user named.
        relative: path of the tar file below it.
        prefix: what the names of the members are preceded by.

    Junk is left out, and counted in a warning at the end.

    Raises:
        InputError: the file is not a tar file, or is damaged.
    """
    junk: list[str] = []
    try:
        with open_file(root, relative) as opened:
            yield from _members(opened, 0, prefix, 0, junk)
    except (tarfile.TarError, OSError) as error:
        found = what_it_is(root, relative, "a tar archive")
        raise InputError(
            f"reading the tar file {root.child(relative)!r}: {error}{found}"
        ) from error
    warn_of_junk(root.child(relative), junk)


def _members(
    opened: BinaryIO, start: int, prefix: str, depth: int, junk: list[str]
) -> Iterator[TarMember]:
    """Yield the members of a tar file that begins at an offset of the outermost one.

    The names of those that are left out are added to ``junk``.
    """
    folder = f"{posixpath.basename(prefix[:-1])}/" if prefix else ""
    is_empty = True
    for tar, member in read_tar(opened):
        is_empty = False
        if not member.isfile():
            continue
        offset = start + member.offset_data
        if is_junk(member.name):
            junk.append(prefix + member.name)
        elif member.name.endswith(".tar"):
            if depth == MAX_TAR_DEPTH:
                raise tarfile.ReadError(
                    f"the member {member.name!r} is a tar file in {depth} others"
                )
            inner = cast("BinaryIO", tar.extractfile(member))  # A regular file can be opened.
            try:
                yield from _members(inner, offset, f"{prefix}{member.name[:-4]}/", depth + 1, junk)
            except tarfile.TarError as error:
                raise tarfile.ReadError(f"in the member {member.name!r}: {error}") from error
        else:
            # An archive of one folder often has that folder in its members' names.
            name = prefix + member.name.removeprefix(folder)
            read = functools.partial(_read_member, tar, member)
            yield TarMember(name, offset, member.size, read)
    if is_empty:
        raise tarfile.ReadError("it has no members, only zeros; leave it out or fetch it again")


def _read_member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    return cast("BinaryIO", tar.extractfile(member)).read()


ReadSource = Callable[[Source], bytes]
"""Reads the bytes of a source image."""


ROW_GROUP_BYTES = 1 << 30
"""Largest row group of images that is read, in bytes; those of Hugging Face have 100 MB."""


def source_reader(url: str, most: int = MAX_BYTES, image_column: str = IMAGE_COLUMN) -> ReadSource:
    """Return a function that reads the bytes of a source image.

    The file system is opened once. The last row group of a Parquet file is kept in memory, because
    neighbors in key order usually share it.

    Args:
        url: folder or archive of the source images, path or fsspec URL.
        most: length of the longest image file that is read, in bytes. The function raises
            FileTooLargeError for a longer one, before it fills the memory.
        image_column: the column of images in Parquet files: bytes, or structs with a field
            ``bytes``. The bytes of an image that is null are empty.
    """
    root = open_root(url)

    @functools.lru_cache(maxsize=1)
    def row_group(file: str, index: int) -> pa.ChunkedArray:
        with open_file(root, file) as opened:
            plain = pq.ParquetFile(opened)
            _refuse_large_row_group(file, plain.metadata.row_group(index))
            column = bytes_column(plain.schema_arrow, image_column)
            # As a dictionary, because bytes that are repeated would take memory for each row.
            parquet = pq.ParquetFile(opened, metadata=plain.metadata, read_dictionary=[column])
            return parquet.read_row_group(index, columns=[column])[image_column]

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
            data = _bytes_of(row_group(file, index)[source.row - starts[index]].as_py())
            if len(data) > most:
                raise FileTooLargeError(most)
            return data
        if source.offset is not None and source.size is not None:
            if source.size > most:
                raise FileTooLargeError(most)
            return read_range(root, file, source.offset, source.size)
        return read_file(root, file, most)

    return read


def bytes_column(schema: pa.Schema, name: str) -> str:
    """Return the path of the column of a Parquet file that has the bytes of its images."""
    return f"{name}.bytes" if pa.types.is_struct(schema.field(name).type) else name


def _bytes_of(image: Any) -> bytes:
    """Return the bytes of an image; none of one that is null, which is then rejected."""
    data = image.get("bytes") if isinstance(image, dict) else image
    return bytes(data or b"")


def _refuse_large_row_group(file: str, group: pq.RowGroupMetaData) -> None:
    columns = (group.column(position) for position in range(group.num_columns))
    size = sum(each.total_uncompressed_size for each in columns)
    if size > ROW_GROUP_BYTES:
        raise InputError(
            f"a row group of {file!r} has {size} bytes, the most that is read is "
            f"{ROW_GROUP_BYTES}; write the file again with shorter row groups"
        )

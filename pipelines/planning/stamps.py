"""Whether source files change while a set is made: what the file system knows of each, compared.

Planning stamps the file of each source image with its length and its time of modification, or its
entity tag or checksum where the file system has these. A worker compares them after it has read the
images of a shard, and a run that goes on compares the bytes of files whose stamp has changed since
the finished shards were made. The stamps are kept beside the plan until the set is finished.
"""

from __future__ import annotations

import functools
import hashlib
import io
import logging
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sysnoise.manifests.layout import STAMPS, samples_path
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.tables import parse_parquet
from sysnoise.pipelines.errors import ChangedSourceError, lines_of
from sysnoise.pipelines.planning.plan import read_shard_rows, read_sources
from sysnoise.pipelines.readers.access import ReadSource, source_reader
from sysnoise.pipelines.readers.sources import Source, SourceSet
from sysnoise.pipelines.storage.commit import write_file
from sysnoise.pipelines.storage.listing import list_folder
from sysnoise.pipelines.storage.reading import read_file, read_in_parallel
from sysnoise.pipelines.storage.root import Root, call_with_retries, is_http, is_local, open_root

STAMPS_SCHEMA = pa.schema([("bytes", pa.int64()), ("version", pa.string())])
"""One row per row of the table of sources, about the file that holds the image.

``bytes`` is the length of the file. ``version`` is the time of modification in nanoseconds where
the file system is the local one, else an entity tag, a checksum or a time. Null stands for unknown.
"""

FEW_FILES = 64
"""Number of remote files that planning asks for one by one; more of them are listed."""

_VERSIONS = (
    "ETag",
    "etag",
    "generation",
    "CRC",
    "mtime",
    "LastModified",
    "Last-Modified",
    "created",
)
"""Names of what fsspec's file systems know of a file that changes with its content.

Source: the ``info`` of s3fs, gcsfs, and of fsspec's zip, SFTP, SMB, HTTP and memory file systems.
"""

Stamp = tuple[int | None, str | None]
"""A row of :data:`STAMPS_SCHEMA`."""

UNKNOWN: Stamp = (None, None)
"""The stamp of a file that is missing, or of which a file system knows nothing."""

CheckSources = Callable[[int, Sequence[Source]], None]
"""Refuses the sources of a shard, of which some may have been read, where their files changed.

It raises ChangedSourceError.
"""


def take_stamps(source: SourceSet) -> pa.Table:
    """Return the stamps of the files of all source images, in the order of the table of sources.

    Returns:
        A table of :data:`STAMPS_SCHEMA`. A file that is not there has null values.
    """
    root = open_root(source.root)
    column = source.table["file"]
    in_archives = source.table["offset"].null_count + source.table["row"].null_count
    if in_archives == 2 * len(column):  # Each image is a file.
        return _stamp_files(root, column.to_pylist())
    encoded = column.combine_chunks().dictionary_encode()
    return _stamp_files(root, encoded.dictionary.to_pylist()).take(encoded.indices)


def _stamp_files(root: Root, files: Sequence[str]) -> pa.Table:
    if is_local(root):
        return _stamp_local_files(root, files)
    stamps = _listed_stamps(root, files) if len(files) > FEW_FILES else _asked_stamps(root, files)
    columns = [list(values) for values in zip(*stamps, strict=True)]
    return pa.table(columns, schema=STAMPS_SCHEMA)


def _stamp_local_files(root: Root, files: Sequence[str]) -> pa.Table:
    """Stamp local files, of which there may be millions."""
    sizes = np.full(len(files), -1, np.int64)
    times = np.zeros(len(files), np.int64)
    folder = root.join("x")[:-1]
    for row, file in enumerate(files):
        try:
            status = os.stat(folder + file if file else root.path)
        except OSError:
            continue  # Reading it says why.
        sizes[row], times[row] = status.st_size, status.st_mtime_ns
    missing = pa.array(sizes < 0)
    versions = pc.cast(pa.array(times), pa.string())
    columns = [
        pc.if_else(missing, pa.scalar(None, column.type), column)
        for column in (pa.array(sizes), versions)
    ]
    return pa.table(columns, schema=STAMPS_SCHEMA)


def _listed_stamps(root: Root, files: Sequence[str]) -> list[Stamp]:
    """Return what a remote file system, or an archive, lists of files; web servers list nothing."""
    if is_http(root):
        return [UNKNOWN] * len(files)
    find = functools.partial(root.fs.find, root.path, detail=True)
    found = call_with_retries(root, "listing", "", find)
    prefix = root.path.rstrip("/") + "/" if root.path else ""
    stamps = {path.removeprefix(prefix): _stamp_of(info) for path, info in found.items()}
    return [stamps.get(file, UNKNOWN) for file in files]


def _asked_stamps(root: Root, files: Sequence[str]) -> list[Stamp]:
    """Return what a file system, or an archive, says of each file when it is asked."""
    return list(read_in_parallel(functools.partial(_asked_stamp, root), files))


def _asked_stamp(root: Root, file: str) -> Stamp:
    path = root.join(file)
    try:
        return _stamp_of(call_with_retries(root, "looking for", file, lambda: root.fs.info(path)))
    except FileNotFoundError:
        return UNKNOWN


def _stamp_of(info: Mapping[str, Any]) -> Stamp:
    versions = (str(info[name]) for name in _VERSIONS if info.get(name) is not None)
    size = info.get("size")
    return (None if size is None else int(size)), next(versions, None)


def keep_stamps(stamps: pa.Table, plan: Plan, output: Root) -> str:
    """Write stamps with one row group per shard, and return the path of their file.

    Runs on other shards may stamp the files by other clocks, so that each has a file of its own.

    Raises:
        OutputError: it cannot be written.
    """
    file = io.BytesIO()
    pq.write_table(stamps, file, row_group_size=plan.samples_per_shard, compression="zstd")
    data = file.getvalue()
    path = f"{STAMPS}/{hashlib.sha256(data).hexdigest()}.parquet"
    write_file(output, path, data)
    return path


def check_sources(
    root: Root, output: Root, path: str, shard: int, sources: Sequence[Source]
) -> None:
    """Compare the files of a shard's source images with their stamps.

    Args:
        root: the root of the source images.
        output: the output that holds the stamps.
        path: path of the stamps in it.
        shard: number of the shard.
        sources: the shard's rows of the table of sources.

    Raises:
        ChangedSourceError: a file is not as it was when the run was planned.
        OutputError: the stamps cannot be read.
    """
    rows: list[Any] = [tuple(row.values()) for row in read_shard_rows(output, path, shard)]
    stamped = zip((each.file for each in sources), rows, strict=True)
    planned = {file: stamp for file, stamp in stamped if stamp != UNKNOWN}
    ask = _local_stamps if is_local(root) else _asked_stamps
    changed = [
        f"{root.child(file)}: planned as {_described(before)}, now {_described(now)}"
        for (file, before), now in zip(planned.items(), ask(root, list(planned)), strict=True)
        if _differ(before, now)
    ]
    if changed:
        raise ChangedSourceError(
            f"shard {shard}: {len(changed)} source file(s) changed while the run went on; bring "
            "them back and run the same command again, or add --overwrite to make the set from "
            f"what is there now:\n{lines_of(changed)}"
        )


def _local_stamps(root: Root, files: Sequence[str]) -> list[Stamp]:
    columns = _stamp_local_files(root, files).columns
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


def _differ(before: Stamp, now: Stamp) -> bool:
    """Whether a file is missing that was there, or two stamps differ in something that both say."""
    return now == UNKNOWN or any(
        one is not None and other is not None and one != other
        for one, other in zip(before, now, strict=True)
    )


def _described(stamp: Stamp) -> str:
    size, version = stamp
    if size is None:
        return "missing"
    return f"{size} bytes" + ("" if version is None else f" of version {version}")


def compare_finished(
    plan: Plan, source: SourceSet, stamps: pa.Table, output: Root, finished: Iterable[int]
) -> None:
    """Compare the bytes of the sources of finished shards, where their stamps have changed since.

    Args:
        plan: the plan of the set.
        source: the source images as they are now.
        stamps: their stamps.
        output: the output that holds the shards, and the stamps of the runs that made them.
        finished: numbers of the finished shards.

    Raises:
        ChangedSourceError: a source image is not the one that a finished shard was made from.
        InputError, OSError, OutputError: a source image or a table cannot be read.
    """
    changed = [_changed_rows(output, path, stamps) for path in list_folder(output, STAMPS)]
    rows = np.unique(np.concatenate([*changed, np.empty(0, np.int64)]))
    shards = set(finished) & set((rows // plan.samples_per_shard).tolist())
    if not shards:
        return
    logging.getLogger(__name__).warning(
        "source files of %d finished shard(s) have another length or time than before; their "
        "bytes are compared",
        len(shards),
    )
    read = source_reader(source.root)
    changes = [
        change
        for shard in sorted(shards)
        for change in _changed_contents(plan, output, read, shard, set(rows.tolist()))
    ]
    if changes:
        raise ChangedSourceError(
            f"{len(changes)} source image(s) are not those that finished shards of {output.url!r} "
            "were made from; bring them back, or add --overwrite to make the set from what is "
            f"there now:\n{lines_of(changes)}"
        )


def _changed_rows(output: Root, path: str, stamps: pa.Table) -> np.ndarray:
    """Return the numbers of the rows in which stored stamps differ from some others."""
    try:
        stored = parse_parquet(read_file(output, path), STAMPS_SCHEMA.names)
        stored = stored.cast(STAMPS_SCHEMA)
    except (pa.ArrowException, KeyError, ValueError):
        return np.arange(stamps.num_rows)  # No run left it like this.
    if stored.num_rows != stamps.num_rows:
        return np.arange(stamps.num_rows)
    differ = [
        pc.fill_null(pc.not_equal(stored[name], stamps[name]), False)
        for name in STAMPS_SCHEMA.names
    ]
    return np.asarray(pc.indices_nonzero(pc.or_(*differ)), np.int64)


def _changed_contents(
    plan: Plan, output: Root, read: ReadSource, shard: int, rows: Container[int]
) -> Iterator[str]:
    """Yield which source images of a finished shard have other bytes than those it was made from.

    Args:
        plan: the plan of the set.
        output: the output that holds the shard.
        read: reads the bytes of a source image.
        shard: number of the shard.
        rows: rows of the table of sources that are compared.
    """
    table = parse_parquet(
        read_file(output, samples_path(plan.shard_name(shard))), ["key", "source_sha256"]
    )
    made_from = dict(zip(table["key"].to_pylist(), table["source_sha256"].to_pylist(), strict=True))
    first = shard * plan.samples_per_shard
    for row, each in enumerate(read_sources(output, shard), start=first):
        expected = made_from.get(each.key)
        if row not in rows or expected is None:
            continue
        found = hashlib.sha256(read(each)).hexdigest()
        if found != expected:
            yield f"{each.key}, from {each.name!r}: sha256 {found}, made from {expected}"

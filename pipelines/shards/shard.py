"""One shard: its sources to the shard files of all variants, its samples table and its receipt."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sysnoise.manifests.layout import ShardFormat, receipt_path, samples_path, variant_path
from sysnoise.manifests.tables import DIFFERENCE, Duplicates, SampleStatus, samples_schema
from sysnoise.pipelines.errors import ShardError, unwritable
from sysnoise.pipelines.planning.plan import Plan, read_sources
from sysnoise.pipelines.shards.earlier import (
    DamagedShardError,
    EarlierShard,
    KeptFiles,
    earlier_variants,
    open_earlier,
)
from sysnoise.pipelines.shards.sample import (
    MadeSample,
    Reject,
    Rendered,
    crashed_sample,
    make_sample,
)
from sysnoise.pipelines.shards.strikes import STRIKES_TO_REJECT, read_strikes
from sysnoise.pipelines.shards.tally import Tally
from sysnoise.pipelines.shards.writers.parquet import ParquetWriter
from sysnoise.pipelines.shards.writers.samples import ShardWriter
from sysnoise.pipelines.shards.writers.webdataset import WebDatasetWriter
from sysnoise.pipelines.storage.commit import commit_files, remove_file, working_folder, write_file
from sysnoise.pipelines.storage.hashed_file import HashedFile, WrittenFile
from sysnoise.pipelines.storage.json_files import json_bytes
from sysnoise.pipelines.storage.root import Root
from sysnoise.transforms.difference import Difference

_DIFFERENCE_NAMES = tuple(field.name for field in DIFFERENCE)

ReadSource = Callable[[Mapping[str, Any]], bytes]


def make_shard(
    plan: Plan,
    shard: int,
    read: ReadSource,
    output: Root,
    on_sample: Callable[[str | None], None],
) -> dict[str, Any]:
    """Make and commit one shard.

    All files are written to a temporary folder and moved to their places when the last sample is
    done; the receipt is written last and is what makes the shard count.

    Args:
        plan: of the run.
        shard: its number.
        read: gives the bytes of a row of the table of sources.
        output: where the set is written.
        on_sample: called with each sample's key before the sample is made, and with None after the
            last one.

    Returns:
        The receipt.

    Raises:
        ShardError: the sources cannot be read; says which and why.
        OutputError: the files cannot be written.
    """
    sources = read_sources(output, shard)
    try:
        try:
            earlier = open_earlier(plan, shard, output)
            grown = _Shard(plan, shard, plan.shard_name(shard), output, earlier)
            with contextlib.suppress(_SamplesChangedError):
                return _write(grown, sources, read, on_sample, grown.kept())
            return _write(grown, sources, read, on_sample, {})
        except DamagedShardError:
            return write_shard(plan, shard, sources, read, output, on_sample)
    except OSError as error:
        raise unwritable(f"writing {error.filename or output.url!r}", error) from error


def write_shard(
    plan: Plan,
    shard: int,
    sources: Iterable[Mapping[str, Any]],
    read: ReadSource,
    output: Root,
    on_sample: Callable[[str | None], None],
) -> dict[str, Any]:
    """Make and commit a shard of any sources, as :func:`make_shard` does of its own.

    Raises:
        ShardError: a source cannot be read.
        OutputError, OSError: the receipt, or another file, cannot be written.
    """
    work = _Shard(plan, shard, plan.shard_name(shard), output, None)
    return _write(work, sources, read, on_sample, {})


@dataclass(frozen=True)
class _Shard:
    """The shard at hand, and what is there of it from a smaller grid."""

    plan: Plan
    number: int
    name: str
    output: Root
    earlier: EarlierShard | None

    def kept(self) -> _Kept:
        """The files that need not be written, by format."""
        if self.earlier is None:
            return {}
        formats = self.plan.formats
        return {fmt: self.earlier.kept_files(self.plan, self.name, fmt) for fmt in formats}

    def stored(self, kept: _Kept) -> Iterator[Mapping[int, Rendered]]:
        """Yield the variants that need not be made, sample by sample."""
        if self.earlier is None:
            return itertools.repeat({})
        with_images = not all(kept.get(shard_format) for shard_format in self.plan.formats)
        return earlier_variants(self.earlier, self.name, self.output, with_images)


_Kept = Mapping[ShardFormat, KeptFiles]


class _SamplesChangedError(Exception):
    """A sample became a reject, or the other way round, so that no file can be kept."""


def _write(
    shard: _Shard,
    sources: Iterable[Mapping[str, Any]],
    read: ReadSource,
    on_sample: Callable[[str | None], None],
    kept: _Kept,
) -> dict[str, Any]:
    plan, output = shard.plan, shard.output
    strikes = read_strikes(output, shard.number)
    tally, rows = Tally(plan.grid), []
    with working_folder(output, shard.name) as folder:
        written = [_open_files(plan, fmt, folder, kept.get(fmt, {})) for fmt in plan.formats]
        for source, stored in zip(sources, shard.stored(kept), strict=False):
            on_sample(source["key"])
            made = _make(plan, source, read, strikes.get(source["key"], 0), stored)
            if any(kept.values()) and bool(stored) != isinstance(made, MadeSample):
                raise _SamplesChangedError
            rows.append(_write_sample(plan, made, written, tally))
        on_sample(None)
        files = _commit(shard, folder, written, rows, tally)
    receipt = {
        "fingerprint": plan.fingerprint,
        "shard": shard.number,
        "samples": tally.samples,
        "rejects": [_reject_row(row, shard.number) for row in rows if "reason" in row],
        **tally.document(),
        "files": files,
    }
    write_file(output, receipt_path(shard.name), json_bytes(receipt))
    return receipt


def _make(
    plan: Plan,
    source: Mapping[str, Any],
    read: ReadSource,
    strikes: int,
    stored: Mapping[int, Rendered],
) -> MadeSample | Reject:
    """Make a sample, unless too many workers died on it."""
    data = _read(read, source)
    if strikes >= STRIKES_TO_REJECT:
        return crashed_sample(plan, source, data)
    return make_sample(plan, source, data, stored)


def _read(read: ReadSource, source: Mapping[str, Any]) -> bytes:
    try:
        return read(source)
    except Exception as error:
        raise ShardError(
            f"reading sample {source['key']} from {source['name']!r}: {error}; check the source, "
            "then run again"
        ) from error


@dataclass(frozen=True)
class _Files:
    """The files of one format.

    Attributes:
        shard_format: the format.
        kept: files that stay as they are.
        positions: of the variants whose files are written.
        writer: writes them.
    """

    shard_format: ShardFormat
    kept: KeptFiles
    positions: Sequence[int]
    writer: ShardWriter


def _open_files(plan: Plan, shard_format: ShardFormat, folder: str, kept: KeptFiles) -> _Files:
    variants = plan.grid.variants
    positions = [position for position in range(len(variants)) if position not in kept]
    paths = [
        os.path.join(folder, f"{variants[position].slug}.{shard_format.extension}")
        for position in positions
    ]
    if shard_format is ShardFormat.WEBDATASET:
        return _Files(shard_format, kept, positions, WebDatasetWriter(paths, plan.image_format))
    exif, rows = plan.grid.exif, plan.row_group_rows
    writer = ParquetWriter(paths, plan.image_format, plan.kind, exif, rows)
    return _Files(shard_format, kept, positions, writer)


def _write_sample(
    plan: Plan, made: MadeSample | Reject, written: Sequence[_Files], tally: Tally
) -> dict[str, Any]:
    """Write one sample to all files and return its row of the samples table."""
    if isinstance(made, MadeSample):
        for files in written:
            images = [made.variants[position].image for position in files.positions]
            files.writer.write(made.sample, images)
        tally.add(made)
    return _sample_row(plan, made)


def _sample_row(plan: Plan, made: MadeSample | Reject) -> dict[str, Any]:
    """Return a row of the samples table; rejects carry reason and message beside it."""
    decoders = {name: status.value for name, status in made.decoders.items()}
    if isinstance(made, Reject):
        return {
            "key": made.key,
            "source_name": made.source_name,
            "source_sha256": made.source_sha256,
            **made.targets,
            "status": SampleStatus.REJECTED.value,
            "decoders": decoders,
            "reason": made.reason.value,
            "message": made.message,
        }
    slugs = [variant.slug for variant in plan.grid.variants]
    return {
        "key": made.sample.key,
        "source_name": made.sample.source_name,
        "source_sha256": made.sample.source_sha256,
        **made.sample.targets,
        **made.sample.geometry,
        "status": SampleStatus.OK.value,
        "decoders": decoders,
        **{slug: each.digest for slug, each in zip(slugs, made.variants, strict=True)},
        "differences": {
            slug: _difference_row(each.difference)
            for slug, each in zip(slugs, made.variants, strict=True)
        },
    }


def _difference_row(difference: Difference | None) -> dict[str, int] | None:
    if difference is None:
        return None
    return {name: getattr(difference, name) for name in _DIFFERENCE_NAMES}


def _reject_row(row: Mapping[str, Any], shard: int) -> dict[str, Any]:
    names = ("key", "source_name", "reason", "message", "decoders")
    return {"shard": shard, **{name: row[name] for name in names}}


def _commit(
    shard: _Shard,
    folder: str,
    written: Sequence[_Files],
    rows: Sequence[Mapping[str, Any]],
    tally: Tally,
) -> list[dict[str, Any]]:
    """Finish all files, move them to their places and return their rows of the files table."""
    finished = [pair for each in written for pair in _finish_variants(shard, each, tally)]
    files = [row for row, _ in finished]
    moves = [(file, str(row["path"])) for row, file in finished if file is not None]
    table = _write_samples(shard.plan, rows, os.path.join(folder, "samples"))
    commit_files([*moves, (table.path, samples_path(shard.name))], shard.output)
    files.append(_file_row(samples_path(shard.name), None, "samples", table))
    for row in files:
        if row["same_as"] is not None:  # An earlier try, or a smaller grid, may have stored it.
            remove_file(shard.output, row["path"])
    return files


def _finish_variants(
    shard: _Shard, written: _Files, tally: Tally
) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Yield the row of each variant's file, and the new file to be moved to its place, if any.

    With ``Duplicates.SKIP``, a variant's file is left out where an earlier one has its bytes.
    """
    plan, shard_format = shard.plan, written.shard_format
    variants = plan.grid.variants
    same_as = tally.first_equal() if plan.duplicates is Duplicates.SKIP else range(len(variants))
    paths = [variant_path(each.id, plan.split, shard.name, shard_format) for each in variants]
    finished = dict(zip(written.positions, written.writer.close(), strict=True))
    for position, path in enumerate(paths):
        if position not in finished:
            yield dict(written.kept[position]), None
            continue
        file, first = finished[position], same_as[position]
        row = _file_row(path, variants[position].id, shard_format.value, file)
        if first != position:
            row["same_as"] = paths[first]
        yield row, file.path if first == position else None


def _file_row(
    path: str, variant: str | None, file_format: str, written: WrittenFile
) -> dict[str, Any]:
    return {
        "path": path,
        "variant": variant,
        "format": file_format,
        "samples": written.samples,
        "bytes": written.bytes,
        "sha256": written.sha256,
        "same_as": None,
    }


def _write_samples(plan: Plan, rows: Sequence[Mapping[str, Any]], path: str) -> WrittenFile:
    grid = plan.grid
    slugs = [variant.slug for variant in grid.variants]
    schema = samples_schema(plan.kind, grid.decoders, slugs, grid.exif)
    file = HashedFile(path)
    pq.write_table(pa.Table.from_pylist(list(rows), schema), file, compression="zstd")
    file.close()
    return file.describe(len(rows))

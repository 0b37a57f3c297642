"""Making one shard: the files of all variants, the table of samples and the receipt."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sysnoise.manifests.bounded import FileTooLargeError
from sysnoise.manifests.files import FileRow
from sysnoise.manifests.label_names import label_names
from sysnoise.manifests.layout import ShardFormat, receipt_path, samples_path, variant_path
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.tables import (
    DIFFERENCE,
    Duplicates,
    GeometryRow,
    SampleStatus,
    geometry_fields,
    parse_parquet,
    samples_schema,
)
from sysnoise.pipelines.errors import ChangedSourceError, ShardError, unwritable
from sysnoise.pipelines.planning.plan import read_sources
from sysnoise.pipelines.planning.receipts import Receipt, RejectedSample, receipt_bytes
from sysnoise.pipelines.planning.stamps import CheckSources
from sysnoise.pipelines.readers.access import ReadSource
from sysnoise.pipelines.readers.sources import Source
from sysnoise.pipelines.shards.earlier import (
    DamagedShardError,
    EarlierShard,
    KeptFiles,
    earlier_digests,
    earlier_variants,
    open_earlier,
)
from sysnoise.pipelines.shards.sample import (
    MadeSample,
    Reject,
    Rendered,
    crashed_sample,
    make_sample,
    too_long_sample,
)
from sysnoise.pipelines.shards.strikes import (
    STRIKES_TO_REJECT,
    Strikes,
    WorkStep,
    read_strikes,
)
from sysnoise.pipelines.shards.tally import Tally
from sysnoise.pipelines.shards.writers.interface import SampleMetadata, ShardWriter
from sysnoise.pipelines.shards.writers.parquet import ParquetWriter, shard_schema
from sysnoise.pipelines.shards.writers.webdataset import WebDatasetWriter
from sysnoise.pipelines.storage.commit import (
    commit_files,
    remove_file,
    working_folder,
    write_file,
)
from sysnoise.pipelines.storage.hashed_file import HashedFile, WrittenFile
from sysnoise.pipelines.storage.reading import read_if_there
from sysnoise.pipelines.storage.root import Root
from sysnoise.transforms.difference import Difference
from sysnoise.transforms.variant_ids import FIRST_GEOMETRY

_DIFFERENCE_NAMES = tuple(field.name for field in DIFFERENCE)

OnSample = Callable[[int, str | None, WorkStep], None]
"""Called before each step of making a sample with the number of samples of the shard that are done
and the sample's key, and with None after the last one."""

KeptFilesByFormat = Mapping[ShardFormat, KeptFiles]
"""The files that stay as they are, by format."""


def make_shard(
    plan: Plan,
    shard: int,
    read: ReadSource,
    check: CheckSources,
    output: Root,
    on_sample: OnSample,
) -> Receipt:
    """Make and commit one shard.

    All files are written to a temporary folder and moved to their places when the last sample is
    done; the receipt is written last and is what makes the shard count.

    Args:
        plan: the plan of the run.
        shard: number of the shard.
        read: reads the bytes of a source image.
        check: refuses source files that have changed since the run was planned.
        output: where the set is written.
        on_sample: called for each sample.

    Raises:
        ChangedSourceError: a source file has changed; the shard is not committed.
        ShardError: the sources cannot be read; the message says which and why.
        OutputError: the files cannot be written.
    """
    rows = read_sources(output, shard)
    known = _known_sources(output, plan.shard_name(shard))
    sources = ShardSources(rows, read, functools.partial(check, shard, rows), known)
    try:
        try:
            earlier = open_earlier(plan, shard, output)
            grown = _Shard(plan, shard, plan.shard_name(shard), output, earlier)
            return _write(grown, sources, on_sample, grown.kept_files())
        except DamagedShardError:
            return write_shard(plan, shard, sources, output, on_sample)
    except OSError as error:
        raise unwritable(f"writing {error.filename or output.url!r}", error) from error


def _known_sources(output: Root, name: str) -> Mapping[str, str]:
    """Return the sha256, by key, of the sources from which an earlier run has made a shard.

    Rejects are left out: their sources may have been replaced.
    """
    data = read_if_there(output, samples_path(name))
    if data is None:
        return {}
    try:
        rows = parse_parquet(data, ["key", "source_sha256", "status"]).to_pylist()
    except (pa.ArrowException, OSError, KeyError):  # It is written again.
        return {}
    accepted = SampleStatus.OK.value
    return {row["key"]: row["source_sha256"] for row in rows if row["status"] == accepted}


def write_shard(
    plan: Plan, shard: int, sources: ShardSources, output: Root, on_sample: OnSample
) -> Receipt:
    """Make and commit a shard of the given sources, without using what a smaller grid has made.

    Raises:
        ShardError: a source cannot be read.
        OutputError, OSError: the receipt, or another file, cannot be written.
    """
    new = _Shard(plan, shard, plan.shard_name(shard), output, None)
    return _write(new, sources, on_sample, {})


@dataclass(frozen=True)
class ShardSources:
    """The source images of a shard.

    Attributes:
        rows: their rows of the table of sources.
        read: reads the bytes of one.
        check: raises ChangedSourceError where their files have changed since the run was planned.
        known: sha256, by key, of those from which an earlier run has made the shard.
    """

    rows: Iterable[Source]
    read: ReadSource
    check: Callable[[], None]
    known: Mapping[str, str]


@dataclass(frozen=True)
class _Shard:
    """The shard that is made.

    Attributes:
        plan: the plan of the run.
        number: number of the shard.
        name: name of the shard's files.
        output: the output that the shard is written to.
        earlier: what the shard holds of a smaller grid; None where the set is not grown.
    """

    plan: Plan
    number: int
    name: str
    output: Root
    earlier: EarlierShard | None

    def kept_files(self) -> KeptFilesByFormat:
        """Return the files that need not be written if no sample changes its status."""
        if self.earlier is None:
            return {}
        formats = self.plan.formats
        return {fmt: self.earlier.kept_files(self.plan, self.name, fmt) for fmt in formats}

    def stored_variants(self, kept_files: KeptFilesByFormat) -> Iterator[Mapping[int, Rendered]]:
        """Yield the variants that need not be made, sample by sample."""
        if self.earlier is None:
            return itertools.repeat({})
        if all(kept_files.get(shard_format) for shard_format in self.plan.formats):
            return earlier_digests(self.earlier)
        return earlier_variants(self.earlier, self.name, self.output)


@dataclass
class _Contents:
    """What is collected of a shard's samples while its files are written.

    Attributes:
        tally: the tally of the samples.
        rows: rows of the samples table.
        rejects: the samples that were left out.
    """

    tally: Tally
    rows: list[dict[str, Any]] = field(default_factory=list)
    rejects: list[RejectedSample] = field(default_factory=list)


def _write(
    shard: _Shard,
    sources: ShardSources,
    on_sample: OnSample,
    kept_files: KeptFilesByFormat,
) -> Receipt:
    """Write the files of a shard and commit them, receipt last."""
    plan, output = shard.plan, shard.output
    contents = _Contents(Tally(plan.grid))
    with working_folder(output, shard.name) as folder:
        written = [_open_files(plan, fmt, folder, kept_files.get(fmt, {})) for fmt in plan.formats]
        made_samples = _made_samples(shard, sources, on_sample, kept_files)
        for stored_variants, made in made_samples:
            if any(kept_files.values()) and bool(stored_variants) != isinstance(made, MadeSample):
                break  # The sample became a reject, or stopped being one: no file stays as it is.
            _add(contents, shard, made, written)
        else:
            sources.check()
            files = _commit(shard, folder, written, contents)
            receipt = contents.tally.receipt(plan, shard.number, contents.rejects, files)
            write_file(output, receipt_path(shard.name), receipt_bytes(receipt))
            return receipt
    return _write(shard, sources, on_sample, {})


def _made_samples(
    shard: _Shard,
    sources: ShardSources,
    on_sample: OnSample,
    kept_files: KeptFilesByFormat,
) -> Iterator[tuple[Mapping[int, Rendered], MadeSample | Reject]]:
    """Make each sample, and yield it after the variants that the set has of it."""
    strikes = read_strikes(shard.output, shard.number)
    done = 0
    for source, variants in zip(sources.rows, shard.stored_variants(kept_files), strict=False):
        own = strikes.get(source.key, {})
        on_step = functools.partial(on_sample, done, source.key)
        yield variants, _make(shard.plan, source, sources, own, variants, on_step)
        done += 1
    on_sample(done, None, WorkStep.MAKING)


def _add(
    contents: _Contents, shard: _Shard, made: MadeSample | Reject, written: Sequence[_FormatFiles]
) -> None:
    """Write one sample to all files, and count it."""
    contents.rows.append(sample_row(shard.plan, made))
    if isinstance(made, Reject):
        contents.rejects.append(_rejected(made, shard.number))
        return
    for files in written:
        images = [made.variants[position].image for position in files.positions]
        files.writer.write(made.samples, images)
    contents.tally.add(made)


def _make(
    plan: Plan,
    source: Source,
    sources: ShardSources,
    strikes: Strikes,
    stored_variants: Mapping[int, Rendered],
    on_step: Callable[[WorkStep], None],
) -> MadeSample | Reject:
    """Make a sample, unless too many workers died on it; one that kills readers is not read."""
    is_struck = sum(strikes.values()) >= STRIKES_TO_REJECT
    if is_struck and WorkStep.READING in strikes:
        return crashed_sample(plan, source, None)
    on_step(WorkStep.READING)
    try:
        data = _read(sources, source)
    except FileTooLargeError as error:
        return too_long_sample(plan, source, error)
    if is_struck:
        return crashed_sample(plan, source, data)
    on_step(WorkStep.MAKING)
    made = make_sample(plan, source, data, stored_variants)
    if isinstance(made, MadeSample):
        _refuse_other_source(made.first, sources.known)
    return made


def _read(sources: ShardSources, source: Source) -> bytes:
    try:
        return sources.read(source)
    except FileTooLargeError:
        raise
    except Exception as error:
        sources.check()
        raise ShardError(
            f"reading sample {source.key} from {source.name!r}: {error}; check the source, "
            "then run again"
        ) from error


def _refuse_other_source(sample: SampleMetadata, known: Mapping[str, str]) -> None:
    """Refuse a source image that is not the one from which an earlier run has made the sample."""
    expected = known.get(sample.key, sample.source_sha256)
    if sample.source_sha256 != expected:
        raise ChangedSourceError(
            f"the source {sample.source_name!r} of sample {sample.key} has the sha256 "
            f"{sample.source_sha256}, an earlier run has read {expected}; bring it back and run "
            "the same command again, or add --overwrite to make the set from what is there now"
        )


@dataclass(frozen=True)
class _FormatFiles:
    """The files of one format.

    Attributes:
        shard_format: the format.
        kept_files: files that stay as they are.
        positions: positions of the variants whose files are written.
        writer: the writer of these files.
    """

    shard_format: ShardFormat
    kept_files: KeptFiles
    positions: Sequence[int]
    writer: ShardWriter


def _open_files(
    plan: Plan, shard_format: ShardFormat, folder: str, kept_files: KeptFiles
) -> _FormatFiles:
    variants = plan.grid.variants
    positions = [position for position in range(len(variants)) if position not in kept_files]
    paths = [
        os.path.join(folder, f"{variants[position].slug}.{shard_format.extension}")
        for position in positions
    ]
    geometries = [variants[position].geometry for position in positions]
    if shard_format is ShardFormat.WEBDATASET:
        tar_writer = WebDatasetWriter(paths, geometries, plan.image_format)
        return _FormatFiles(shard_format, kept_files, positions, tar_writer)
    fields = geometry_fields(plan.grid.exif, plan.grid.orient)
    schema = shard_schema(plan.kind, fields, plan.image_format, label_names(plan.classes))
    writer = ParquetWriter(paths, geometries, plan.image_format, schema, plan.row_group_rows)
    return _FormatFiles(shard_format, kept_files, positions, writer)


def sample_row(plan: Plan, made: MadeSample | Reject) -> dict[str, Any]:
    """Return a row of the samples table, by column."""
    decoders = {name: status.value for name, status in made.decoders.items()}
    if isinstance(made, Reject):
        return {
            "key": made.key,
            "source_name": made.source_name,
            "source_sha256": made.source_sha256,
            **made.targets,
            "status": SampleStatus.REJECTED.value,
            "decoders": decoders,
        }
    slugs = [variant.slug for variant in plan.grid.variants]
    return {
        "key": made.first.key,
        "source_name": made.first.source_name,
        "source_sha256": made.first.source_sha256,
        **made.first.targets,
        **made.first.geometry,
        **_other_geometries(made),
        "status": SampleStatus.OK.value,
        "decoders": decoders,
        **{slug: each.digest for slug, each in zip(slugs, made.variants, strict=True)},
        "differences": {
            slug: _difference_row(each.difference)
            for slug, each in zip(slugs, made.variants, strict=True)
        },
    }


def _other_geometries(made: MadeSample) -> dict[str, dict[str, GeometryRow]]:
    others = {
        name: sample.geometry["geometry"]
        for name, sample in made.samples.items()
        if name != FIRST_GEOMETRY
    }
    return {"geometries": others} if others else {}


def _difference_row(difference: Difference | None) -> dict[str, int] | None:
    if difference is None:
        return None
    return {name: getattr(difference, name) for name in _DIFFERENCE_NAMES}


def _rejected(reject: Reject, shard: int) -> RejectedSample:
    return RejectedSample(
        shard,
        reject.key,
        reject.source_name,
        reject.reason.value,
        reject.message,
        {name: status.value for name, status in reject.decoders.items()},
    )


def _commit(
    shard: _Shard, folder: str, written: Sequence[_FormatFiles], contents: _Contents
) -> list[FileRow]:
    """Finish all files, move them to their places and return their rows of the files table."""
    tally = contents.tally
    finished = [pair for each in written for pair in _finish_variants(shard, each, tally)]
    files = [row for row, _ in finished]
    moves = [(file, row.path) for row, file in finished if file is not None]
    table = _write_samples(shard.plan, contents.rows, os.path.join(folder, "samples"))
    path = samples_path(shard.name)
    commit_files([*moves, (table.path, path)], shard.output)
    files.append(_file_row(path, None, shard.number, "samples", table))
    for row in files:
        if row.same_as is not None:  # An earlier attempt, or a smaller grid, may have stored it.
            remove_file(shard.output, row.path)
    return files


def _finish_variants(
    shard: _Shard, written: _FormatFiles, tally: Tally
) -> Iterator[tuple[FileRow, str | None]]:
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
            yield written.kept_files[position], None
            continue
        file, first = finished[position], same_as[position]
        row = _file_row(path, variants[position].id, shard.number, shard_format.value, file)
        if first != position:
            row = dataclasses.replace(row, same_as=paths[first])
        yield row, file.path if first == position else None


def _file_row(
    path: str, variant: str | None, shard: int, file_format: str, written: WrittenFile
) -> FileRow:
    return FileRow(
        path, variant, shard, file_format, written.samples, written.bytes, written.sha256
    )


def _write_samples(plan: Plan, rows: Sequence[Mapping[str, Any]], path: str) -> WrittenFile:
    grid = plan.grid
    slugs = [variant.slug for variant in grid.variants]
    schema = samples_schema(
        plan.kind, grid.decoders, slugs, grid.exif, grid.orient, grid.geometry_names[1:]
    )
    file = HashedFile(path)
    pq.write_table(pa.Table.from_pylist(list(rows), schema), file, compression="zstd")
    file.close()
    return file.describe(len(rows))

"""One shard: its sources to the shard files of all variants, its samples table and its receipt."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.layout import ShardFormat, receipt_path, samples_path, variant_path
from manifests.tables import DIFFERENCE, Duplicates, SampleStatus, samples_schema
from pipelines.errors import ShardError
from pipelines.make_sample import MadeSample, Reject, make_sample
from pipelines.shards import Plan, json_bytes, read_sources
from pipelines.storage import Root, commit_file, working_folder, write_file
from pipelines.tally import Tally
from pipelines.writers.parquet import ParquetWriter
from pipelines.writers.samples import HashedFile, ShardWriter, WrittenFile
from pipelines.writers.webdataset import WebDatasetWriter
from transforms.difference import Difference

_DIFFERENCE_NAMES = tuple(field.name for field in DIFFERENCE)

ReadSource = Callable[[Mapping[str, Any]], bytes]


def make_shard(plan: Plan, shard: int, read: ReadSource, output: Root) -> dict[str, Any]:
    """Make and commit one shard.

    All files are written to a temporary folder and moved to their places when the last sample is
    done; the receipt is written last and is what makes the shard count.

    Args:
        plan: of the run.
        shard: its number.
        read: gives the bytes of a row of the table of sources.
        output: where the set is written.

    Returns:
        The receipt.

    Raises:
        ShardError: the sources cannot be read or the files not written; says which and why.
    """
    name = plan.shard_name(shard)
    try:
        sources = read_sources(plan, output, shard)
        with working_folder(output) as folder:
            writers = {fmt: _open_writer(plan, fmt, folder) for fmt in plan.formats}
            tally = Tally(plan.grid)
            rows = [
                _write_sample(plan, source, _read(read, source), list(writers.values()), tally)
                for source in sources
            ]
            files = _commit(plan, name, folder, writers, rows, tally, output)
        receipt = {
            "fingerprint": plan.fingerprint,
            "shard": shard,
            "samples": tally.samples,
            "rejects": [_reject_row(row, shard) for row in rows if "reason" in row],
            **tally.document(),
            "files": files,
        }
        write_file(output, receipt_path(name), json_bytes(receipt))
    except OSError as error:
        raise ShardError(f"shard {name}: writing to {output.url!r}: {error}") from error
    return receipt


def _read(read: ReadSource, source: Mapping[str, Any]) -> bytes:
    try:
        return read(source)
    except Exception as error:
        raise ShardError(
            f"reading sample {source['key']} from {source['name']!r}: {error}; check the source, "
            "then run again"
        ) from error


def _open_writer(plan: Plan, shard_format: ShardFormat, folder: str) -> ShardWriter:
    paths = [
        os.path.join(folder, f"{variant.slug}.{shard_format.extension}")
        for variant in plan.grid.variants
    ]
    if shard_format is ShardFormat.WEBDATASET:
        return WebDatasetWriter(paths, plan.image_format)
    return ParquetWriter(
        paths, plan.image_format, plan.kind, plan.grid.applies_exif, plan.row_group_rows
    )


def _write_sample(
    plan: Plan,
    source: Mapping[str, Any],
    data: bytes,
    writers: Sequence[ShardWriter],
    tally: Tally,
) -> dict[str, Any]:
    """Make one sample, write it to all files, and return its row of the samples table."""
    made = make_sample(plan, source, data)
    if isinstance(made, MadeSample):
        images = [variant.image for variant in made.variants]
        for writer in writers:
            writer.write(made.sample, images)
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
    plan: Plan,
    name: str,
    folder: str,
    writers: Mapping[ShardFormat, ShardWriter],
    rows: Sequence[Mapping[str, Any]],
    tally: Tally,
    output: Root,
) -> list[dict[str, Any]]:
    """Finish all files, move them to their places and return their rows of the files table.

    With ``Duplicates.SKIP``, a variant's file is left out where an earlier one has its bytes.
    """
    variants = plan.grid.variants
    same_as = tally.first_equal() if plan.duplicates is Duplicates.SKIP else range(len(variants))
    files = []
    for shard_format, writer in writers.items():
        paths = [variant_path(each.id, plan.split, name, shard_format) for each in variants]
        for position, written in enumerate(writer.close()):
            row = _file_row(paths[position], variants[position].id, shard_format.value, written)
            first = same_as[position]
            if first == position:
                commit_file(written.path, output, paths[position])
            else:
                row["same_as"] = paths[first]
            files.append(row)
    table = _write_samples(plan, rows, os.path.join(folder, "samples"))
    commit_file(table.path, output, samples_path(name))
    files.append(_file_row(samples_path(name), None, "samples", table))
    return files


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
    schema = samples_schema(plan.kind, grid.decoders, slugs, grid.applies_exif)
    file = HashedFile(path)
    pq.write_table(pa.Table.from_pylist(list(rows), schema), file, compression="zstd")
    file.close()
    return file.describe(len(rows))

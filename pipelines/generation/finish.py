"""Finishing a set: writing tables, card and manifest from the receipts of all shards."""

from __future__ import annotations

import functools
import hashlib
import io
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from sysnoise.manifests import layout
from sysnoise.manifests.files import FILES_SCHEMA, FileRow, files_table
from sysnoise.manifests.held import HeldSet
from sysnoise.manifests.json_documents import DocumentError, json_bytes
from sysnoise.manifests.manifest import Manifest, content_line
from sysnoise.manifests.part import held_variants
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.publication import Publication
from sysnoise.manifests.tables import (
    DatasetKind,
    SampleStatus,
    geometry_of,
    parse_parquet,
    placement_of,
    rejects_schema,
)
from sysnoise.pipelines.errors import OutputError, ShardError, lines_of
from sysnoise.pipelines.generation.manifest import Contents, build_manifest
from sysnoise.pipelines.planning.plan import load_plan
from sysnoise.pipelines.planning.receipt_check import missing_files, receipt_problems
from sysnoise.pipelines.planning.receipts import Receipt, read_receipt
from sysnoise.pipelines.planning.rejects import RejectCount, RejectLimit
from sysnoise.pipelines.planning.resume import (
    Existing,
    finished_manifest,
    pending_shards,
    refuse_foreign_output,
)
from sysnoise.pipelines.publication.card import write_card
from sysnoise.pipelines.readers.sources import BATCH_ROWS, FINGERPRINTED, source_fingerprint
from sysnoise.pipelines.shards.ground_truth import ground_truth_parts
from sysnoise.pipelines.shards.tally import Tally, noise_by_axis, noise_by_variant
from sysnoise.pipelines.storage.commit import (
    new_file,
    remove_file,
    remove_folder,
    sweep,
    write_file,
)
from sysnoise.pipelines.storage.hashed_file import HashedFile
from sysnoise.pipelines.storage.listing import file_sizes
from sysnoise.pipelines.storage.locks import lock_shards
from sysnoise.pipelines.storage.reading import (
    open_file,
    read_file,
    read_if_there,
    read_in_parallel,
)
from sysnoise.pipelines.storage.root import Root, open_output
from sysnoise.transforms.documents import other_geometries
from sysnoise.transforms.geometry import Placement
from sysnoise.transforms.variant_ids import FIRST_GEOMETRY


@dataclass(frozen=True)
class ReceiptTotals:
    """What the receipts of a set add up to.

    Attributes:
        tally: the tally of all samples.
        files: the files table of all shards.
        rejects: the table of rejects.
        sums: sha256 of each receipt, in hexadecimal, by path.
        tables: the file of each table of samples, in the order of the shards.
    """

    tally: Tally
    files: pa.Table
    rejects: pa.Table
    sums: Mapping[str, str]
    tables: Sequence[FileRow]


@dataclass(frozen=True)
class SampleTotals:
    """What the tables of samples add up to.

    Attributes:
        content_sha256: fingerprint of the source files' bytes.
        placements: of COCO, for each geometry by name, the placement of each image, in key order;
            None for rejects.
    """

    content_sha256: str
    placements: Mapping[str, Sequence[Placement | None]]


def finish(plan: Plan, output: Root, max_rejects: RejectLimit = None) -> Manifest:
    """Write everything that a finished set has besides its shards, card and manifest last.

    Receipts and tables of samples are read one at a time, each once, and checked against the plan
    and against each other: they may have been changed since they were written.

    Args:
        plan: the plan of the run.
        output: where the receipts of all shards are.
        max_rejects: most samples that may be rejected.

    Returns:
        The manifest.

    Raises:
        OutputError: the table of sources is not that of the plan.
        ShardError: a shard lacks its receipt, a file that this names, or has another shard's.
        RejectsError: more samples are rejected than may be; nothing was written.
        ManifestError: the manifest would not follow its schema.
    """
    keys = _checked_source_keys(plan, output)
    receipts = _add_up_receipts(plan, output, max_rejects)
    samples = _read_samples(plan, output, keys, receipts)
    set_files = _write_set_files(plan, output, samples, receipts)
    files = pa.concat_tables([receipts.files, set_files]).sort_by("path")
    table = _write_table(output, layout.FILES, files)
    contents = Contents(
        samples=receipts.tally.samples,
        rejects=receipts.rejects.num_rows,
        content_sha256=samples.content_sha256,
        files=files,
        files_table={"path": layout.FILES, "bytes": table.size, "sha256": table.sha256},
        noise_by_variant=noise_by_variant(plan.grid, receipts.tally),
        noise_by_axis=noise_by_axis(plan.grid, receipts.tally),
    )
    manifest = build_manifest(plan, contents)
    held = held_variants(manifest, None)
    remove_file(output, layout.PART)  # A copy of a part has become whole.
    write_card(output, HeldSet(manifest, plan, files, held), Publication(), receipts.sums)
    sweep(output, lambda owner: True)
    for folder in (layout.FAILURES, layout.STRIKES, layout.STAMPS, layout.EARLIER):
        remove_folder(output, folder)
    write_file(output, layout.MANIFEST, json_bytes(manifest))
    return manifest


def finish_set(output_url: str, max_rejects: RejectLimit) -> Manifest:
    """Finish a set whose shards were made in parts, and return its manifest.

    Args:
        output_url: the output, path or fsspec URL.
        max_rejects: most samples that may be rejected.

    Raises:
        RejectsError: more samples are rejected than may be.
        OutputError: the output is not one of ``sysnoise generate``, or a run is working on it.
        ShardError: a shard lacks its receipt or a file that the receipt names.
    """
    output = open_output(output_url)
    refuse_foreign_output(output)
    try:
        plan = load_plan(output)
    except FileNotFoundError as error:
        raise OutputError(f"{output_url!r} has no {layout.PLAN}: nothing was generated") from error
    with lock_shards(output, None):
        sizes = file_sizes(output)
        pending = pending_shards(plan, output, range(plan.shards), sizes, Existing.RESUME)
        if pending:
            raise ShardError(
                f"{len(pending)} of {plan.shards} shards of {output_url!r} lack their receipt or "
                "files that it names; make them with 'sysnoise generate' like the others, with "
                f"--shard-range:\n{lines_of([f'{shard}:{shard + 1}' for shard in pending])}"
            )
        return finished_manifest(plan, output) or finish(plan, output, max_rejects)


def _add_up_receipts(plan: Plan, output: Root, max_rejects: RejectLimit) -> ReceiptTotals:
    schema = rejects_schema(plan.grid.decoders)
    tally, sums, tables = Tally(plan.grid), {}, []
    count = RejectCount(plan, max_rejects)
    files, rejects = [FILES_SCHEMA.empty_table()], [schema.empty_table()]
    for path, data, receipt in _receipts(plan, output):
        tally.add_receipt(receipt)
        count.add(receipt)
        sums[path] = hashlib.sha256(data).hexdigest()
        files.append(files_table(receipt.files))
        tables.append(receipt.files[-1])
        if receipt.rejects:
            rows = msgspec.to_builtins(list(receipt.rejects))
            rejects.append(pa.Table.from_pylist(rows, schema))
    count.refuse(output.url)
    return ReceiptTotals(tally, _joined(files), _joined(rejects), sums, tables)


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the tables as one of one chunk: thousands of small ones slow down the allocator."""
    return pa.concat_tables(tables).combine_chunks()


def _receipts(plan: Plan, output: Root) -> Iterator[tuple[str, bytes, Receipt]]:
    """Yield path, bytes and content of each receipt of the plan; refuse others at the end."""
    problems = []
    sizes = file_sizes(output)
    read = functools.partial(read_if_there, output)
    paths = [layout.receipt_path(plan.shard_name(shard)) for shard in range(plan.shards)]
    for shard, data in enumerate(read_in_parallel(read, paths)):
        if data is None:
            problems.append(f"{paths[shard]}: missing")
            continue
        try:
            receipt = read_receipt(data)
        except DocumentError as error:
            problems.append(f"{paths[shard]}: not a receipt: {error}")
            continue
        wrong = receipt_problems(receipt, plan, shard) or [
            f"{path} is missing, or has another length" for path in missing_files(receipt, sizes)
        ]
        problems += [f"{paths[shard]}: {each}" for each in wrong]
        if not wrong:
            yield paths[shard], data, receipt
    _refuse_undone(output, problems)


def _refuse_undone(output: Root, problems: Sequence[str]) -> None:
    if problems:
        raise ShardError(
            f"shards of {output.url!r} are not done, or their files were changed; run the command "
            f"that made them again, which makes only these:\n{lines_of(problems)}"
        )


def _checked_source_keys(plan: Plan, output: Root) -> pa.ChunkedArray:
    """Return the keys of all sources, in order.

    Raises:
        OutputError: the table of sources cannot be read, or is not that of the plan.
    """
    keys = []

    def batches() -> Iterator[pa.RecordBatch]:
        with open_file(output, layout.SOURCES) as opened:
            file = pq.ParquetFile(opened)
            for batch in file.iter_batches(BATCH_ROWS, columns=list(FINGERPRINTED)):
                keys.append(batch["key"])
                yield batch

    try:
        found = source_fingerprint(batches())
    except (OSError, KeyError, pa.ArrowException) as error:
        raise OutputError(
            f"reading {layout.SOURCES} of {output.url!r}: {error}; run the command that made the "
            "shards again, which writes it"
        ) from error
    if found != plan.source_sha256:
        raise OutputError(
            f"{layout.SOURCES} of {output.url!r} was changed: its fingerprint is {found}, that of "
            f"the plan {plan.source_sha256}; run the command that made the shards again, which "
            "writes it"
        )
    return pa.chunked_array(keys, pa.string())


def _read_samples(
    plan: Plan, output: Root, keys: pa.ChunkedArray, receipts: ReceiptTotals
) -> SampleTotals:
    """Add up the tables of samples; refuse those that are not what receipts and sources say."""
    columns = ["key", "source_sha256", "status"]
    geometries = (FIRST_GEOMETRY, *other_geometries(plan.grid_document))
    if plan.kind is DatasetKind.COCO:
        columns += ["geometry", "geometries"][: len(geometries)]
    digest = hashlib.sha256()
    placements: dict[str, list[Placement | None]] = {name: [] for name in geometries}
    problems = []
    rejected = set(receipts.rejects["key"].to_pylist())
    read = functools.partial(_read_table, output, columns)
    tables = zip(receipts.tables, read_in_parallel(read, receipts.tables), strict=True)
    for shard, (file, table) in enumerate(tables):
        first, size = shard * plan.samples_per_shard, plan.shard_size(shard)
        if table is None or table["key"] != keys[first : first + size]:
            problems.append(f"{file.path}: not the table of its receipt and of the shard's sources")
            continue
        rows = table.to_pylist()
        if any(_is_wrong(row, rejected) for row in rows):
            problems.append(f"{file.path}: has other rejects than its receipt, or lacks a value")
            continue
        for row in rows:
            digest.update(content_line(row["source_sha256"], row["key"]))
        if plan.kind is DatasetKind.COCO:
            for name, placed in placements.items():
                placed += (_placement(row, name) for row in rows)
    _refuse_undone(output, problems)
    return SampleTotals(digest.hexdigest(), placements)


def _read_table(output: Root, columns: Sequence[str], file: FileRow) -> pa.Table | None:
    """Return columns of a table of samples; None where its bytes are not those of the receipt."""
    data = read_file(output, file.path)
    if hashlib.sha256(data).hexdigest() != file.sha256:
        return None
    try:
        return parse_parquet(data, columns)
    except (KeyError, pa.ArrowException):
        return None


def _is_wrong(row: Mapping[str, Any], rejected: Container[str]) -> bool:
    """Whether a row of the table of samples has another status than its receipt, or no value."""
    if row["key"] in rejected:
        return bool(row["status"] != SampleStatus.REJECTED.value)
    others = row.get("geometries", {})
    geometries = [row.get("geometry", {}), *(others or {}).values()]
    return (
        row["status"] != SampleStatus.OK.value
        or row["source_sha256"] is None
        or others is None
        or any(geometry is None or None in geometry.values() for geometry in geometries)
    )


def _placement(row: Mapping[str, Any], geometry: str) -> Placement | None:
    if row["status"] != SampleStatus.OK.value:
        return None
    return placement_of(geometry_of(row, geometry))


def _write_set_files(
    plan: Plan, output: Root, samples: SampleTotals, receipts: ReceiptTotals
) -> pa.Table:
    """Write rejects and annotations; return the rows of all files that no shard owns."""
    rejects = _write_table(output, layout.REJECTS, receipts.rejects)
    rows = [_set_row(layout.REJECTS, receipts.rejects.num_rows, rejects.size, rejects.sha256)]
    if plan.kind is DatasetKind.COCO:
        truths = layout.ground_truths(other_geometries(plan.grid_document))
        for name, (kind, geometry) in truths.items():
            path = layout.annotations_path(plan.split, name)
            parts = ground_truth_parts(plan, output, samples.placements[geometry], kind)
            file = _write_parts(output, path, parts)
            rows.append(_set_row(path, receipts.tally.samples, file.size, file.sha256))
    for path, count in ((layout.PLAN, None), (layout.SOURCES, plan.samples)):
        rows.append(_set_row(path, count, *_length_and_sha256(output, path)))
    return files_table(rows)


def _set_row(path: str, samples: int | None, size: int, sha256: str) -> FileRow:
    """Return the row of a file of the whole set, whose format is the first part of its path."""
    return FileRow(path, None, None, re.split("[./]", path)[0], samples, size, sha256)


def _write_table(output: Root, path: str, table: pa.Table) -> HashedFile:
    with new_file(output, path) as file:
        pq.write_table(table.combine_chunks(), file, compression="zstd")
    return file


def _write_parts(output: Root, path: str, parts: Iterable[str]) -> HashedFile:
    with new_file(output, path) as file:
        for part in parts:
            file.write(part.encode())
    return file


def _length_and_sha256(output: Root, path: str) -> tuple[int, str]:
    """Return length and sha256 of a file of the output."""
    with open_file(output, path) as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
        return opened.seek(0, io.SEEK_END), sha256

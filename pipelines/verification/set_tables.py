"""Checking the tables and ground truths of the whole set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from sysnoise.manifests import layout
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.tables import parse_parquet, rejects_schema
from sysnoise.pipelines.errors import quoted
from sysnoise.pipelines.planning.receipts import RejectedSample
from sysnoise.pipelines.readers.sources import (
    BATCH_ROWS,
    SOURCES_SCHEMA,
    is_key_of,
    outside_places,
    source_fingerprint,
)
from sysnoise.pipelines.storage.reading import open_file
from sysnoise.pipelines.storage.root import Root
from sysnoise.pipelines.verification.checked_file import ContentError
from sysnoise.pipelines.verification.facts import SetFacts
from sysnoise.pipelines.verification.hashing import HashingReader
from sysnoise.transforms.geometry import Placement


def scan_sources(facts: SetFacts, fingerprint: str | None, reader: HashingReader) -> Iterator[str]:
    """Yield what is wrong with the table of sources.

    Args:
        facts: what the set says of itself.
        fingerprint: the table's fingerprint as the plan has it; None where it cannot be used.
        reader: the file.
    """
    reader.drain()
    opened = pq.ParquetFile(reader.file)
    _refuse_other_groups(opened, facts)
    yield from _place_messages(opened)
    yield from _key_messages(opened)
    found = source_fingerprint(opened.iter_batches(BATCH_ROWS, use_threads=False))
    if fingerprint not in (None, found):
        yield f"its fingerprint is {found}, {layout.PLAN} says {fingerprint}"


def _refuse_other_groups(opened: pq.ParquetFile, facts: SetFacts) -> None:
    """Refuse a table that has not one row group per shard, before any of its rows are read."""
    metadata = opened.metadata
    if not opened.schema_arrow.equals(SOURCES_SCHEMA):
        names = quoted(opened.schema_arrow.names)
        raise ContentError(f"its columns are {names}, or of other types than those of sources")
    if (metadata.num_row_groups, metadata.num_rows) != (facts.shards, facts.sources):
        raise ContentError(
            f"it has {metadata.num_rows} rows in {metadata.num_row_groups} row groups, expected "
            f"{facts.sources} in {facts.shards}, one per shard"
        )
    for shard in range(facts.shards):
        if metadata.row_group(shard).num_rows != facts.shard_size(shard):
            raise ContentError(f"its row group {shard} has not the rows of a shard")


def _place_messages(opened: pq.ParquetFile) -> Iterator[str]:
    for batch in opened.iter_batches(BATCH_ROWS, columns=["file"], use_threads=False):
        outside = outside_places(batch["file"].to_pylist())
        if outside:
            yield f"names files outside of the source: {quoted(outside)}"
            return


def _key_messages(opened: pq.ParquetFile) -> Iterator[str]:
    last = ""
    for batch in opened.iter_batches(
        BATCH_ROWS, columns=["key", "name", "file"], use_threads=False
    ):
        keys, names, files = (batch[name].to_pylist() for name in ("key", "name", "file"))
        rows = zip(keys, names, files, strict=True)
        other = [key for key, name, file in rows if not is_key_of(key, name, file)]
        if other:
            yield f"has other keys than its names give: {quoted(other)}"
            return
        if [last, *keys] != sorted({last, *keys}):
            yield f"has its keys in another order, or more than once, after {last!r}"
            return
        last = keys[-1]


@dataclass(frozen=True)
class SourceRows:
    """The table of sources, with one row group per shard, which has no problems.

    Attributes:
        root: the root of the set.
        metadata: where the row groups are.
    """

    root: Root
    metadata: pq.FileMetaData

    def of(self, shard: int) -> pa.Table:
        """Return the rows of a shard."""
        with open_file(self.root, layout.SOURCES) as opened:
            file = pq.ParquetFile(opened, metadata=self.metadata)
            return file.read_row_group(shard, use_threads=False)


def source_rows(root: Root) -> SourceRows:
    """Open the table of sources of a set, which has no problems."""
    with open_file(root, layout.SOURCES) as opened:
        return SourceRows(root, pq.ParquetFile(opened).metadata)


def rejects_messages(
    data: bytes,
    facts: SetFacts,
    shards: range,
    rejected: Sequence[str],
    rejects: Sequence[RejectedSample] | None,
) -> Iterator[str]:
    """Compare the table of rejects with the tables of samples and the receipts.

    Args:
        data: content of the table.
        facts: what the set says of itself.
        shards: the shards that were checked.
        rejected: keys of the rejects in their tables of samples.
        rejects: the rejects in their receipts; None where not all could be used.
    """
    table = parse_parquet(data)
    if not table.schema.equals(rejects_schema(facts.decoders)):
        raise ContentError(f"its columns are {quoted(table.schema.names)}, or of other types")
    in_part = [shard in shards for shard in table["shard"].to_pylist()]
    part = table.filter(pa.array(in_part, pa.bool_()))
    differing = sorted({*part["key"].to_pylist()} ^ {*rejected})
    if differing:
        yield f"differs from the tables of samples in {quoted(differing)}"
    elif rejects is not None and not _has_rows_of(part, rejects, facts):
        yield "differs from the receipts in what it says of rejects, or in their order"


def _has_rows_of(table: pa.Table, rejects: Sequence[RejectedSample], facts: SetFacts) -> bool:
    """Whether a table has the rows of these rejects."""
    rows: list[dict[str, Any]] = msgspec.to_builtins(list(rejects))
    expected = pa.Table.from_pylist(rows, rejects_schema(facts.decoders))
    return bool(table.combine_chunks().equals(expected.combine_chunks()))


def ground_truth_messages(
    root: Root, plan: Plan, placements: Sequence[Placement | None], kind: str, sha256: str
) -> Iterator[str]:
    """Compare a ground truth with what the sources and the samples make it.

    Args:
        root: the root of the set.
        plan: the plan of the set.
        placements: the placement of each image in one geometry, in key order; None for rejects.
        kind: ``original`` or ``rescaled``.
        sha256: sha256 of the file, in hexadecimal.
    """
    # It is imported here because only COCO's sets need pycocotools.
    from sysnoise.pipelines.shards.ground_truth import ground_truth_parts

    digest = hashlib.sha256()
    for part in ground_truth_parts(plan, root, placements, kind):
        digest.update(part.encode())
    if digest.hexdigest() != sha256:
        yield (
            f"is not what {layout.SOURCES}, {layout.PLAN} and the tables of samples make: that has "
            f"the sha256 {digest.hexdigest()}"
        )

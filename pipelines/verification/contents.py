"""All files of a set, or of a part of it, in parallel: what each holds, and what they add up to."""

from __future__ import annotations

import functools
import hashlib
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from sysnoise.manifests import layout
from sysnoise.manifests.files import FileRow, needed_files
from sysnoise.manifests.layout import receipt_path, shard_name
from sysnoise.manifests.manifest import Manifest, content_line
from sysnoise.manifests.tables import parse_parquet
from sysnoise.pipelines.errors import quoted
from sysnoise.pipelines.storage.reading import read_file
from sysnoise.pipelines.storage.root import Root
from sysnoise.pipelines.verification.files import HashingReader, check_file, shard_scan
from sysnoise.pipelines.verification.index import parse_sums, plan_messages, sums_messages
from sysnoise.pipelines.verification.records import (
    MISSING,
    Checked,
    CheckedPart,
    Depth,
    FileProblem,
    Holders,
    checked,
    unreadable,
)
from sysnoise.pipelines.verification.shards import ShardSamples, check_receipt, check_samples

CARD_HINT = "'sysnoise card' makes it anew"


@dataclass(frozen=True)
class CheckedSet:
    """A set that is checked.

    Attributes:
        root: where it is.
        present: paths of all files there.
        manifest: which follows its schema.
        rows: of the files table, by shard; None for the files that no shard owns.
        holders: by sha256, the files that have these bytes.
        part: that is checked.
        depth: how far files are looked into.
    """

    root: Root
    present: frozenset[str]
    manifest: Manifest
    rows: Mapping[int | None, Sequence[FileRow]]
    holders: Holders
    part: CheckedPart
    depth: Depth

    def receipt(self, shard: int) -> str:
        """Return the path of a shard's receipt."""
        return receipt_path(shard_name(shard, self.manifest["counts"]["shards"]))

    def named_files(self) -> set[str]:
        """Return the paths of all files that the set has, index and receipts included."""
        stored = {row.path for rows in self.rows.values() for row in rows if not row.same_as}
        receipts = map(self.receipt, range(self.manifest["counts"]["shards"]))
        index = (layout.MANIFEST, layout.FILES, layout.SUMS, *layout.CARD, layout.PART)
        return {*index, *receipts, *stored}

    def needed(self, shard: int | None) -> list[FileRow]:
        """Return the rows of the stored files that the part has of a shard, or of none.

        A file that was left out as a duplicate stands for the one that has its bytes.
        """
        return needed_files(self.rows.get(shard, ()), self.part.variants)


def open_checked_set(
    root: Root,
    present: frozenset[str],
    manifest: Manifest,
    rows: Iterable[FileRow],
    part: CheckedPart,
    depth: Depth,
) -> CheckedSet:
    """Index the rows of the files table."""
    by_shard: dict[int | None, list[FileRow]] = defaultdict(list)
    holders: dict[str, list[FileRow]] = defaultdict(list)
    for row in rows:
        by_shard[row.shard].append(row)
        if row.same_as is None:
            holders[row.sha256].append(row)
    return CheckedSet(root, present, manifest, by_shard, holders, part, depth)


@dataclass
class _Totals:
    """What the tables of samples add up to, shard by shard, and whether all could be read."""

    are_complete: bool = True
    samples: int = 0
    rejected: list[str] = field(default_factory=list)
    content: Any = field(default_factory=hashlib.sha256)

    def add(self, samples: ShardSamples | None) -> None:
        """Add the next shard."""
        if samples is None:
            self.are_complete = False
            return
        self.samples += len(samples.keys)
        self.rejected += samples.rejected
        for key, sha256 in samples.sources:
            self.content.update(content_line(sha256, key))


def check_contents(target: CheckedSet) -> tuple[list[Checked], list[FileProblem]]:
    """Read every file of the part that is there.

    Returns:
        The files, and the problems that show where they are put together.
    """
    totals = _Totals()
    results: list[Checked] = []
    with _progress(target) as bar:
        for result in _check_files(target, totals):
            results.append(result)
            bar.update(result.bytes)
    results += _check_card(target)
    if layout.SUMS in target.present:
        results.append(_check_sums(target, {result.path: result.sha256 for result in results}))
    problems = _absences(target)
    if totals.are_complete:
        problems += [*_total_problems(target, totals), *_reject_problems(target, totals)]
    return results, problems


def _progress(target: CheckedSet) -> tqdm[Any]:
    size = sum(row.bytes for shard in (None, *target.part.shards) for row in target.needed(shard))
    return tqdm(total=size, unit="B", unit_scale=True, file=sys.stderr, disable=None)


def _check_files(target: CheckedSet, totals: _Totals) -> Iterator[Checked]:
    threads = os.cpu_count() or 1
    shards = target.part.shards
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(functools.partial(_check_set_file, target), _present(target, None))
        # Tables of samples wait for their files, so only as many shards as threads are at work.
        for start in range(0, len(shards), threads):
            yield from _check_shards(target, shards[start : start + threads], totals, pool)


def _present(target: CheckedSet, shard: int | None) -> list[FileRow]:
    return [row for row in target.needed(shard) if row.path in target.present]


def _check_set_file(target: CheckedSet, row: FileRow) -> Checked:
    scan = functools.partial(_scan_plan, target) if row.path == layout.PLAN else None
    return check_file(target.root, row, target.holders, scan)


def _scan_plan(target: CheckedSet, reader: HashingReader) -> list[str]:
    return plan_messages(b"".join(iter(reader.read, b"")), target.manifest)


def _check_shards(
    target: CheckedSet, shards: range, totals: _Totals, pool: ThreadPoolExecutor
) -> Iterator[Checked]:
    """Check the tables of some shards, then all their files."""
    work = []
    for shard, (samples, results) in zip(
        shards, pool.map(functools.partial(_check_tables, target), shards), strict=True
    ):
        yield from results
        totals.add(samples)
        files = [row for row in _present(target, shard) if row.variant is not None]
        work += [(row, samples) for row in files]
    yield from pool.map(lambda each: _check_variant_file(target, *each), work)


def _check_tables(target: CheckedSet, shard: int) -> tuple[ShardSamples | None, list[Checked]]:
    """Check a shard's table of samples and its receipt, as far as they are there."""
    rows = target.rows.get(shard, ())
    samples = None
    results = []
    for row in _present(target, shard):
        if row.variant is None:
            samples, result = check_samples(target.root, row, rows, target.manifest, target.holders)
            results.append(result)
    receipt = target.receipt(shard)
    if receipt in target.present:
        fingerprint = target.manifest["plan"]["fingerprint"]
        results.append(check_receipt(target.root, receipt, fingerprint, rows, samples))
    return samples, results


def _check_variant_file(target: CheckedSet, row: FileRow, samples: ShardSamples | None) -> Checked:
    scan = None
    if samples is not None:
        digests = samples.digests_of(row) if target.depth is Depth.PIXELS else None
        scan = shard_scan(row, samples.expected(target.manifest["image_format"]["name"], digests))
    return check_file(target.root, row, target.holders, scan)


def _absences(target: CheckedSet) -> list[FileProblem]:
    """Return the files that the part must have and that are not there."""
    shards = target.part.shards
    paths = [row.path for shard in shards for row in target.needed(shard)]
    if target.part.is_whole:
        paths += [row.path for row in target.needed(None)]
        paths += map(target.receipt, shards)
    absent = [FileProblem(path, MISSING) for path in paths if path not in target.present]
    if target.part.is_whole:
        card = [path for path in (layout.SUMS, *layout.CARD) if path not in target.present]
        absent += [FileProblem(path, f"{MISSING}; {CARD_HINT}") for path in card]
    return absent


def _check_card(target: CheckedSet) -> Iterator[Checked]:
    """Read the files of the card, and what says which part of a set this is."""
    for path in (*layout.CARD, layout.PART):
        if path in target.present:
            try:
                yield checked(path, read_file(target.root, path), [])
            except OSError as error:
                yield unreadable(path, error)


def _check_sums(target: CheckedSet, found: Mapping[str, str]) -> Checked:
    """Compare ``SHA256SUMS`` with the files table and with the receipts that were read."""
    try:
        data = read_file(target.root, layout.SUMS)
    except OSError as error:
        return unreadable(layout.SUMS, error)
    sums = {
        row.path: row.sha256
        for rows in target.rows.values()
        for row in needed_files(rows, target.part.held)
    }
    sums[layout.FILES] = target.manifest["files"]["sha256"]
    receipts = [target.receipt(shard) for shard in range(target.manifest["counts"]["shards"])]
    card = [*layout.CARD, *({layout.PART} & target.present)]
    said = parse_sums(data)
    others = [
        FileProblem(path, f"its sha256 is {found[path]}, {layout.SUMS} says {said[path]}{hint}")
        for paths, hint in ((receipts, ""), (card, f"; {CARD_HINT}"))
        for path in paths
        if found.get(path) and said.get(path, found[path]) != found[path]
    ]
    return checked(layout.SUMS, data, sums_messages(data, sums, [*receipts, *card]), others)


def _total_problems(target: CheckedSet, totals: _Totals) -> list[FileProblem]:
    """Compare the manifest with what the tables of samples of all shards make."""
    if not target.part.is_whole:
        return []
    content = target.manifest["source"]["content_sha256"]
    names = ("samples", "rejects", "content_sha256")
    said = (
        target.manifest["counts"]["samples"],
        target.manifest["counts"]["rejects"],
        content,
    )
    made = (totals.samples, len(totals.rejected), totals.content.hexdigest())
    return [
        FileProblem(layout.MANIFEST, f"says {name} {one}, the tables of samples make {other}")
        for name, one, other in zip(names, said, made, strict=True)
        if one != other
    ]


def _reject_problems(target: CheckedSet, totals: _Totals) -> list[FileProblem]:
    """Compare the table of rejects with the rejected samples of the part's shards."""
    if layout.REJECTS not in target.present:
        return []
    try:
        table = parse_parquet(read_file(target.root, layout.REJECTS))
        rows = table.select(["shard", "key"]).to_pylist()
    except (pa.ArrowException, OSError, KeyError) as error:
        return [FileProblem(layout.REJECTS, f"cannot be read: {error}")]
    keys = [row["key"] for row in rows if row["shard"] in target.part.shards]
    differing = sorted({*keys} ^ {*totals.rejected})
    if not differing:
        return []
    text = f"differs from the tables of samples in {quoted(differing)}"
    return [FileProblem(layout.REJECTS, text)]

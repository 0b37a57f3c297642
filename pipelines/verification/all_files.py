"""Checking all files of a set, or of a part of it, in parallel, and what they add up to."""

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
from sysnoise.pipelines.verification.checked_file import (
    MISSING,
    CheckedFile,
    FileProblem,
    FilesBySha256,
    checked_file,
    unreadable_file,
)
from sysnoise.pipelines.verification.index import parse_sums, plan_messages, sums_messages
from sysnoise.pipelines.verification.request import CheckedPart, Depth
from sysnoise.pipelines.verification.shard_tables import ShardSamples, check_receipt, check_samples
from sysnoise.pipelines.verification.single_file import HashingReader, check_file, shard_scan

CARD_HINT = "'sysnoise card' writes it again"


@dataclass(frozen=True)
class CheckedSet:
    """A set that is checked.

    Attributes:
        root: the root of the set.
        present: paths of all files that are there.
        manifest: the manifest, which follows its schema.
        rows: rows of the files table by shard, or by None for the files that no shard owns.
        files_by_sha256: rows of the stored files, by the sha256 of their bytes.
        part: the part that is checked.
        depth: how much of the files is checked.
    """

    root: Root
    present: frozenset[str]
    manifest: Manifest
    rows: Mapping[int | None, Sequence[FileRow]]
    files_by_sha256: FilesBySha256
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
        """Return the rows of the stored files that the part has of a shard; None is for no shard.

        A file that was left out as a duplicate is replaced by the one that has its bytes.
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
    """Return a set that is checked, with its rows of the files table by shard and by sha256."""
    by_shard: dict[int | None, list[FileRow]] = defaultdict(list)
    files_by_sha256: dict[str, list[FileRow]] = defaultdict(list)
    for row in rows:
        by_shard[row.shard].append(row)
        if row.same_as is None:
            files_by_sha256[row.sha256].append(row)
    return CheckedSet(root, present, manifest, by_shard, files_by_sha256, part, depth)


@dataclass
class _Totals:
    """What the tables of samples add up to.

    Attributes:
        are_complete: whether all tables could be read.
        samples: number of samples in every variant.
        rejected: keys of the rejects.
        content: hash of the keys and source digests, for ``content_sha256``.
    """

    are_complete: bool = True
    samples: int = 0
    rejected: list[str] = field(default_factory=list)
    content: Any = field(default_factory=hashlib.sha256)

    def add(self, samples: ShardSamples | None) -> None:
        """Add the samples of the next shard; None where they could not be read."""
        if samples is None:
            self.are_complete = False
            return
        self.samples += len(samples.keys)
        self.rejected += samples.rejected
        for key, sha256 in samples.sources:
            self.content.update(content_line(sha256, key))


def check_all_files(target: CheckedSet) -> tuple[list[CheckedFile], list[FileProblem]]:
    """Check every file of the part.

    Returns:
        The files that are there, and the problems that only all files together show.
    """
    totals = _Totals()
    results: list[CheckedFile] = []
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


def _check_files(target: CheckedSet, totals: _Totals) -> Iterator[CheckedFile]:
    threads = os.cpu_count() or 1
    shards = target.part.shards
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(functools.partial(_check_set_file, target), _present(target, None))
        # The tables of samples are held until their files are checked: one shard per thread.
        for start in range(0, len(shards), threads):
            yield from _check_shards(target, shards[start : start + threads], totals, pool)


def _present(target: CheckedSet, shard: int | None) -> list[FileRow]:
    return [row for row in target.needed(shard) if row.path in target.present]


def _check_set_file(target: CheckedSet, row: FileRow) -> CheckedFile:
    scan = functools.partial(_scan_plan, target) if row.path == layout.PLAN else None
    return check_file(target.root, row, target.files_by_sha256, scan)


def _scan_plan(target: CheckedSet, reader: HashingReader) -> list[str]:
    return plan_messages(b"".join(iter(reader.read, b"")), target.manifest)


def _check_shards(
    target: CheckedSet, shards: range, totals: _Totals, pool: ThreadPoolExecutor
) -> Iterator[CheckedFile]:
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


def _check_tables(target: CheckedSet, shard: int) -> tuple[ShardSamples | None, list[CheckedFile]]:
    """Check a shard's table of samples and its receipt, as far as they are there."""
    rows = target.rows.get(shard, ())
    samples = None
    results = []
    for row in _present(target, shard):
        if row.variant is None:
            samples, result = check_samples(
                target.root, row, rows, target.manifest, target.files_by_sha256
            )
            results.append(result)
    receipt = target.receipt(shard)
    if receipt in target.present:
        fingerprint = target.manifest["plan"]["fingerprint"]
        results.append(check_receipt(target.root, receipt, fingerprint, rows, samples))
    return samples, results


def _check_variant_file(
    target: CheckedSet, row: FileRow, samples: ShardSamples | None
) -> CheckedFile:
    scan = None
    if samples is not None:
        digests = samples.digests_of(row) if target.depth is Depth.PIXELS else None
        scan = shard_scan(row, samples.expected(target.manifest["image_format"]["name"], digests))
    return check_file(target.root, row, target.files_by_sha256, scan)


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


def _check_card(target: CheckedSet) -> Iterator[CheckedFile]:
    """Check the files of the card, and ``part.json``."""
    for path in (*layout.CARD, layout.PART):
        if path in target.present:
            try:
                yield checked_file(path, read_file(target.root, path), [])
            except OSError as error:
                yield unreadable_file(path, error)


def _check_sums(target: CheckedSet, found: Mapping[str, str]) -> CheckedFile:
    """Compare ``SHA256SUMS`` with the files table and with the receipts that were read."""
    try:
        data = read_file(target.root, layout.SUMS)
    except OSError as error:
        return unreadable_file(layout.SUMS, error)
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
    return checked_file(layout.SUMS, data, sums_messages(data, sums, [*receipts, *card]), others)


def _total_problems(target: CheckedSet, totals: _Totals) -> list[FileProblem]:
    """Compare the manifest with the sums over the tables of samples of all shards."""
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
        FileProblem(layout.MANIFEST, f"says {name} {one}, the tables of samples have {other}")
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

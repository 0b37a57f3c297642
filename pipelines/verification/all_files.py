"""Checking all files of a set, or of a part of it, in parallel, and what they add up to."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sysnoise.manifests import layout
from sysnoise.manifests.card import grid_yaml
from sysnoise.manifests.files import FileRow, files_table, needed_files
from sysnoise.manifests.held import HeldSet
from sysnoise.manifests.json_documents import DocumentError, json_bytes
from sysnoise.manifests.layout import ShardFormat
from sysnoise.manifests.part import part_document
from sysnoise.manifests.plan import read_plan
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.beam.progress import progress_bar
from sysnoise.pipelines.planning.receipts import RejectedSample, read_receipt
from sysnoise.pipelines.storage.reading import read_file
from sysnoise.pipelines.verification.card import made_card
from sysnoise.pipelines.verification.checked_file import (
    MISSING,
    CheckedFile,
    FileProblem,
    checked_file,
    collected,
    unreadable_file,
)
from sysnoise.pipelines.verification.checked_set import CheckedSet, Totals, no_totals
from sysnoise.pipelines.verification.hashing import HashingReader
from sysnoise.pipelines.verification.manifest_check import noise_differences
from sysnoise.pipelines.verification.parquet_shard import scan_parquet
from sysnoise.pipelines.verification.receipts import receipt_messages
from sysnoise.pipelines.verification.request import Depth
from sysnoise.pipelines.verification.set_tables import (
    SourceRows,
    ground_truth_messages,
    rejects_messages,
    scan_sources,
    source_rows,
)
from sysnoise.pipelines.verification.shard_samples import (
    ShardSamples,
    parse_samples,
    samples_messages,
)
from sysnoise.pipelines.verification.single_file import Scan, byte_messages, check_file, other_file
from sysnoise.pipelines.verification.sums import parse_sums, sums_messages
from sysnoise.pipelines.verification.tar_shard import scan_tar
from sysnoise.pipelines.workers.cores import available_cores

_DAMAGED_DIGITS = 4
"""Number of digits of a sha256 that may differ where the line is damaged, and not the file."""

CARD_HINT = "'sysnoise card' writes it again"


@dataclass(frozen=True)
class _CheckedTables:
    """The table of samples and the receipt of a shard.

    Attributes:
        samples: the table; None where it cannot be used.
        rejects: the rejects of the receipt; None where that cannot be used.
        proven: the receipt, if all of it follows from the rest of the set.
        results: the files that are there.
    """

    samples: ShardSamples | None
    rejects: Sequence[RejectedSample] | None
    proven: CheckedFile | None
    results: Sequence[CheckedFile]


def check_all_files(target: CheckedSet) -> tuple[list[CheckedFile], list[FileProblem]]:
    """Check every file of the part.

    Returns:
        The files that are there, and the problems that only all files together show.
    """
    totals = no_totals(target.facts)
    proven: set[str] = set()
    results: list[CheckedFile] = []
    sizes = _sizes(target)
    with progress_bar("verify", sum(sizes.values()), "B") as bar:
        for result in _check_files(target, totals, proven):
            results.append(result)
            bar.update(sizes.get(result.path, 0))
    results += _check_card(target)
    damaged = {problem.path for result in results for problem in result.problems}
    sound = {each.path: each.sha256 for each in results if each.path not in damaged}
    problems = _absences(target)
    if totals.has_samples:
        problems += _total_problems(target, totals)
        problems += _reject_problems(target, totals, sound)
        problems += _ground_truth_problems(target, totals, sound)
    if layout.REJECTS not in sound or layout.REJECTS in {each.path for each in problems}:
        proven -= totals.with_rejects
    if layout.SUMS in target.present:
        results.append(_check_sums(target, {each.path: each.sha256 for each in results}, proven))
    return results, problems


def _sizes(target: CheckedSet) -> dict[str, int]:
    """Return the length in bytes, by path, that the files that are there should have."""
    shards = (None, *target.part.shards)
    rows = (row for shard in shards for row in target.needed_and_there(shard))
    return {row.path: max(row.bytes, 0) for row in rows}


def _check_files(target: CheckedSet, totals: Totals, proven: set[str]) -> Iterator[CheckedFile]:
    threads = available_cores()
    shards = target.part.shards
    with ThreadPoolExecutor(threads) as pool:
        sources = None
        set_files = target.needed_and_there(None)
        for result in pool.map(functools.partial(_check_set_file, target), set_files):
            yield result
            if result.path == layout.SOURCES and not result.problems:
                sources = source_rows(target.root)
        # The tables of samples are held until their files are checked: one shard per thread.
        for start in range(0, len(shards), threads):
            some = shards[start : start + threads]
            yield from _check_shards(target, some, sources, totals, proven, pool)


def _check_set_file(target: CheckedSet, row: FileRow) -> CheckedFile:
    scans: dict[str, Scan] = {
        layout.PLAN: functools.partial(_scan_plan, target),
        layout.SOURCES: functools.partial(
            scan_sources, target.facts, target.index.source_fingerprint
        ),
    }
    return check_file(target.root, row, target.files_by_sha256, scans.get(row.path))


def _scan_plan(target: CheckedSet, reader: HashingReader) -> Iterator[str]:
    try:
        plan = read_plan(b"".join(iter(reader.read, b"")))
    except DocumentError as error:
        yield str(error)
        return
    expected = target.facts.fingerprint
    if plan.fingerprint != expected:
        yield f"is another plan: its fingerprint is {plan.fingerprint}, the manifest's {expected}"


def _check_shards(
    target: CheckedSet,
    shards: range,
    sources: SourceRows | None,
    totals: Totals,
    proven: set[str],
    pool: ThreadPoolExecutor,
) -> Iterator[CheckedFile]:
    """Check the tables of some shards, then all their files."""
    work = []
    check_tables = functools.partial(_check_tables, target, sources)
    for shard, checked in zip(shards, pool.map(check_tables, shards), strict=True):
        yield from checked.results
        totals.add(checked.samples, checked.rejects)
        if checked.proven is not None:
            proven.add(checked.proven.path)
            totals.with_rejects |= {checked.proven.path} if checked.rejects else set()
        files = [row for row in target.needed_and_there(shard) if row.variant is not None]
        work += [(row, checked.samples) for row in files]
    yield from pool.map(lambda each: _check_variant_file(target, *each), work)


def _check_tables(target: CheckedSet, sources: SourceRows | None, shard: int) -> _CheckedTables:
    """Check a shard's table of samples and its receipt, as far as they are there."""
    samples, rejects, proven = None, None, None
    results = []
    for row in target.needed_and_there(shard):
        if row.variant is None:
            samples, result = _check_samples(target, sources, row, shard)
            results.append(result)
    path = target.receipt(shard)
    if path in target.present:
        rejects, receipt = _check_receipt(target, path, shard, samples)
        results.append(receipt)
        if samples is not None and target.index.has_table and not receipt.problems:
            proven = receipt
    return _CheckedTables(samples, rejects, proven, results)


def _check_samples(
    target: CheckedSet, sources: SourceRows | None, row: FileRow, shard: int
) -> tuple[ShardSamples | None, CheckedFile]:
    """Check a table of samples, whose content counts only if its bytes are those of its row."""
    try:
        data = read_file(target.root, row.path)
    except Exception as error:  # noqa: BLE001 - file systems raise whatever they like.
        return None, unreadable_file(row.path, error)
    sha256 = hashlib.sha256(data).hexdigest()
    wrong = other_file(row, sha256, target.files_by_sha256)
    wrong = wrong or byte_messages(row.bytes, row.sha256, len(data), sha256)
    if wrong:  # The content of a damaged table says nothing of other files.
        return None, checked_file(row.path, data, wrong)
    read: list[ShardSamples] = []
    messages = collected(_samples_content(target, sources, row.path, shard, data, read))
    others = [FileProblem(layout.FILES, text) for text in _row_messages(target, shard, read)]
    return read[0] if read else None, checked_file(row.path, data, messages, others)


def _samples_content(
    target: CheckedSet,
    sources: SourceRows | None,
    path: str,
    shard: int,
    data: bytes,
    read: list[ShardSamples],
) -> Iterator[str]:
    """Append a table of samples to ``read``, and yield what is wrong with it."""
    rows = sources.of(shard) if sources is not None else None
    samples = parse_samples(path, data, target.facts, rows)
    yield from samples_messages(samples, shard, rows, target.index.plan)
    # What follows from the table is computed here, where an exception is one of this file.
    _ = (samples.sums, samples.expected_at if target.facts.formats else None)
    read.append(samples)


def _row_messages(target: CheckedSet, shard: int, read: Sequence[ShardSamples]) -> Iterator[str]:
    """Compare the rows of a shard's files with its samples."""
    if not target.index.has_table:
        return
    rows = target.rows.get(shard, ())
    by_path = {row.path: row for row in rows}
    for samples in read:
        for row in rows:
            table = samples.table if row.variant is None else samples.accepted
            if row.samples != table.num_rows:
                counted = f"counts {row.samples} samples of {row.path!r}"
                yield f"{counted}, {samples.path} has {table.num_rows}"
            holder = by_path.get(row.same_as or "")
            if holder and not samples.same_digests(row, holder):
                claim = f"says that {row.path!r} is the same as {row.same_as!r}"
                yield f"{claim}, but {samples.path} has other digests"


def _check_receipt(
    target: CheckedSet, path: str, shard: int, samples: ShardSamples | None
) -> tuple[Sequence[RejectedSample] | None, CheckedFile]:
    try:
        data = read_file(target.root, path)
    except Exception as error:  # noqa: BLE001 - file systems raise whatever they like.
        return None, unreadable_file(path, error)
    try:
        receipt = read_receipt(data)
    except DocumentError as error:
        return None, checked_file(path, data, [f"is not a receipt: {error}"])
    rows = target.rows.get(shard, ()) if target.index.has_table else None
    messages = collected(receipt_messages(receipt, data, target.facts, shard, rows, samples))
    return None if messages else receipt.rejects, checked_file(path, data, messages)


def _check_variant_file(
    target: CheckedSet, row: FileRow, samples: ShardSamples | None
) -> CheckedFile:
    scan = None
    if samples is not None:
        expected = samples.expected_in(row, with_digests=target.depth is Depth.PIXELS)
        is_tar = row.format == ShardFormat.WEBDATASET.value
        scan = functools.partial(scan_tar if is_tar else scan_parquet, expected)
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
        named = {layout.PICTURE} & target.index.sums.keys()
        card = [path for path in (layout.SUMS, *layout.CARD, *named) if path not in target.present]
        absent += [FileProblem(path, f"{MISSING}; {CARD_HINT}") for path in card]
    return absent


def _check_card(target: CheckedSet) -> Iterator[CheckedFile]:
    """Check the files of the card, its picture, and ``part.json``."""
    for path in (*layout.CARD, layout.PART, layout.PICTURE):
        if path in target.present:
            try:
                data = read_file(target.root, path)
            except Exception as error:  # noqa: BLE001 - file systems raise whatever they like.
                yield unreadable_file(path, error)
                continue
            yield checked_file(path, data, collected(_card_messages(target, path, data)))


def _card_messages(target: CheckedSet, path: str, data: bytes) -> Iterator[str]:
    """Compare a file for readers, and ``part.json``, with what the manifest makes it."""
    manifest = target.index.manifest if target.index.is_stated else None
    if manifest is None:
        return
    if path == layout.GRID and data != grid_yaml(manifest).encode():
        yield f"is not the grid of {layout.MANIFEST}; {CARD_HINT}"
    if path == layout.PART and data != json_bytes(part_document(manifest, target.part.held)):
        yield "is not written as 'sysnoise fetch' writes it"


def _check_sums(
    target: CheckedSet, found: Mapping[str, str], proven: Collection[str]
) -> CheckedFile:
    """Compare ``SHA256SUMS`` with what the files table, the receipts and the card make it.

    Args:
        target: the set.
        found: sha256 of the files that were read, by path.
        proven: paths of the receipts all of which follows from the rest of the set.

    Where a receipt or a file for readers has another sum than its line says, the line is wrong if
    the file follows from the rest of the set, or if the two differ in few digits only.
    """
    try:
        data = read_file(target.root, layout.SUMS)
    except Exception as error:  # noqa: BLE001 - file systems raise whatever they like.
        return unreadable_file(layout.SUMS, error)
    index, said = target.index, parse_sums(data)
    sums: dict[str, str | None] = {
        row.path: row.sha256
        for rows in target.rows.values()
        for row in needed_files(rows, target.part.held)
    }
    manifest = index.manifest if index.is_stated else None
    sums[layout.FILES] = manifest["files"]["sha256"] if manifest is not None else None
    others = [target.receipt(shard) for shard in range(target.facts.shards)]
    optional = {layout.PART, layout.PICTURE}
    others += [*layout.CARD, *(optional & (target.present | said.keys()))]
    differing = [path for path in others if found.get(path) and said.get(path) != found[path]]
    right = {*proven, *(_right_card(target) if {*layout.CARD, layout.PART} & {*differing} else ())}
    sums |= dict.fromkeys(others)
    sums |= {
        path: found[path]
        for path in differing
        if path in right or path not in said or _are_near(said[path], found[path])
    }
    wrong = [
        FileProblem(
            path,
            f"its sha256 is {found[path]}, {layout.SUMS} says {said[path]}"
            + (f"; {CARD_HINT}" if path in (*layout.CARD, layout.PICTURE) else ""),
        )
        for path in differing
        if sums[path] is None
    ]
    return checked_file(layout.SUMS, data, collected(sums_messages(data, sums)), wrong)


def _are_near(one: str, other: str) -> bool:
    """Whether one sha256 is the other with some damage: those of two files agree nowhere."""
    return sum(a != b for a, b in zip(one, other, strict=True)) <= _DAMAGED_DIGITS


def _right_card(target: CheckedSet) -> set[str]:
    """Return the paths of the files for readers that are what the rest of the set makes them."""
    index = target.index
    if index.manifest is None or index.plan is None:
        return set()
    paths = (path for path in (*layout.CARD, layout.PART) if path in target.present)
    held = [variant for variant in target.facts.variants if variant in target.part.held]
    try:
        there = {path: read_file(target.root, path) for path in paths}
        this_set = HeldSet(index.manifest, index.plan, files_table(index.rows), held)
        made = dict(made_card(this_set, there))
    except (OSError, ValueError):  # Then it cannot be shown, and the files are named.
        return set()
    return {path for path, data in there.items() if made.get(path) == data}


def _total_problems(target: CheckedSet, totals: Totals) -> list[FileProblem]:
    """Compare the manifest with the sums over the tables of samples of all shards."""
    manifest = target.index.manifest
    if not target.part.is_whole or manifest is None:
        return []
    names = ("samples", "rejects", "content_sha256")
    counts = manifest["counts"]
    said = (counts["samples"], counts["rejects"], manifest["source"]["content_sha256"])
    made = (totals.sums.samples, len(totals.rejected), totals.content.hexdigest())
    messages = [
        f"says {name} {one}, the tables of samples have {other}"
        for name, one, other in zip(names, said, made, strict=True)
        if one != other
    ]
    messages += collected(noise_differences(manifest, target.facts, totals.sums))
    return [FileProblem(layout.MANIFEST, message) for message in messages]


def _reject_problems(
    target: CheckedSet, totals: Totals, sound: Collection[str]
) -> list[FileProblem]:
    """Compare the table of rejects with the rejected samples of the part's shards."""
    if layout.REJECTS not in sound:
        return []
    rejects = totals.rejects if totals.has_receipts else None
    messages = collected(_reject_messages(target, totals.rejected, rejects))
    return [FileProblem(layout.REJECTS, message) for message in messages]


def _reject_messages(
    target: CheckedSet, rejected: Sequence[str], rejects: Sequence[RejectedSample] | None
) -> Iterator[str]:
    data = read_file(target.root, layout.REJECTS)
    shards = target.part.shards
    yield from rejects_messages(data, target.facts, shards, rejected, rejects)


def _ground_truth_problems(
    target: CheckedSet, totals: Totals, sound: Mapping[str, str]
) -> list[FileProblem]:
    """Compare COCO's ground truths with what the sources and the tables of samples make them."""
    plan, facts = target.index.plan, target.facts
    is_whole = target.part.is_whole and len(target.part.shards) == facts.shards
    if facts.kind is not DatasetKind.COCO or plan is None or not is_whole:
        return []
    problems = []
    for name, (kind, geometry) in layout.ground_truths(facts.geometries).items():
        path = layout.annotations_path(facts.split, name)
        if path in sound and layout.SOURCES in sound:
            placements = totals.placements.get(geometry, [])
            checks = ground_truth_messages(target.root, plan, placements, kind, sound[path])
            problems += [FileProblem(path, message) for message in collected(checks)]
    return problems

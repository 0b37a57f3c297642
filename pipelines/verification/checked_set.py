"""A set that is checked: its files, and what they are checked against."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sysnoise.manifests import layout
from sysnoise.manifests.files import FileRow, needed_files
from sysnoise.manifests.layout import receipt_path, shard_name
from sysnoise.manifests.manifest import Manifest, content_line
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.planning.receipts import RejectedSample
from sysnoise.pipelines.storage.root import Root
from sysnoise.pipelines.verification.checked_file import FilesBySha256
from sysnoise.pipelines.verification.facts import SetFacts
from sysnoise.pipelines.verification.index import expected_files
from sysnoise.pipelines.verification.request import CheckedPart, Depth
from sysnoise.pipelines.verification.shard_samples import ShardSamples
from sysnoise.pipelines.verification.statistics import ShardSums, merge_sums, no_sums
from sysnoise.transforms.geometry import Placement
from sysnoise.transforms.variant_ids import FIRST_GEOMETRY


@dataclass(frozen=True)
class SetIndex:
    """What a set says of itself.

    Attributes:
        facts: what its files are checked against.
        manifest: the manifest; None where it cannot be used.
        is_stated: whether the manifest has no problems.
        plan: the plan of these facts; None where it cannot be used.
        rows: the rows of the files table.
        has_table: whether the rows are those of the files table, and not of receipts and sums.
        sums: the sha256 of each file as ``SHA256SUMS`` has it, by path.
    """

    facts: SetFacts
    manifest: Manifest | None
    is_stated: bool
    plan: Plan | None
    rows: Sequence[FileRow]
    has_table: bool
    sums: Mapping[str, str]

    @property
    def source_fingerprint(self) -> str | None:
        """The fingerprint of the table of sources; None where nothing says it."""
        if self.plan is not None:
            return self.plan.source_sha256
        return self.manifest["source"]["list_sha256"] if self.manifest is not None else None


@dataclass(frozen=True)
class CheckedSet:
    """A set that is checked.

    Attributes:
        root: the root of the set.
        present: paths of all files that are there.
        index: what the set says of itself.
        rows: rows of the files table by shard, or by None for the files that no shard owns.
        files_by_sha256: rows of the stored files, by the sha256 of their bytes.
        part: the part that is checked.
        depth: how much of the files is checked.
    """

    root: Root
    present: frozenset[str]
    index: SetIndex
    rows: Mapping[int | None, Sequence[FileRow]]
    files_by_sha256: FilesBySha256
    part: CheckedPart
    depth: Depth

    @property
    def facts(self) -> SetFacts:
        """What the files are checked against."""
        return self.index.facts

    def receipt(self, shard: int) -> str:
        """Return the path of a shard's receipt."""
        return receipt_path(shard_name(shard, self.facts.shards))

    def named_files(self) -> set[str]:
        """Return the paths of all files that the set has, index and receipts included."""
        stored = {row.path for rows in self.rows.values() for row in rows if not row.same_as}
        if not self.index.has_table:
            stored |= {path for path, _ in expected_files(self.facts)}
        receipts = map(self.receipt, range(self.facts.shards))
        index = (layout.MANIFEST, layout.FILES, layout.SUMS, *layout.CARD)
        return {*index, layout.PART, layout.PICTURE, *receipts, *stored}

    def needed(self, shard: int | None) -> list[FileRow]:
        """Return the rows of the stored files that the part has of a shard; None is for no shard.

        A file that was left out as a duplicate is replaced by the one that has its bytes.
        """
        return needed_files(self.rows.get(shard, ()), self.part.variants)

    def needed_and_there(self, shard: int | None) -> Iterator[FileRow]:
        """Yield the same rows of the files that are there."""
        return (row for row in self.needed(shard) if row.path in self.present)


def open_checked_set(
    root: Root, present: frozenset[str], index: SetIndex, part: CheckedPart, depth: Depth
) -> CheckedSet:
    """Return a set that is checked, with its rows of the files table by shard and by sha256."""
    by_shard: dict[int | None, list[FileRow]] = defaultdict(list)
    files_by_sha256: dict[str, list[FileRow]] = defaultdict(list)
    for row in index.rows:
        by_shard[row.shard].append(row)
        if row.same_as is None:
            files_by_sha256[row.sha256].append(row)
    return CheckedSet(root, present, index, by_shard, files_by_sha256, part, depth)


@dataclass
class Totals:
    """What the tables of samples and the receipts add up to.

    Attributes:
        sums: the sums over all samples.
        has_samples: whether all tables of samples could be used.
        has_receipts: whether all receipts could be used.
        rejected: keys of the rejects in the tables of samples.
        rejects: the rejects in the receipts.
        with_rejects: paths of the receipts that have rejects.
        placements: of COCO, the placement of each image by geometry; None for rejects.
        content: hash of the keys and source digests, for ``content_sha256``.
    """

    sums: ShardSums
    has_samples: bool = True
    has_receipts: bool = True
    rejected: list[str] = field(default_factory=list)
    rejects: list[RejectedSample] = field(default_factory=list)
    with_rejects: set[str] = field(default_factory=set)
    placements: dict[str, list[Placement | None]] = field(default_factory=dict)
    content: Any = field(default_factory=hashlib.sha256)

    def add(self, samples: ShardSamples | None, rejects: Sequence[RejectedSample] | None) -> None:
        """Add the samples and the rejects of the next shard; None where they cannot be used."""
        if rejects is None:
            self.has_receipts = False
        else:
            self.rejects += rejects
        if samples is None:
            self.has_samples = False
            return
        self.sums = merge_sums(self.sums, samples.sums)
        self.rejected += samples.rejected
        for key, sha256 in samples.sources():
            self.content.update(content_line(sha256, key))
        if samples.facts.kind is DatasetKind.COCO:
            for name in (FIRST_GEOMETRY, *samples.facts.geometries):
                self.placements.setdefault(name, []).extend(samples.placements(name))


def no_totals(facts: SetFacts) -> Totals:
    """Return the totals of no shards."""
    return Totals(no_sums(len(facts.variants)))

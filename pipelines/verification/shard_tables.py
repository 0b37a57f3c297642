"""Checking a shard's table of samples and its receipt."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sysnoise.manifests import layout
from sysnoise.manifests.files import FileRow
from sysnoise.manifests.json_documents import DocumentError
from sysnoise.manifests.manifest import Manifest
from sysnoise.manifests.tables import SampleStatus, parse_parquet
from sysnoise.pipelines.errors import quoted
from sysnoise.pipelines.planning.receipts import Receipt, read_receipt
from sysnoise.pipelines.storage.reading import read_file
from sysnoise.pipelines.storage.root import Root
from sysnoise.pipelines.verification.checked_file import (
    CheckedFile,
    FileProblem,
    FilesBySha256,
    checked_file,
    unreadable_file,
)
from sysnoise.pipelines.verification.single_file import Expected, byte_messages, other_file


@dataclass(frozen=True)
class ShardSamples:
    """What a table of samples says.

    Attributes:
        path: path of the table.
        sources: key, and sha256 of the source file, of every sample, rejects included.
        rejected: keys of the rejects.
        keys: keys of the samples that every variant's file holds, in order.
        members: names of the members that these samples have in a tar file, in order.
        digests: pixel digests of these samples, by slug of the variant.
    """

    path: str
    sources: Sequence[tuple[str, str]]
    rejected: Sequence[str]
    keys: Sequence[str]
    members: Sequence[str]
    digests: Mapping[str, pa.ChunkedArray]

    def expected(self, image_format: str, digests: Mapping[str, bytes] | None) -> Expected:
        """Return what a variant's file holds; without digests its images are not decoded."""
        return Expected(self.path, self.keys, self.members, image_format, digests)

    def digests_of(self, row: FileRow) -> dict[str, bytes]:
        """Return the pixel digests of the images of a variant's file, by key."""
        return dict(zip(self.keys, self.digests[_slug(row)].to_pylist(), strict=True))


def _slug(row: FileRow) -> str:
    return layout.variant_slug(str(row.variant))


def check_samples(
    root: Root,
    row: FileRow,
    rows: Sequence[FileRow],
    manifest: Manifest,
    files_by_sha256: FilesBySha256,
) -> tuple[ShardSamples | None, CheckedFile]:
    """Read a shard's table of samples and compare it with the files table.

    Args:
        root: the root of the set.
        row: the row of the table of samples in the files table.
        rows: the rows of all files of the shard.
        manifest: the manifest of the set.
        files_by_sha256: rows of the stored files of the set, by the sha256 of their bytes.

    Returns:
        The content of the table, None if it cannot be used; and the checked file, with the
        problems of the table and of the rows.
    """
    try:
        data = read_file(root, row.path)
    except OSError as error:
        return None, unreadable_file(row.path, error)
    sha256 = hashlib.sha256(data).hexdigest()
    if other := other_file(row, sha256, files_by_sha256):
        return None, checked_file(row.path, data, other)
    messages = byte_messages(row.bytes, row.sha256, len(data), sha256)
    try:
        samples = _parse_samples(row.path, data, manifest)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        return None, checked_file(row.path, data, [*messages, f"cannot be read: {error}"])
    others = [FileProblem(layout.FILES, text) for text in _row_messages(samples, rows)]
    return samples, checked_file(row.path, data, messages, others)


def _parse_samples(path: str, data: bytes, manifest: Manifest) -> ShardSamples:
    table = parse_parquet(data)
    image_format = manifest["image_format"]["name"]
    slugs = [variant["slug"] for variant in manifest["variants"]]
    accepted = table.filter(pc.equal(table["status"], SampleStatus.OK.value))
    rejected = table.filter(pc.not_equal(table["status"], SampleStatus.OK.value))
    keys = accepted["key"].to_pylist()
    has_label = "label" in table.column_names
    labels = accepted["label"].to_pylist() if has_label else [None] * len(keys)
    members = [
        f"{key}.{extension}"
        for key, label in zip(keys, labels, strict=True)
        for extension in ([] if label is None else ["cls"]) + ["json", image_format]
    ]
    return ShardSamples(
        path=path,
        sources=list(
            zip(table["key"].to_pylist(), table["source_sha256"].to_pylist(), strict=True)
        ),
        rejected=rejected["key"].to_pylist(),
        keys=keys,
        members=members,
        digests={slug: accepted[slug] for slug in slugs},
    )


def _row_messages(samples: ShardSamples, rows: Sequence[FileRow]) -> Iterator[str]:
    """Compare the rows of a shard's files with its samples."""
    variants = {row.path: row for row in rows}
    for row in rows:
        number = len(samples.sources) if row.variant is None else len(samples.keys)
        if row.samples != number:
            yield f"counts {row.samples} samples of {row.path!r}, {samples.path} has {number}"
        holder = variants.get(row.same_as or "")
        if holder and samples.digests.get(_slug(row)) != samples.digests.get(_slug(holder)):
            claim = f"says that {row.path!r} is the same as {row.same_as!r}"
            yield f"{claim}, but {samples.path} has other digests"


def check_receipt(
    root: Root,
    path: str,
    fingerprint: str,
    rows: Sequence[FileRow],
    samples: ShardSamples | None,
) -> CheckedFile:
    """Read a shard's receipt and compare it with the plan, the files table and the samples.

    Args:
        root: the root of the set.
        path: path of the receipt.
        fingerprint: fingerprint of the plan.
        rows: the shard's rows of the files table.
        samples: the shard's table of samples; None if it cannot be read.
    """
    try:
        data = read_file(root, path)
    except OSError as error:
        return unreadable_file(path, error)
    try:
        messages = _receipt_messages(read_receipt(data), fingerprint, rows, samples)
    except DocumentError as error:
        messages = [f"is not a receipt: {error}"]
    return checked_file(path, data, messages)


def _receipt_messages(
    receipt: Receipt,
    fingerprint: str,
    rows: Sequence[FileRow],
    samples: ShardSamples | None,
) -> list[str]:
    messages = []
    if receipt.fingerprint != fingerprint:
        messages.append(f"belongs to another plan: {receipt.fingerprint}, expected {fingerprint}")
    differing = sorted({row.path for row in {*receipt.files} ^ {*rows}})
    if differing:
        messages.append(f"differs from {layout.FILES} in {quoted(differing)}")
    if samples is not None:
        found = (receipt.samples, [each.key for each in receipt.rejects])
        expected = (len(samples.keys), list(samples.rejected))
        if found != expected:
            messages.append(f"has other samples or rejects than {samples.path}")
    return messages

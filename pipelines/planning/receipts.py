"""Receipts: the small files that commit finished shards."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec

from sysnoise.manifests.files import FileRow
from sysnoise.manifests.json_documents import DocumentError, JsonObject, json_bytes, read_document
from sysnoise.manifests.plan import Plan, Sha256
from sysnoise.transforms.difference import Difference


class RejectedSample(msgspec.Struct, frozen=True):
    """A sample that was left out of all variants: a row of the table of rejects.

    Attributes:
        shard: number of the sample's shard.
        key: the sample's key.
        source_name: what the source calls the image.
        reason: a value of :class:`sysnoise.manifests.tables.RejectReason`.
        message: what was expected and found.
        decoders: status by decoder; empty where none was tried.
    """

    shard: int
    key: str
    source_name: str
    reason: str
    message: str
    decoders: dict[str, str]


@dataclass(frozen=True)
class Receipt:
    """What a finished shard holds.

    Attributes:
        fingerprint: fingerprint of the plan.
        shard: number of the shard.
        samples: number of samples in every variant.
        rejects: the samples that were left out.
        differences: difference of each variant from the baseline, by position in the grid.
        shared: for each variant, how many of its images equal those of each earlier variant, by
            position.
        fallbacks: number of fallbacks by decoder.
        files: the shard's files, the table of samples last.
    """

    fingerprint: str
    shard: int
    samples: int
    rejects: tuple[RejectedSample, ...]
    differences: tuple[Difference, ...]
    shared: tuple[Mapping[int, int], ...]
    fallbacks: Mapping[str, int]
    files: tuple[FileRow, ...]

    @property
    def stored_bytes(self) -> int:
        """Length of the stored files."""
        return sum(file.bytes for file in self.files if file.same_as is None)

    def is_of(self, plan: Plan) -> bool:
        """Whether the receipt belongs to a plan."""
        return self.fingerprint == plan.fingerprint


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A number that tables of the set can hold."""


class _StoredFile(msgspec.Struct, frozen=True):
    """A file as a receipt stores it; the shard is the receipt's own."""

    path: str
    variant: str | None
    format: str
    samples: _Count
    bytes: _Count
    sha256: Sha256
    same_as: str | None


_Sums = tuple[_Count, _Count, _Count, _Count, _Count, _Count, _Count]
"""The attributes of a :class:`Difference`, in their order."""


class _StoredReceipt(msgspec.Struct, frozen=True):
    """A receipt as it is stored."""

    fingerprint: str
    shard: _Count
    samples: _Count
    rejects: tuple[RejectedSample, ...]
    differences: tuple[_Sums, ...]
    shared: tuple[dict[str, _Count], ...]
    fallbacks: dict[str, _Count]
    files: tuple[_StoredFile, ...]


def read_receipt(data: bytes) -> Receipt:
    """Read a receipt.

    Raises:
        DocumentError: the bytes are not a receipt.
    """
    stored = read_document(data, _StoredReceipt)
    try:
        shared = tuple(
            {int(earlier): count for earlier, count in counts.items()} for counts in stored.shared
        )
    except ValueError as error:
        raise DocumentError(f"expected positions of variants in 'shared': {error}") from error
    return Receipt(
        stored.fingerprint,
        stored.shard,
        stored.samples,
        stored.rejects,
        tuple(Difference(*sums) for sums in stored.differences),
        shared,
        stored.fallbacks,
        tuple(FileRow(shard=stored.shard, **msgspec.structs.asdict(each)) for each in stored.files),
    )


def read_receipt_if_whole(data: bytes) -> Receipt | None:
    """Read a receipt; return None where the bytes are not one, so that no run wrote them."""
    try:
        return read_receipt(data)
    except DocumentError:
        return None


def receipt_bytes(receipt: Receipt) -> bytes:
    """Return the content of a receipt's file."""
    document: JsonObject = {
        "fingerprint": receipt.fingerprint,
        "shard": receipt.shard,
        "samples": receipt.samples,
        "rejects": list(receipt.rejects),
        "differences": [dataclasses.astuple(each) for each in receipt.differences],
        "shared": [
            {str(earlier): count for earlier, count in sorted(counts.items())}
            for counts in receipt.shared
        ],
        "fallbacks": dict(sorted(receipt.fallbacks.items())),
        "files": [_stored_file(file) for file in receipt.files],
    }
    return json_bytes(document)


def _stored_file(file: FileRow) -> JsonObject:
    """Return a file as a receipt stores it."""
    document = dataclasses.asdict(file)
    del document["shard"]
    return document

"""Checking a shard's receipt: all of it follows from the plan, the files and the samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sysnoise.manifests import layout
from sysnoise.manifests.files import FileRow
from sysnoise.manifests.layout import shard_name
from sysnoise.manifests.tables import RejectReason
from sysnoise.pipelines.errors import quoted
from sysnoise.pipelines.planning.receipts import Receipt, receipt_bytes
from sysnoise.pipelines.verification.facts import SetFacts
from sysnoise.pipelines.verification.shard_samples import ShardSamples


def receipt_messages(
    receipt: Receipt,
    data: bytes,
    facts: SetFacts,
    shard: int,
    rows: Sequence[FileRow] | None,
    samples: ShardSamples | None,
) -> Iterator[str]:
    """Yield how a receipt contradicts the set.

    Args:
        receipt: the receipt.
        data: the content of its file.
        facts: what the set says of itself.
        shard: number of the shard.
        rows: the shard's rows of the files table; None if that cannot be used.
        samples: the shard's table of samples; None if that cannot be used.
    """
    if receipt.fingerprint != facts.fingerprint:
        expected = facts.fingerprint
        yield f"belongs to another plan: {receipt.fingerprint}, expected {expected}"
    if receipt.shard != shard:
        yield f"is that of shard {receipt.shard}, expected {shard}"
    if rows is not None:
        yield from _file_messages(receipt, facts, shard, rows)
    unknown = {each.reason for each in receipt.rejects} - {each.value for each in RejectReason}
    if unknown:
        yield f"gives other reasons of rejects than there are: {quoted(sorted(unknown))}"
    if samples is not None:
        yield from _sample_messages(receipt, facts, shard, samples)
    if receipt_bytes(receipt) != data:
        yield "has other fields, or another form, than 'sysnoise generate' writes"


def _file_messages(
    receipt: Receipt, facts: SetFacts, shard: int, rows: Sequence[FileRow]
) -> Iterator[str]:
    differing = sorted({row.path for row in {*receipt.files} ^ {*rows}})
    if differing:
        yield f"differs from {layout.FILES} in {quoted(differing)}"
    elif [row.path for row in receipt.files] != shard_paths(facts, shard):
        yield "names its files in another order, or more than once"


def shard_paths(facts: SetFacts, shard: int) -> list[str]:
    """Return the paths of a shard's files in the order of its receipt."""
    name = shard_name(shard, facts.shards)
    variants = [
        layout.variant_path(variant, facts.split, name, shard_format)
        for shard_format in facts.formats
        for variant in facts.variants
    ]
    return [*variants, layout.samples_path(name)]


def _sample_messages(
    receipt: Receipt, facts: SetFacts, shard: int, samples: ShardSamples
) -> Iterator[str]:
    sums = samples.sums
    rejects = [
        (each.shard, each.key, each.source_name, dict(each.decoders)) for each in receipt.rejects
    ]
    if (receipt.samples, rejects) != (sums.samples, list(_rejects(shard, samples))):
        yield f"has other samples or rejects than {samples.path}"
    if dict(receipt.fallbacks) != sums.fallbacks:
        yield f"counts the fallbacks {dict(receipt.fallbacks)}, {samples.path} has {sums.fallbacks}"
    for name, found, expected in (
        ("differences", receipt.differences, sums.differences),
        ("shared images", receipt.shared, sums.shared),
    ):
        if len(found) != len(expected):
            yield f"has {name} of {len(found)} variants, expected {len(expected)}"
            continue
        pairs = zip(facts.variants, found, expected, strict=True)
        changed = [variant for variant, one, other in pairs if one != other]
        if changed:
            yield f"has other {name} than {samples.path} gives, of {quoted(changed)}"


def _rejects(shard: int, samples: ShardSamples) -> Iterator[tuple[Any, ...]]:
    rows = samples.rejects.select(["key", "source_name", "decoders"]).to_pylist()
    for row in rows:
        decoders = {name: status for name, status in (row["decoders"] or {}).items() if status}
        yield shard, row["key"], row["source_name"], decoders

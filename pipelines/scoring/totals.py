"""What the tables of samples and rejects of a finished set add up to."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.manifests.tables import DecoderStatus


@dataclass(frozen=True)
class SetTotals:
    """What the tables of samples and rejects add up to.

    Attributes:
        groups: ids of variants that have the same pixels on every sample, of more than one; none
            where no sample was accepted.
        fallbacks: number of samples for which a decoder took the baseline's pixels, by decoder.
        rejects: number of samples that were left out, by reason.
    """

    groups: tuple[tuple[str, ...], ...]
    fallbacks: Mapping[str, int]
    rejects: Mapping[str, int]


def read_totals(tables: SampleTables) -> SetTotals:
    """Add up the tables of samples and the table of rejects.

    Raises:
        SetError: a table is missing or damaged.
    """
    fallbacks: Counter[str] = Counter()
    for shard in range(tables.found.shards):
        for row in tables.rows(shard, ["decoders"]):
            fallbacks.update(
                decoder
                for decoder, status in row["decoders"].items()
                if status == DecoderStatus.FALLBACK.value
            )
    rejects = Counter(row["reason"] for row in tables.found.rejects(["reason"]))
    return SetTotals(
        identical_variants(tables), dict(sorted(fallbacks.items())), dict(sorted(rejects.items()))
    )


def identical_variants(tables: SampleTables) -> tuple[tuple[str, ...], ...]:
    """Return the ids of variants that have the same pixels on every sample, in grid order.

    Returns:
        Groups of more than one variant; none where no sample was accepted.

    Raises:
        SetError: a table is missing or damaged.
    """
    slugs = {each["slug"]: variant_id for variant_id, each in tables.found.variants.items()}
    columns = {slug: hashlib.sha256() for slug in slugs}
    for shard in range(tables.found.shards):
        digests = tables.accepted(shard, list(slugs))
        for slug, column in columns.items():
            column.update(b"".join(digests[slug].to_pylist()))
    by_column: dict[bytes, list[str]] = {}
    for slug, column in columns.items():
        by_column.setdefault(column.digest(), []).append(slugs[slug])
    # Without any accepted sample, all columns are equally empty.
    by_column.pop(hashlib.sha256().digest(), None)
    return tuple(tuple(ids) for ids in by_column.values() if len(ids) > 1)

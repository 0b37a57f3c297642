"""What the tables of samples and rejects of a finished set add up to."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sysnoise.manifests.reading import FinishedSet
from sysnoise.manifests.tables import DecoderStatus, SampleStatus


@dataclass(frozen=True)
class Tables:
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


def read_tables(found: FinishedSet) -> Tables:
    """Read the tables of samples, one shard at a time, and the table of rejects.

    Raises:
        SetError: one is missing.
    """
    slugs = {each["slug"]: variant_id for variant_id, each in found.variants.items()}
    columns = {slug: hashlib.sha256() for slug in slugs}
    fallbacks: Counter[str] = Counter()
    for shard in range(found.shards):
        for row in found.samples(shard, ["status", "decoders", *slugs]):
            if row["status"] != SampleStatus.OK.value:
                continue
            for slug, column in columns.items():
                column.update(row[slug])
            fallbacks.update(
                decoder
                for decoder, status in row["decoders"].items()
                if status == DecoderStatus.FALLBACK.value
            )
    by_column: dict[bytes, list[str]] = {}
    for slug, column in columns.items():
        by_column.setdefault(column.digest(), []).append(slugs[slug])
    # Without any accepted sample, all columns are equally empty.
    by_column.pop(hashlib.sha256().digest(), None)
    groups = tuple(tuple(ids) for ids in by_column.values() if len(ids) > 1)
    rejects = Counter(row["reason"] for row in found.rejects(["reason"]))
    return Tables(groups, dict(sorted(fallbacks.items())), dict(sorted(rejects.items())))

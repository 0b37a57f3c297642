"""Receipts: the small files that commit finished shards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sysnoise.pipelines.planning.plan import Plan


def parse_receipt(data: bytes) -> dict[str, Any] | None:
    """Return a receipt; None where the bytes are none, which no run wrote."""
    try:
        receipt = dict(json.loads(data))
        names = ("fingerprint", "shard", "samples", "rejects", "fallbacks", "files")
        if not all(name in receipt for name in names):
            return None
        whole = all(
            {"path", "bytes", "sha256", "same_as"} <= row.keys() for row in receipt["files"]
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return receipt if whole else None


def vouches(receipt: Mapping[str, Any], plan: Plan, sizes: Mapping[str, int]) -> bool:
    """Whether a receipt is of this plan, and its files are there in their length.

    Args:
        receipt: the parsed receipt.
        plan: the plan.
        sizes: length in bytes of every file of the set, by path.
    """
    stored = (row for row in receipt["files"] if row["same_as"] is None)
    return receipt["fingerprint"] == plan.fingerprint and all(
        sizes.get(row["path"]) == row["bytes"] for row in stored
    )

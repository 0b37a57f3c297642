"""Receipts add up to what their samples would."""

from __future__ import annotations

import dataclasses
import random

import numpy as np

from sysnoise import load_grid
from sysnoise.pipelines.planning.receipts import Receipt
from sysnoise.pipelines.shards.tally import Tally, noise_by_variant
from sysnoise.transforms.difference import Difference

GRID = load_grid("imagenet-one-factor")
COUNT = len(GRID.variants)


def made_up(draw: random.Random) -> Receipt:
    """Return a receipt of 10 samples, some of them fallbacks of FFmpeg."""
    return Receipt(
        fingerprint="",
        shard=0,
        samples=10,
        rejects=(),
        differences=tuple(
            Difference(*(draw.randrange(200) for _ in range(7))) for _ in range(COUNT)
        ),
        shared=tuple(
            {earlier: draw.randrange(1, 8) for earlier in range(0, position, 3)}
            for position in range(COUNT)
        ),
        fallbacks={"ffmpeg": draw.randrange(1, 4)},
        files=(),
    )


def test_receipts_add_up_in_any_order() -> None:
    draw = random.Random(0)
    receipts = [made_up(draw) for _ in range(20)]
    total, turned = Tally(GRID), Tally(GRID)
    for receipt in receipts:
        total.add_receipt(receipt)
    for receipt in reversed(receipts):
        turned.add_receipt(receipt)
    assert turned.differences == total.differences
    assert turned.shared == total.shared
    assert turned.fallbacks == total.fallbacks

    sums = np.array([[dataclasses.astuple(d) for d in r.differences] for r in receipts])
    expected = np.concatenate([sums[..., :6].sum(axis=0), sums[..., 6:].max(axis=0)], axis=1)
    assert np.array_equal([dataclasses.astuple(each) for each in total.differences], expected)
    assert total.fallbacks == {"ffmpeg": sum(r.fallbacks["ffmpeg"] for r in receipts)}
    for position, variant in enumerate(GRID.variants):
        counts = {
            earlier: sum(receipt.shared[position][earlier] for receipt in receipts)
            for earlier in range(0, position, 3)
        }
        assert total.shared[position] == counts
        most_like = noise_by_variant(GRID, total)[variant.id]["most_like"]
        if not counts:
            assert most_like is None
            continue
        own = 200 - (total.fallbacks["ffmpeg"] if variant.decoder == "ffmpeg" else 0)
        best = max(counts.values())
        first = next(earlier for earlier, count in counts.items() if count == best)
        name = GRID.variants[first].id
        assert most_like == {"variant": name, "images": best, "share": best / own}

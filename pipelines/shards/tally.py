"""Counting how the images of variants differ, or are equal, over a shard or a set.

Everything is counted in integers, so that merging is exact in any order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sysnoise.manifests.files import FileRow
from sysnoise.manifests.manifest import AxisNoise
from sysnoise.manifests.plan import Plan
from sysnoise.pipelines.planning.receipts import Receipt, RejectedSample
from sysnoise.pipelines.shards.noise import VariantNoise, axis_noise, most_like, variant_noise
from sysnoise.pipelines.shards.sample import MadeSample
from sysnoise.transforms.difference import Difference
from sysnoise.transforms.grid import Grid


class Tally:
    """Adds up the samples of one shard, or the receipts of all shards.

    Attributes:
        samples: number of samples.
        differences: difference of each variant from the baseline; fallbacks are left out.
        shared: for each variant, how many of its images equal those of each earlier variant, by
            position; fallbacks are left out.
        fallbacks: number of fallbacks by decoder.
    """

    def __init__(self, grid: Grid) -> None:
        self.samples = 0
        self.differences = [Difference() for _ in grid.variants]
        self.shared: list[Counter[int]] = [Counter() for _ in grid.variants]
        self.fallbacks: Counter[str] = Counter()
        self._stored: list[list[bytes]] = [[] for _ in grid.variants]
        self._decoders = [variant.decoder for variant in grid.variants]
        self._geometries = [variant.geometry for variant in grid.variants]

    def add(self, made: MadeSample) -> None:
        """Count one sample."""
        self.samples += 1
        self.fallbacks.update(name for name, status in made.decoders.items() if not status.is_own)
        equal: dict[bytes, list[int]] = {}
        for position, variant in enumerate(made.variants):
            self._stored[position].append(variant.digest)
            if variant.difference is not None:
                self.differences[position] += variant.difference
            if made.decoders[self._decoders[position]].is_own:
                earlier = equal.setdefault(variant.digest, [])
                self.shared[position].update(earlier)
                earlier.append(position)

    def add_receipt(self, receipt: Receipt) -> None:
        """Count the samples of a shard, from its receipt."""
        self.samples += receipt.samples
        self.fallbacks.update(receipt.fallbacks)
        for position, sums in enumerate(receipt.differences):
            self.differences[position] += sums
        for position, counts in enumerate(receipt.shared):
            self.shared[position].update(counts)

    def first_equal(self) -> list[int]:
        """Return for each variant the first one of its geometry whose images are all the same."""
        first: dict[tuple[str, tuple[bytes, ...]], int] = {}
        return [
            first.setdefault((geometry, tuple(ids)), place)
            for place, (geometry, ids) in enumerate(
                zip(self._geometries, self._stored, strict=True)
            )
        ]

    def receipt(
        self, plan: Plan, shard: int, rejects: Sequence[RejectedSample], files: Sequence[FileRow]
    ) -> Receipt:
        """Return the receipt of a shard whose samples were counted.

        Args:
            plan: the plan of the run.
            shard: number of the shard.
            rejects: the samples that were left out.
            files: the shard's files.
        """
        return Receipt(
            plan.fingerprint,
            shard,
            self.samples,
            tuple(rejects),
            tuple(self.differences),
            tuple(self.shared),
            self.fallbacks,
            tuple(files),
        )


def noise_by_variant(grid: Grid, total: Tally) -> dict[str, VariantNoise]:
    """Return, by id, how each variant differs from the baseline, and which one it is most like.

    Args:
        grid: the grid of the run.
        total: the tally of all shards.

    Returns:
        ``difference``: sums and statistics. ``most_like``: the earlier variant in grid order that
        has the same pixels on most images, and the share of these among the images that are the
        variant's own; None where no image is shared.
    """
    ids = [variant.id for variant in grid.variants]
    likes = [
        most_like(ids, counts, total.samples - total.fallbacks[variant.decoder])
        for counts, variant in zip(total.shared, grid.variants, strict=True)
    ]
    return variant_noise(ids, total.differences, likes)


def noise_by_axis(grid: Grid, total: Tally) -> dict[str, AxisNoise]:
    """Return for each axis the pooled difference of the variants that differ in it alone."""
    ids = [variant.id for variant in grid.variants]
    return axis_noise(ids, grid.baseline.id, total.differences)

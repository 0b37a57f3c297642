"""Making shards in the process of a test, without a pipeline."""

from __future__ import annotations

from collections.abc import Iterable

from sysnoise.manifests.plan import Plan
from sysnoise.pipelines.readers.access import ReadSource
from sysnoise.pipelines.shards.shard import make_shard
from sysnoise.pipelines.storage.root import Root


def make_shards(plan: Plan, shards: Iterable[int], read: ReadSource, output: Root) -> None:
    """Make shards of sources that do not change meanwhile."""
    for shard in shards:
        make_shard(plan, shard, read, lambda shard, rows: None, output, lambda *sample: None)

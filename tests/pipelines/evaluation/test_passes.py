"""Which images go through which model."""

from __future__ import annotations

from sysnoise.pipelines.evaluation.passes import passes_together
from sysnoise.pipelines.evaluation.records import Pass


def test_no_more_variants_of_a_shard_are_made_at_once_than_memory_holds() -> None:
    passes = [
        Pass(shard, variant, ()) for shard, names in ((0, "abc"), (3, "ab")) for variant in names
    ]
    found = [[(each.shard, each.variant) for each in some] for some in passes_together(passes, 2)]
    assert found == [[(0, "a"), (0, "b")], [(0, "c")], [(3, "a"), (3, "b")]]
    assert [len(some) for some in passes_together(passes, 9)] == [3, 2]
    assert list(passes_together(passes, 1)) == [(each,) for each in passes]

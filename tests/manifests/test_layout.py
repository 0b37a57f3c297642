"""Names of files."""

from __future__ import annotations

import pytest

from sysnoise.manifests.layout import ShardFormat, shard_name, variant_path


@pytest.mark.parametrize(
    ("shard", "shards", "name"),
    [
        (3, 196, "00003-of-00196"),
        (0, 1, "00000-of-00001"),
        (7, 123456, "000007-of-123456"),
    ],
)
def test_shard_name(shard: int, shards: int, name: str) -> None:
    assert shard_name(shard, shards) == name


def test_variant_path() -> None:
    path = variant_path("opencv/none/rgb", "val", "00000-of-00001", ShardFormat.WEBDATASET)
    assert path == "variants/opencv/none/rgb/val-00000-of-00001.tar"

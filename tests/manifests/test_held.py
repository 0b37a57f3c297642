"""Where the images of a variant are, in small tables of files."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from sysnoise.manifests.files import FILES_SCHEMA
from sysnoise.manifests.held import HeldSet
from sysnoise.manifests.layout import ShardFormat

A, B, C = ("a/resize/rgb", "b/resize/rgb", "c/resize/rgb")


def path(variant_id: str, shard: int) -> str:
    return f"variants/{variant_id}/val-{shard:05d}-of-00002.tar"


def row(variant_id: str | None, shard: int | None, same_as: str | None = None) -> dict[str, object]:
    name = "plan.json" if variant_id is None or shard is None else path(variant_id, shard)
    known = {"path": name, "variant": variant_id, "shard": shard, "same_as": same_as}
    return {**known, "format": "webdataset", "samples": 5, "bytes": 1, "sha256": "0" * 64}


def held(*ids: str) -> HeldSet:
    """All of B is like A; of C the second shard is like B's, which is like A's."""
    rows = [
        row(None, None),
        row(A, 0),
        row(A, 1),
        row(B, 0, path(A, 0)),
        row(B, 1, path(A, 1)),
        row(C, 0),
        row(C, 1, path(A, 1)),
    ]
    nothing: Any = {}
    return HeldSet(nothing, nothing, pa.Table.from_pylist(rows, FILES_SCHEMA), ids)


@pytest.mark.parametrize(
    ("variant_id", "places"),
    [
        (A, [f"variants/{A}/*.tar"]),
        (B, [f"variants/{A}/*.tar"]),
        (C, [path(C, 0), path(A, 1)]),
    ],
)
def test_places(variant_id: str, places: list[str]) -> None:
    assert held().places(variant_id, ShardFormat.WEBDATASET) == places


@pytest.mark.parametrize(
    ("ids", "paths"),
    [
        ((), []),
        ((A,), [path(A, 0), path(A, 1)]),
        ((B,), [path(A, 0), path(A, 1)]),
        ((C,), [path(A, 1), path(C, 0)]),
        ((A, B, C), [path(A, 0), path(A, 1), path(C, 0)]),
    ],
)
def test_stored_files_are_those_that_have_the_bytes(ids: tuple[str, ...], paths: list[str]) -> None:
    assert held(*ids).stored_files()["path"].to_pylist() == ["plan.json", *paths]

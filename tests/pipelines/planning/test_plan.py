"""The plan: its shards, its fingerprint and its way through a file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sysnoise import load_grid
from sysnoise.manifests.layout import ShardFormat
from sysnoise.manifests.tables import DatasetKind, Duplicates, UnsupportedKinds
from sysnoise.pipelines.planning.plan import (
    Plan,
    PlanOptions,
    load_plan,
    make_plan,
    read_sources,
    write_plan,
)
from sysnoise.pipelines.readers.sources import SourceSet, source_table
from sysnoise.pipelines.storage.root import open_output

TABLE = source_table([f"{number:02d}.JPEG" for number in range(10)], label=range(10))
SOURCE = SourceSet(DatasetKind.IMAGENET, "val", "nowhere", TABLE)


@pytest.fixture
def plan() -> Plan:
    grid = load_grid("imagenet-one-factor")
    return make_plan(SOURCE, grid, PlanOptions(samples_per_shard=4))


def test_shards_are_contiguous_ranges_in_key_order(plan: Plan, tmp_path: Path) -> None:
    output = open_output(str(tmp_path))
    write_plan(plan, TABLE, output)
    shards = [[row["key"] for row in read_sources(output, shard)] for shard in range(plan.shards)]
    assert shards == [["00", "01", "02", "03"], ["04", "05", "06", "07"], ["08", "09"]]
    assert [plan.shard_size(shard) for shard in range(3)] == [4, 4, 2]
    assert plan.shard_name(2) == "00002-of-00003"


def test_plan_survives_its_file(plan: Plan, tmp_path: Path) -> None:
    output = open_output(str(tmp_path))
    write_plan(plan, TABLE, output)
    loaded = load_plan(output)
    assert loaded.fingerprint == plan.fingerprint
    assert loaded.document() == plan.document()


def test_fingerprint_leaves_out_only_the_grids_name(plan: Plan) -> None:
    renamed = dataclasses.replace(plan.grid, name="other")
    assert dataclasses.replace(plan, grid=renamed).fingerprint == plan.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"split": "train"},
        {"samples_per_shard": 5},
        {"image_format": "webp"},
        {"formats": (ShardFormat.PARQUET,)},
        {"row_group_rows": 1},
        {"source_sha256": "0" * 64},
        {"grid": load_grid("imagenet-train")},
        {"identities": {}},
        {"unsupported": UnsupportedKinds.REJECT},
        {"duplicates": Duplicates.SKIP},
        {"max_pixels": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_fingerprint_holds_everything_else(plan: Plan, change: dict[str, object]) -> None:
    changed = dataclasses.replace(plan, **change)  # type: ignore[arg-type]
    assert changed.fingerprint != plan.fingerprint


def test_source_fingerprint_holds_labels(plan: Plan) -> None:
    table = source_table([f"{number:02d}.JPEG" for number in range(10)], label=[0] * 10)
    source = dataclasses.replace(SOURCE, table=table)
    other = make_plan(source, plan.grid, PlanOptions(samples_per_shard=4))
    assert other.source_sha256 != plan.source_sha256

"""The plan: its shards, its fingerprint and its way through a file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sysnoise import load_grid
from sysnoise.manifests.json_documents import DocumentError
from sysnoise.manifests.layout import SOURCES
from sysnoise.manifests.plan import Plan, plan_fingerprint, read_plan
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.planning.plan import (
    PlanOptions,
    load_plan,
    make_plan,
    read_sources,
    write_plan,
)
from sysnoise.pipelines.readers.sources import SourceSet, source_table
from sysnoise.pipelines.readers.text_column import TextColumn
from sysnoise.pipelines.storage.root import open_output

TABLE = source_table([f"{number:02d}.JPEG" for number in range(10)], label=range(10))
SOURCE = SourceSet(DatasetKind.IMAGENET, "val", "nowhere", TABLE)


@pytest.fixture
def plan() -> Plan:
    grid = load_grid("imagenet-one-factor")
    return make_plan(SOURCE, grid, PlanOptions(samples_per_shard=4))


def test_shards_are_contiguous_ranges_in_key_order(plan: Plan, tmp_path: Path) -> None:
    output = open_output(str(tmp_path))
    write_plan(plan, SOURCE, output)
    shards = [
        [source.key for source in read_sources(output, shard)] for shard in range(plan.shards)
    ]
    assert shards == [["00", "01", "02", "03"], ["04", "05", "06", "07"], ["08", "09"]]
    assert [plan.shard_size(shard) for shard in range(3)] == [4, 4, 2]
    assert plan.shard_name(2) == "00002-of-00003"


@pytest.mark.parametrize("per_shard", [7, 2048])
def test_long_texts_change_nothing_of_the_table(per_shard: int, tmp_path: Path) -> None:
    """The table is written in parts, and is the one that PyArrow writes as a whole."""
    texts = [json.dumps([row] * (row % 7)) for row in range(2100)]
    names = [f"{row:012d}.jpg" for row in range(2100)]
    table = source_table(names, image=texts, annotations=texts)
    columns = {name: TextColumn(map(str.encode, texts)) for name in ("image", "annotations")}
    source = SourceSet(
        *(DatasetKind.COCO, "val", "nowhere", table.drop_columns(list(columns))),
        coco={"categories": []},
        texts=columns,
    )
    plan = make_plan(source, load_grid("coco-published"), PlanOptions(samples_per_shard=per_shard))
    output = open_output(str(tmp_path / "set"))
    write_plan(plan, source, output)
    expected = tmp_path / "expected.parquet"
    options = {"compression": "zstd", "write_statistics": ["key"]}
    pq.write_table(table, expected, row_group_size=per_shard, **options)
    assert (tmp_path / "set" / SOURCES).read_bytes() == expected.read_bytes()


def test_plan_survives_its_file(plan: Plan, tmp_path: Path) -> None:
    output = open_output(str(tmp_path))
    write_plan(plan, SOURCE, output)
    loaded = load_plan(output)
    assert loaded.fingerprint == plan.fingerprint
    assert loaded.document() == plan.document()


def test_fingerprint_leaves_out_only_the_grids_name(plan: Plan) -> None:
    document = plan.document()
    document["grid"]["name"] = "other"
    assert plan_fingerprint(document) == plan.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "coco"},
        {"split": "train"},
        {"samples": 9},
        {"samples_per_shard": 5},
        {"shards": 4},
        {"image_format": "webp"},
        {"formats": ["parquet"]},
        {"row_group_rows": 1},
        {"source_sha256": "0" * 64},
        {"grid": load_grid("imagenet-train").document()},
        {"classes": [{"wnid": None, "name": "tench"}]},
        {"coco": {"info": {}}},
        {"identities": {}},
        {"unsupported": "reject"},
        {"duplicates": "skip"},
        {"max_pixels": 1},
        {"max_bytes": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_fingerprint_holds_everything_else(plan: Plan, change: dict[str, object]) -> None:
    assert plan_fingerprint({**plan.document(), **change}) != plan.fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "expected a plan of version 1, found 2"),
        ({"split": "train"}, "was edited: its fingerprint is "),
        ({"samples": "10"}, r"Expected `int`, got `str` - at `\$.samples`"),
        ({"shards": 0}, r">= 1 - at `\$.shards`"),
        ({"more": 1}, "unknown field `more`"),
    ],
)
def test_another_plan_is_refused(plan: Plan, change: dict[str, object], message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        read_plan(json.dumps({**plan.document(), **change}).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"[" * 100_000, b"\xff", b"null"])
def test_what_is_not_a_plan_is_refused(data: bytes) -> None:
    with pytest.raises(DocumentError):
        read_plan(data)


def test_source_fingerprint_holds_labels(plan: Plan) -> None:
    table = source_table([f"{number:02d}.JPEG" for number in range(10)], label=[0] * 10)
    source = dataclasses.replace(SOURCE, table=table)
    other = make_plan(source, plan.grid, PlanOptions(samples_per_shard=4))
    assert other.source_sha256 != plan.source_sha256

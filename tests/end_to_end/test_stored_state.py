"""What a run finds in its output may have been changed: it is made again, or refused by name."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.end_to_end.commands import Options, command, generate
from tests.end_to_end.disturbed import generating, receipts, small_run, wait_for
from tests.end_to_end.reading import tree

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def options(imagenet_source: Path, tmp_path: Path) -> Options:
    return small_run(imagenet_source, tmp_path / "out") | {"workers": "1"}


@pytest.fixture
def output(small_set: Path, tmp_path: Path) -> Path:
    """All shards of the set; nothing is finished."""
    output = shutil.copytree(small_set, tmp_path / "out")
    (output / "manifest.json").unlink()
    return output


def edit(path: Path, change: Change) -> None:
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document), "utf-8")


def test_changed_receipts_are_refused_and_their_shards_made_again(
    options: Options, output: Path, small_set: Path
) -> None:
    paths = receipts(output)
    edit(paths[0], lambda receipt: receipt["differences"].pop())
    edit(paths[1], lambda receipt: receipt.update(samples=2))
    shutil.copy(paths[3], paths[2])
    paths[4].write_bytes(b"[" * 100_000)
    edit(paths[5], lambda receipt: receipt["files"][0].update(path="../../somewhere"))
    refused = command("finish", str(output))
    named = [f"  {shard}:{shard + 1}\n" for shard in (0, 1, 2, 4, 5)]
    assert (refused.code, refused.lacks("5 of 6 shards", *named)) == (1, [])
    assert generate("imagenet", options).code == 0
    assert tree(output) == tree(small_set)


def rewritten(path: Path, change: Callable[[pa.Table], pa.Table]) -> bytes:
    """Change a table in its file; return its new bytes."""
    pq.write_table(change(pq.read_table(path)), path, compression="zstd")
    return path.read_bytes()


def with_column(table: pa.Table, name: str, values: list[object]) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, name, pa.array(values, table.schema.field(name).type))


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table[:2],
        lambda table: table.take([1, 0, 2]),
        lambda table: table.drop_columns(["key"]),
        lambda table: with_column(table, "status", ["ok", "rejected", "ok"]),
        lambda table: with_column(table, "status", ["ok", None, "ok"]),
        lambda table: with_column(table, "source_sha256", ["a" * 64, None, "b" * 64]),
        lambda table: with_column(table, "key", [None] * 3),
    ],
)
def test_a_table_of_samples_that_does_not_fit_is_refused_by_name(
    change: Callable[[pa.Table], pa.Table], output: Path
) -> None:
    """Also where its receipt has been given the new sum and length."""
    path = sorted((output / "samples").iterdir())[2]
    data = rewritten(path, change)

    def sign(receipt: dict[str, Any]) -> None:
        receipt["files"][-1] |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}

    edit(receipts(output)[2], sign)
    refused = command("finish", str(output))
    assert (refused.code, refused.lacks("samples/00002-of-00006.parquet")) == (1, [])
    assert not (output / "manifest.json").exists()


def test_a_flipped_table_of_samples_is_refused_by_name(output: Path) -> None:
    path = sorted((output / "samples").iterdir())[2]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    refused = command("finish", str(output))
    assert (refused.code, refused.lacks("samples/00002-of-00006.parquet")) == (1, [])


def test_edited_boxes_reach_no_ground_truth(
    coco_source: Path, coco_set: Path, tmp_path: Path
) -> None:
    output = shutil.copytree(coco_set, tmp_path / "out")
    (output / "manifest.json").unlink()
    rewritten(
        output / "sources.parquet",
        lambda table: with_column(
            table,
            "annotations",
            [each.replace('"bbox":[', '"bbox":[1') for each in table["annotations"].to_pylist()],
        ),
    )
    refused = command("finish", str(output))
    assert (refused.code, refused.lacks("sources.parquet", "was changed")) == (1, [])
    options: Options = {
        "images": coco_source / "images",
        "annotations": coco_source / "instances_demo.json",
        "grid": "coco-published",
        "format": "both",
        "samples-per-shard": "7",
        "output": output,
    }
    done = generate("coco", options)
    assert done.code == 0, done.error
    assert tree(output) == tree(coco_set)


def test_a_finished_file_that_is_deleted_meanwhile_is_missed(
    options: Options, small_set: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    started = generating(options)
    wait_for(lambda: len(receipts(output)) >= 1)
    started.kill_all(signal.SIGSTOP)
    gone = json.loads(receipts(output)[0].read_text("utf-8"))["files"][0]["path"]
    (output / gone).unlink()
    started.kill_all(signal.SIGCONT)
    ended = started.end()
    assert ended.code == 1
    assert gone in ended.message
    assert not (output / "manifest.json").exists()
    assert generate("imagenet", options).code == 0
    assert tree(output) == tree(small_set)


@pytest.mark.parametrize("data", [b"", b'{"x": "1"}', b"[" * 100_000])
def test_damaged_state_of_runs_does_not_hinder_one(
    data: bytes, options: Options, output: Path, small_set: Path
) -> None:
    receipts(output)[2].unlink()
    for folder, name in (("strikes", "00002"), ("failures", "00002")):
        (output / folder).mkdir()
        (output / folder / f"{name}.json").write_bytes(data)
    (output / "stamps").mkdir()
    (output / "stamps" / f"{'0' * 64}.parquet").write_bytes(data)
    done = generate("imagenet", options)
    assert done.code == 0, done.error
    assert tree(output) == tree(small_set)


def test_a_manifest_of_another_plan_is_written_again(
    options: Options, small_set: Path, full_set: Path, tmp_path: Path
) -> None:
    output = shutil.copytree(small_set, tmp_path / "out")
    shutil.copy(full_set / "manifest.json", output / "manifest.json")
    assert generate("imagenet", options).code == 0
    assert tree(output) == tree(small_set)

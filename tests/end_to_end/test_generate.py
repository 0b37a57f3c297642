"""Whole runs through the command: sizes, pairing, sums and reproducibility."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sysnoise import load_grid
from sysnoise.manifests.manifest import validate_manifest
from sysnoise.pipelines.cli.photographs import write_coco
from sysnoise.pipelines.generation.finish import finish
from sysnoise.pipelines.planning.plan import load_plan
from sysnoise.pipelines.readers.access import source_reader
from sysnoise.pipelines.storage.root import open_output
from tests.end_to_end.commands import command
from tests.end_to_end.reading import (
    assert_paired_and_digested,
    assert_sums_hold,
    manifest,
    tree,
)
from tests.making import make_shards


def test_any_number_of_workers_makes_the_same_bytes(
    imagenet_set: Path, imagenet_source: Path, tmp_path: Path
) -> None:
    """One worker, and three; the set was made by one for each core."""
    image_format = imagenet_set.name.split("-")[1]
    workers = {"png": 1, "webp": 3}[image_format]
    done = command(
        "generate",
        "imagenet",
        f"--images={imagenet_source / 'images'}",
        f"--label-file={imagenet_source / 'val.txt'}",
        f"--output={tmp_path / 'again'}",
        "--grid=imagenet-one-factor",
        "--format=both",
        f"--image-format={image_format}",
        "--samples-per-shard=5",
        f"--workers={workers}",
    )
    assert done.code == 0, done.error
    assert tree(tmp_path / "again") == tree(imagenet_set)


def test_any_order_of_shards_and_place_of_sources_makes_the_same_bytes(
    coco_set: Path, coco_source: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(coco_source / "images", tmp_path / "elsewhere")
    for name in ("plan.json", "sources.parquet"):
        (tmp_path / "again").mkdir(exist_ok=True)
        shutil.copy(coco_set / name, tmp_path / "again" / name)
    output = open_output(str(tmp_path / "again"))
    plan = load_plan(output)
    make_shards(plan, reversed(range(plan.shards)), source_reader(str(moved)), output)
    finish(plan, output)
    assert tree(tmp_path / "again") == tree(coco_set)


def test_imagenet_full_is_complete_and_paired(full_set: Path) -> None:
    said = (full_set.parent / "said.txt").read_text("utf-8")
    assert "12 samples x 132 variants in 6 shards, 0 rejected" in said
    counts = manifest(full_set)["counts"]
    assert (counts["samples"], counts["variants"], counts["images"]) == (12, 132, 132 * 12)
    validate_manifest(manifest(full_set))
    assert_sums_hold(full_set)
    assert_paired_and_digested(full_set, load_grid("imagenet-full"))


@pytest.mark.slow
def test_coco_full_is_complete_and_paired(tmp_path: Path) -> None:
    write_coco(tmp_path / "source", crops=2, seed=1)
    output = tmp_path / "set"
    done = command(
        "generate",
        "coco",
        f"--images={tmp_path / 'source' / 'images'}",
        f"--annotations={tmp_path / 'source' / 'instances_demo.json'}",
        f"--output={output}",
        "--grid=coco-full",
        "--samples-per-shard=1",
    )
    assert done.code == 0, done.error
    counts = manifest(output)["counts"]
    assert (counts["samples"], counts["variants"], counts["images"]) == (2, 132, 132 * 2)
    validate_manifest(manifest(output))
    assert_sums_hold(output)
    assert_paired_and_digested(output, load_grid("coco-full"))

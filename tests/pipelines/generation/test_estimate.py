"""The estimate of a dry run, against runs of the command over the same photographs."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sysnoise import load_grid
from sysnoise.manifests.layout import ShardFormat
from sysnoise.manifests.tables import DatasetKind, Duplicates
from sysnoise.pipelines.beam.options import beam_engine
from sysnoise.pipelines.cli.main import main
from sysnoise.pipelines.cli.photographs import write_imagenet
from sysnoise.pipelines.generation import estimate as module
from sysnoise.pipelines.generation.estimate import (
    TRIAL_SAMPLES,
    Estimate,
    estimate,
    extrapolated,
    format_estimate,
    spread_rows,
)
from sysnoise.pipelines.planning.plan import PlanOptions, make_plan
from sysnoise.pipelines.planning.receipts import Receipt
from sysnoise.pipelines.readers.coco import read_coco
from sysnoise.pipelines.readers.imagenet import read_imagenet
from sysnoise.pipelines.readers.sources import SourceSet, source_table
from sysnoise.pipelines.shards.shard import write_shard
from sysnoise.pipelines.workers.cores import available_cores
from sysnoise.transforms.quantities import size_text
from tests.end_to_end.commands import command

BOTH = (ShardFormat.WEBDATASET, ShardFormat.PARQUET)


def estimated(
    source: SourceSet, grid: str, settings: PlanOptions, beam_arguments: Sequence[str] = ()
) -> Estimate:
    engine = beam_engine(beam_arguments, None)
    return estimate(source, load_grid(grid), "/nowhere/set", settings, engine)


def imagenet(folder: Path) -> SourceSet:
    return read_imagenet(str(folder / "images"), str(folder / "val.txt"), None, "val")


def assert_is_like(found: Estimate, output: Path) -> None:
    """Check number and size of the files of a real run."""
    sizes = [path.stat().st_size for path in output.rglob("*") if path.is_file()]
    assert found.files == len(sizes)
    assert found.total_bytes == pytest.approx(sum(sizes), rel=0.1)


def test_size_of_an_imagenet_run(imagenet_set: Path, imagenet_source: Path) -> None:
    settings = PlanOptions(BOTH, imagenet_set.name.split("-")[1], samples_per_shard=5)
    found = estimated(imagenet(imagenet_source), "imagenet-one-factor", settings)
    assert_is_like(found, imagenet_set)
    assert found.trial.samples == 18
    for kind, folder, pattern in (
        ("webdataset", "variants", "*.tar"),
        ("parquet", "variants", "*.parquet"),
        ("receipts", "receipts", "*.json"),
    ):
        real = sum(path.stat().st_size for path in (imagenet_set / folder).rglob(pattern))
        assert found.bytes[kind] == pytest.approx(real, rel=0.1), kind


def test_size_of_a_coco_run(coco_set: Path, coco_source: Path) -> None:
    annotations = str(coco_source / "instances_demo.json")
    source = read_coco(str(coco_source / "images"), annotations, None)
    found = estimated(source, "coco-published", PlanOptions(BOTH, samples_per_shard=7))
    assert_is_like(found, coco_set)


@pytest.mark.slow
def test_size_from_a_part_of_the_samples(tmp_path: Path) -> None:
    write_imagenet(tmp_path / "source", crops=3 * TRIAL_SAMPLES, seed=5)
    output = tmp_path / "set"
    arguments = [
        *("generate", "imagenet", f"--images={tmp_path / 'source' / 'images'}"),
        *(f"--label-file={tmp_path / 'source' / 'val.txt'}", f"--output={output}"),
        *("--grid=imagenet-one-factor", "--samples-per-shard=40"),
    ]
    dry = command(*arguments, "--dry-run")
    assert dry.code == 0, dry.error
    assert not output.exists()
    done = command(*arguments)
    assert done.code == 0, done.error
    lines = dict(line.split(maxsplit=1) for line in dry.out.splitlines()[1:])
    assert lines["samples"] == "96 in 3 shards"
    assert lines["variants"].startswith("17 of imagenet-one-factor; on 32 samples, ")
    assert lines["images"] == "1,632 png in webdataset"
    assert lines["tried"].startswith("32 samples in ")
    source = imagenet(tmp_path / "source")
    found = estimated(source, "imagenet-one-factor", PlanOptions(samples_per_shard=40))
    assert_is_like(found, output)
    assert lines["files"] == f"{found.files}"
    assert lines["size"] == format_estimate(found).split("size       ")[1].split("\n")[0]


@pytest.mark.parametrize("samples", [1, 5, 32, 33, 1000])
def test_rows_are_evenly_spaced(samples: int) -> None:
    table = source_table([f"{number:04d}.JPEG" for number in range(samples)])
    rows = spread_rows(SourceSet(DatasetKind.IMAGENET, "val", "", table))
    positions = sorted(int(row.key) for row in rows)
    assert len(positions) == min(samples, 32)
    edges = [index * samples / len(positions) for index in range(len(positions) + 1)]
    bounds = zip(edges, positions, edges[1:], strict=False)
    assert all(int(lower) <= position < upper for lower, position, upper in bounds)


def test_first_rows_are_spread_too() -> None:
    table = source_table([f"{number:04d}.JPEG" for number in range(1000)])
    rows = spread_rows(SourceSet(DatasetKind.IMAGENET, "val", "", table))
    first = [int(row.key) for row in rows[:8]]
    assert {position // 250 for position in first} == {0, 1, 2, 3}


@pytest.mark.parametrize(("name", "limit"), [("TRIAL_SECONDS", 1e-3), ("TRIAL_BYTES", 1)])
def test_trial_ends_when_its_time_or_space_is_used_up(
    name: str, limit: float, imagenet_source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, limit)
    found = estimated(imagenet(imagenet_source), "coco-published", PlanOptions())
    assert 0 < found.trial.samples < 18
    assert found.total_bytes > 0


def test_a_thousand_samples_cost_as_much_whatever_is_there(imagenet_source: Path) -> None:
    source, settings = imagenet(imagenet_source), PlanOptions(samples_per_shard=9)
    found = estimated(source, "coco-published", settings)
    assert found.thousand_bytes == pytest.approx(found.total_bytes / 18 * 1000)
    one = estimated(source, "coco-published", PlanOptions(samples_per_shard=1000))
    assert one.thousand_bytes < found.thousand_bytes
    shown = f"per 1,000  {size_text(found.thousand_bytes)}, "
    assert shown in format_estimate(found)


def test_libraries_have_started_up_when_the_trial_begins(
    imagenet_source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first shard of all is not counted: it is of one sample, and the trial of all of them."""
    made: list[int] = []

    def noting(*arguments: Any) -> Receipt:
        receipt = write_shard(*arguments)
        made.append(receipt.samples)
        return receipt

    monkeypatch.setattr(module, "write_shard", noting)
    found = estimated(imagenet(imagenet_source), "coco-published", PlanOptions())
    assert (made, found.trial.samples) == ([1, 18, 0], 18)


def test_rejects_of_the_trial_are_told(imagenet_source: Path, tmp_path: Path) -> None:
    shutil.copytree(imagenet_source, tmp_path / "source")
    (tmp_path / "source" / "images" / "broken.JPEG").write_bytes(b"not an image")
    with (tmp_path / "source" / "val.txt").open("a", encoding="utf-8") as labels:
        labels.write("broken.JPEG 0\n")
    found = estimated(imagenet(tmp_path / "source"), "coco-published", PlanOptions())
    text = format_estimate(found)
    assert "19 samples in " in text
    assert ", 1 rejected (decode-failed 1)\n" in text
    assert "rejected in the trial:\n  broken: decode-failed: " in text


@pytest.mark.parametrize(
    ("processes", "cost"),
    [
        (1, 4 * 10 + 18 * 3),
        (2, 2 * 10 + 10 * 3),
        (3, 2 * 10 + 10 * 3),  # Four shards: one process makes two of them all the same.
        (4, 1 * 10 + 5 * 3),
    ],
)
def test_cost_is_that_of_the_busiest_process(processes: int, cost: float) -> None:
    table = source_table([f"{number:02d}.JPEG" for number in range(18)], label=[0] * 18)
    source = SourceSet(DatasetKind.IMAGENET, "val", "", table)
    plan = make_plan(source, load_grid("coco-published"), PlanOptions(samples_per_shard=5))
    assert extrapolated(plan, 10 + 7 * 3, 10, 7, processes) == pytest.approx(cost)


def test_processes_are_those_that_have_a_core_and_a_shard(imagenet_source: Path) -> None:
    source, settings = imagenet(imagenet_source), PlanOptions(samples_per_shard=9)
    one = estimated(source, "coco-published", settings, ["--direct_num_workers=1"])
    many = estimated(source, "coco-published", settings, ["--direct_num_workers=64"])
    assert one.processes == 1
    assert many.processes == min(2, available_cores())
    other = estimated(source, "coco-published", settings, ["--runner=FnApiRunner"])
    assert (other.processes, other.seconds) == (None, None)
    assert "time       unknown: depends on the workers of --runner\n" in format_estimate(other)


def test_duplicates_are_not_taken_off(imagenet_source: Path) -> None:
    source = imagenet(imagenet_source)
    stored = estimated(source, "imagenet-one-factor", PlanOptions())
    skipped = estimated(source, "imagenet-one-factor", PlanOptions(duplicates=Duplicates.SKIP))
    assert skipped.bytes["webdataset"] == stored.bytes["webdataset"]
    assert "; --skip-duplicates will save some of it\n" in format_estimate(skipped)


def test_what_a_run_refuses_is_refused(
    coco_source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        *("generate", "coco", f"--images={coco_source / 'images'}"),
        *(f"--annotations={coco_source / 'instances_demo.json'}", f"--output={tmp_path / 'set'}"),
        "--grid=imagenet-one-factor",
    ]
    assert main(arguments) == 1
    refusal = capsys.readouterr().err
    assert "does not go with COCO" in refusal
    assert main([*arguments, "--dry-run"]) == 1
    assert capsys.readouterr().err == refusal


def test_full_disk_is_foretold_and_a_used_output_left_alone(
    coco_source: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    (tmp_path / "used").write_bytes(b"")
    arguments = [
        *("generate", "coco", f"--images={coco_source / 'images'}", f"--output={tmp_path}"),
        f"--annotations={coco_source / 'instances_demo.json'}",
        *("--grid=coco-published", "--limit=1", "--dry-run"),
    ]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert "free       1.0 kB" in captured.out
    assert (
        " MB do not fit into the 1.0 kB that are free in the output's file system\n" in captured.err
    )
    assert [path.name for path in tmp_path.iterdir()] == ["used"]


def test_only_a_known_lack_of_space_is_one(coco_source: Path) -> None:
    annotations = str(coco_source / "instances_demo.json")
    source = read_coco(str(coco_source / "images"), annotations, None).limited(1)
    found = estimated(source, "coco-published", PlanOptions())
    assert found.fits
    assert dataclasses.replace(found, free_bytes=None).fits
    assert not dataclasses.replace(found, free_bytes=1).fits

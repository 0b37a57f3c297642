"""The benchmark runs on a few images and reports all that it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.report import format_tables
from benchmarks.scale_page import format_page
from benchmarks.throughput import format_run

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_smoke_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--sizes", "smoke", "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bench.json",
        "bench.md",
        "bench.png",
    ]
    results = json.loads((tmp_path / "bench.json").read_text("utf-8"))
    one, two = results["floor"]
    assert (one["workers"], two["workers"]) == (1, 2)
    for row in (one, two):
        assert row["ratio"] == pytest.approx(row["seconds"] / row["floor_seconds"])
    steps = one["floor_steps"]
    assert set(steps) == {"decode", "color", "resize", "png", "opencv-png"}
    assert one["floor_seconds"] == pytest.approx(sum(steps.values()) - steps["opencv-png"])
    for row in [*results["growth"], *results["memory"]]:
        assert row["driver_mib"] > 50
        assert row["worker_mib"] > 50
    assert {row["decoder"] for row in results["decoders"]} == {"stb", "zune", "jpegli"}
    assert {row["resize"] for row in results["resizes"]} >= {"ort-linear", "skimage-gaussian"}
    assert len({(row["decoder"], row["resize"], *row["size"]) for row in results["apply"]}) == 18
    for row in [*results["resizes"], *results["apply"]]:
        assert row["ratio"] == pytest.approx(row["milliseconds"] / row["own_milliseconds"])
    assert (tmp_path / "bench.md").read_text("utf-8") == format_tables(results)
    with Image.open(tmp_path / "bench.png") as image:
        assert image.size[0] > 500


@pytest.mark.slow
def test_smoke_run_of_the_scale_benchmark(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.scale", "--sizes", "smoke"]
    command += ["--output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scale.json", "scale.md"]
    results = json.loads((tmp_path / "scale.json").read_text("utf-8"))
    planned = {(row["grid"], row["images"]): row["shards"] for row in results["planned"]}
    assert planned == {
        ("imagenet-train", 1067): 5,
        ("imagenet-full", 1067): 5,
        ("imagenet-train", 2135): 9,
        ("imagenet-full", 2135): 9,
        ("coco-one-factor", 98): 7,
        ("coco-one-factor", 197): 13,
    }
    for row in results["planned"]:
        for stage in ("plan", "finish"):
            assert row[stage]["seconds"] > 0
            assert row[stage]["peak_mib"] > 50
    for row in results["generated"]:
        assert row["cpu_seconds"] > results["start_up"]["cpu_seconds"] / 2
        assert row["shard_bytes"] > row["images"] * 1000
    page = (tmp_path / "scale.md").read_text("utf-8")
    assert page == format_page(results)
    assert "| ImageNet train, 1,281,167 images | `imagenet-train` | 5,005 | 95,104 |" in page


@pytest.mark.slow
def test_a_killed_run_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.throughput", "coco", "40", "--workers=1"]
    command += ["--grid=coco-published", "--kill=0.3", "--every=0.2", f"--output={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "throughput-coco-40.json").read_text("utf-8"))
    killed, finished = result["attempts"]
    assert killed["was_killed"]
    assert 16 <= killed["images"] < 40
    assert (finished["images"], finished["was_killed"]) == (40, False)
    assert [part["images"] for part in result["parts"]] == list(range(4, 41, 4))
    whole = sum(part["seconds"] for part in result["parts"])
    assert whole == pytest.approx(result["last_shard_seconds"])
    assert min(part["driver_mib"] for part in result["parts"]) > 50
    assert 0 <= result["set_cached_mib"] <= result["set_cached_mib_after_verify"]
    assert done.stdout.rstrip("\n") == format_run(result).rstrip("\n")
    assert not list(tmp_path.glob("set-*/"))


def test_scale_page_is_of_its_measurements() -> None:
    results = json.loads((ROOT / "docs" / "bench" / "scale.json").read_text("utf-8"))
    assert (ROOT / "docs" / "scale.md").read_text("utf-8") == format_page(results)

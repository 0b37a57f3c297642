"""The benchmark runs on a few images and reports all that it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.report import format_tables

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
    assert (tmp_path / "bench.md").read_text("utf-8") == format_tables(results)
    with Image.open(tmp_path / "bench.png") as image:
        assert image.size[0] > 500

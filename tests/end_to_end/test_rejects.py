"""Rejects through the command: a set that is mostly rejects fails, and goes on when allowed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sysnoise.pipelines.cli.photographs import jpeg_bytes
from tests.end_to_end.commands import Options, command, generate
from tests.end_to_end.reading import manifest, tree

GRID = """
decoders: [pillow, opencv]
resizes: [pillow-bilinear]
colors: [rgb]
geometry: {rule: shorter-side, size: 16, crop: 16}
"""


def small_images(folder: Path, damaged: int, whole: int) -> Options:
    """Some small images, of which the first are cut, and the options of a run, one per shard."""
    (folder / "images").mkdir()
    rows = np.random.default_rng(0).integers(0, 256, (damaged + whole, 24, 24, 3), np.uint8)
    data = {f"{place}.jpg": jpeg_bytes(pixels, "444") for place, pixels in enumerate(rows)}
    for place, name in enumerate(data):
        length = len(data[name]) // 2 if place < damaged else None
        (folder / "images" / name).write_bytes(data[name][:length])
    (folder / "val.txt").write_text("".join(f"{name} 5\n" for name in data), "utf-8")
    (folder / "grid.yaml").write_text(GRID, "utf-8")
    return {
        "images": folder / "images",
        "label-file": folder / "val.txt",
        "grid": folder / "grid.yaml",
        "output": folder / "out",
        "samples-per-shard": "1",
        "workers": "1",
    }


def receipts(output: Path) -> list[str]:
    return sorted(path.name for path in (output / "receipts").iterdir())


def test_a_set_of_rejects_alone_fails_whatever_is_allowed(tmp_path: Path) -> None:
    options = small_images(tmp_path, 2, 0)
    for _ in range(2):
        done = generate("imagenet", options, "--max-rejects=100%")
        assert done.code == 1
        reasons = ["2 of 2 samples are rejected", "more than the 1", "decode-failed: 2", "0.jpg"]
        assert done.lacks(*reasons, "a set without samples is none") == []
        assert not (tmp_path / "out" / "manifest.json").exists()
    status = json.loads(command("status", str(tmp_path / "out"), "--json").out)
    assert (status["finished"], status["rejects"]) == (False, {"decode-failed": 2})


def test_a_run_stops_at_its_limit_and_goes_on_when_more_is_allowed(tmp_path: Path) -> None:
    options = small_images(tmp_path, 3, 4)
    stopped = generate("imagenet", options, "--max-rejects=1")
    assert stopped.code == 1
    assert stopped.lacks("2 of the 2 samples made so far, of 7", "more than the 1 that") == []
    output = tmp_path / "out"
    first = receipts(output)
    assert first == ["00000-of-00007.json", "00001-of-00007.json"]
    before = tree(output / "receipts")

    again = generate("imagenet", options, "--max-rejects=20%")
    assert (again.code, again.lacks("2 of the 2 samples made so far")) == (1, [])
    assert receipts(output) == first

    done = generate("imagenet", options, "--max-rejects=50%")
    assert done.code == 0, done.error
    assert "4 samples x 2 variants in 7 shards, 3 rejected" in done.out.splitlines()[0]
    assert before.items() <= tree(output / "receipts").items()
    at_once = generate("imagenet", options | {"output": tmp_path / "once"})
    assert at_once.code == 0, at_once.error
    assert tree(output) == tree(tmp_path / "once")


def test_finish_checks_what_ranges_of_shards_rejected(tmp_path: Path) -> None:
    options = small_images(tmp_path, 2, 2)
    for range_ in ("0:1", "1:"):
        assert generate("imagenet", options, "--max-rejects=1", f"--shard-range={range_}").code == 0
    output = tmp_path / "out"
    failed = command("finish", str(output), "--max-rejects=1")
    assert (failed.code, failed.lacks("2 of 4 samples are rejected", "decode-failed: 2")) == (1, [])
    assert not (output / "manifest.json").exists()
    assert command("finish", str(output)).code == 0
    assert manifest(output)["counts"]["rejects"] == 2


def test_a_dry_run_says_what_it_rejected(tmp_path: Path) -> None:
    options = small_images(tmp_path, 1, 1)
    done = generate("imagenet", options, "--dry-run", "--max-rejects=0")
    assert done.code == 0
    assert done.lacks("warning: rejected in the trial: 1 of 2 samples; ") == []
    assert "tried      2 samples" in done.out
    assert "1 rejected (decode-failed 1)" in done.out
    assert "0: decode-failed: " in done.out


@pytest.mark.parametrize("limit", ["-1", "0.5", "101%", "1.5", "%", "1e2", "many"])
def test_other_limits_are_refused(limit: str, tmp_path: Path) -> None:
    done = generate("imagenet", {"images": tmp_path}, f"--max-rejects={limit}")
    assert (done.code, done.lacks("--max-rejects", "such as 1%", repr(limit))) == (2, [])

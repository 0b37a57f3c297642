"""``sysnoise status`` on what the command has generated."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from tests.end_to_end.commands import command
from tests.end_to_end.reading import manifest, samples_table
from tests.odd_files.runs import Run


def status(output: Path) -> dict[str, Any]:
    done = command("status", str(output), "--json")
    assert done.code == 0, done.error
    return dict(json.loads(done.out))


def test_finished_set_counts_as_its_manifest_does(coco_set: Path) -> None:
    found = status(coco_set)
    counts = manifest(coco_set)["counts"]
    assert found["finished"] is True
    assert found["dataset"] == "coco"
    assert found["grid"] == "coco-published"
    assert found["variants"] == counts["variants"]
    assert found["shards"] == {"all": counts["shards"], "done": counts["shards"], "missing": []}
    assert found["samples"] == {"all": counts["sources"], "done": counts["samples"]}
    assert found["seconds_left"] == 0.0


def test_set_that_lacks_receipts_is_not_done(coco_set: Path, tmp_path: Path) -> None:
    output = shutil.copytree(coco_set, tmp_path / "set")
    (output / "manifest.json").unlink()
    (output / "receipts" / "00001-of-00003.json").unlink()
    done = command("status", str(output))
    assert done.code == 0, done.error
    lines = done.out.splitlines()
    assert lines[0] == f"{output}: coco demo, coco-published, 2 variants"
    assert lines[1:7] == [
        "shards     2 of 3",
        "missing    1:2",
        "samples    11 of 18",
        "rejects    none",
        "fallbacks  none",
        "struck     none",
    ]
    assert lines[8] == "manifest   not yet"


def test_rejects_and_fallbacks_are_those_of_the_tables(imagenet_run: Run) -> None:
    found = status(imagenet_run.output)
    assert found["rejects"] == Counter(row["reason"] for row in imagenet_run.rejects.values())
    assert found["fallbacks"] == Counter(
        decoder
        for row in samples_table(imagenet_run.output)
        if row["status"] == "ok"
        for decoder, each in row["decoders"].items()
        if each == "fallback"
    )
    assert found["fallbacks"]
    assert found["rejects"]


def test_folder_without_plan_exits_with_1(tmp_path: Path) -> None:
    done = command("status", str(tmp_path))
    assert done.code == 1
    assert done.error == (
        f"sysnoise: {str(tmp_path)!r} is not an output of generate: it has no plan.json\n"
    )

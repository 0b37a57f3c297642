"""The commands where the system has no POSIX, as far as Linux can stand for that.

``tests/without_posix/sitecustomize.py`` says what is taken away.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.commands import command
from tests.end_to_end.reading import tree
from tests.models import CLASSIFIER_CONFIG, write_classifier
from tests.pages import ROOT

RUN = """
import json, sys

from sysnoise.pipelines.cli.main import main
from sysnoise.pipelines.storage import system_locks
from sysnoise.pipelines.workers import limits

print(system_locks.fcntl, limits.resource, [hasattr(system_locks.os, n) for n in ("fork", "stat")])
for arguments in json.load(sys.stdin):
    code = main(arguments)
    if code:
        sys.exit(f"{arguments}: {code}")
"""
GRID = """
decoders: [pillow, ffmpeg]
resizes: [pillow-bilinear]
colors: [rgb, nv12-bt601]
geometry: shorter256-crop224
"""
VARIANT = "ffmpeg/pillow-bilinear/rgb"


def environment() -> dict[str, str]:
    """The environment of a process without POSIX, and of those that it starts."""
    folders = [str(ROOT / "tests" / "without_posix"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, folders))}


def commands(imagenet_source: Path) -> list[list[str]]:
    """All ways of a set from the photographs on; their paths are relative."""
    images = f"--images={imagenet_source / 'images'}"
    labels = f"--label-file={imagenet_source / 'val.txt'}"
    sources = [images, labels, "--grid=grid.yaml", "--limit=4", "--samples-per-shard=2"]
    model = ["--model=model.onnx", "--config=model.yaml", "--workers=1"]
    table = ["--format=csv", "--output=evaluated.csv"]
    return [
        ["generate", "imagenet", *sources, "--format=both", "--output=set", "--workers=2"],
        ["verify", "set", "--pixels", "--regenerate=2", images],
        ["evaluate", "online", "--online", *sources, *model, *table, "--predictions=predictions"],
        ["score", "online", "--predictions=predictions", "--format=csv", "--output=scored.csv"],
        ["report", "set", "--output=report.html", "--samples=2"],
        ["card", "set", "--license=CC-BY-4.0", "--date=2026-11-30"],
        ["publish", "set", "published"],
        ["export", "set", "--layout=imagefolder", f"--variant={VARIANT}", "--to=exported"],
        ["status", "set"],
    ]


def lay_out(folder: Path) -> Path:
    folder.mkdir()
    (folder / "grid.yaml").write_text(GRID, "utf-8")
    write_classifier(folder / "model.onnx")
    (folder / "model.yaml").write_text(CLASSIFIER_CONFIG, "utf-8")
    return folder


def test_the_commands_work_and_write_the_same_bytes(
    imagenet_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = lay_out(tmp_path / "without")
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(commands(imagenet_source)),
        cwd=without,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("None None [False, True]\n")
    monkeypatch.chdir(lay_out(tmp_path / "with"))
    for arguments in commands(imagenet_source):
        assert command(*arguments).code == 0
    made = tree(without)
    assert made == tree(tmp_path / "with")
    assert {"set/manifest.json", "published/manifest.json", "report.html"} <= made.keys()
    assert made["evaluated.csv"] == made["scored.csv"]


HOLD = """
import sys
from sysnoise.pipelines.errors import OutputError
from sysnoise.pipelines.storage.locks import lock_shards
from sysnoise.pipelines.storage.root import open_output

output = open_output("set")
with lock_shards(output, range(3, 6)):
    for start in map(int, sys.stdin):
        try:
            with lock_shards(output, range(start, start + 1)):
                print("free", flush=True)
        except OutputError:
            print("held", flush=True)
"""


def test_locks_hold_between_processes(tmp_path: Path) -> None:
    """Two processes have each other's ranges refused, and the last one removes the file."""
    (tmp_path / "set").mkdir()
    with holder(tmp_path, 3) as first:
        assert [ask(first, start) for start in (2, 6)] == ["free", "free"]
        assert (tmp_path / "set" / "_temporary" / "lock").exists()
        with holder(tmp_path, 0) as second:
            assert [ask(second, start) for start in (3, 5, 7)] == ["held", "held", "free"]
            assert ask(first, 1) == "held"
    assert list((tmp_path / "set").iterdir()) == []


def holder(folder: Path, start: int) -> subprocess.Popen[str]:
    """Start a process without POSIX that holds three shards of a set."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLD.replace("range(3, 6)", f"range({start}, {start + 3})")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env=environment(),
    )


def ask(process: subprocess.Popen[str], start: int) -> str:
    """Ask a holder whether one more shard is free."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{start}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()

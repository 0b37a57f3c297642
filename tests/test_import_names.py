"""Modules of the user's that are called like folders of this project do not matter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sysnoise.pipelines.cli.photographs import write_imagenet

NAMES = ("transforms", "manifests", "pipelines", "utils", "errors", "readers")
SCRIPT = """
import sys
import transforms  # the evaluator's own
from sysnoise import load_grid, apply, open_set

assert transforms.IS_MINE
noisy = open_set(sys.argv[1])
sample = next(noisy.iterate(noisy.baseline))
grid = load_grid("imagenet-one-factor")
print(sample.key, sample.image.shape, apply.__name__, len(grid.variants))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as users have it: with modules of names that this project has as folders."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text("IS_MINE = True\n", "utf-8")
    write_imagenet(tmp_path / "imagenet")
    return tmp_path


def run(folder: Path, *arguments: str, path: str = "") -> str:
    """Run Python in the folder and return what it prints."""
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_evaluator_and_the_command_work_there(folder: Path) -> None:
    command = str(Path(sys.executable).parent / "sysnoise")
    assert run(folder, command, "--version", path=".").startswith("sysnoise ")
    run(
        folder,
        *(command, "generate", "imagenet", "--images=imagenet/images", "--output=out"),
        *("--label-file=imagenet/val.txt", "--grid=imagenet-one-factor", "--limit=2"),
        "--workers=1",
        path=".",
    )
    (folder / "evaluate.py").write_text(SCRIPT, "utf-8")
    printed = run(folder, "evaluate.py", "out").split(maxsplit=1)
    assert printed[1].split() == ["(224,", "224,", "3)", "apply", "17"]
    assert run(folder, "-c", "from sysnoise import open_set, apply; print(apply)")

"""The commands of docs/clusters.md are ones that the shell, the command and Beam understand."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pipelines.cli import main

PAGE = (Path(__file__).parent.parent / "docs" / "clusters.md").read_text("utf-8")
SHELL = r"""
sysnoise() { printf '%s\0' "$@"; printf '\n'; }
dask() { :; }
go() { :; }
java() { :; }
mvn() { :; }
sbatch() { :; }
SLURM_ARRAY_TASK_ID=24 SLURM_CPUS_PER_TASK=8
"""


def generate_commands() -> list[list[str]]:
    """Return the arguments of each ``sysnoise generate``, as the shell splits them."""
    blocks = re.findall(r"^```\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    script = "\n".join([SHELL, *blocks]).replace("s3://", "/no/").replace("gs://", "/no/")
    done = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=True)
    return [line.split("\0")[:-1] for line in done.stdout.splitlines()]


def test_every_command_names_options_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    commands = generate_commands()
    assert len(commands) == 7
    for command in commands:
        assert main(command) == 1, command
        images = command[2].removeprefix("--images=")
        assert capsys.readouterr().err == f"sysnoise: {images!r} does not exist\n"

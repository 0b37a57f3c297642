"""The command that the tests of every engine run."""

from __future__ import annotations

import sys
from pathlib import Path

SHARDS = 16


def command(source: Path | str, output: Path | str, *arguments: str) -> list[str]:
    """Return the command that makes a set of ``SHARDS`` shards, with further arguments."""
    return [
        *(sys.executable, "-m", "sysnoise.pipelines.cli.main", "generate", "imagenet"),
        f"--images={source}/images",
        f"--label-file={source}/val.txt",
        f"--output={output}",
        "--grid=imagenet-one-factor",
        "--samples-per-shard=4",
        *arguments,
    ]

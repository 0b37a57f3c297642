"""How much of a folder's files the kernel holds in its page cache (Linux)."""

from __future__ import annotations

import subprocess
from pathlib import Path


def cached_mib(folder: Path) -> float:
    """Return how many MiB of the files below a folder are in the page cache, by fincore(1)."""
    files = [str(path) for path in folder.rglob("*") if path.is_file()]
    command = ["fincore", "--bytes", "--noheadings", "--output=RES", *files]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return sum(map(int, found.split())) / 2**20

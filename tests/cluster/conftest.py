"""What the tests of every engine share: the source, the set that the local run makes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sysnoise.pipelines.cli.photographs import write_imagenet
from tests.cluster.running import SHARDS, command
from tests.end_to_end.reading import tree


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``images/*.JPEG`` and ``val.txt``: crops of photographs, four a shard."""
    folder = tmp_path_factory.mktemp("source")
    write_imagenet(folder, crops=4 * SHARDS)
    return folder


@pytest.fixture(scope="session")
def local_tree(tmp_path_factory: pytest.TempPathFactory, source: Path) -> dict[str, str]:
    """The sha256 of every file of the set that the command makes without ``--runner``."""
    output = tmp_path_factory.mktemp("local") / "set"
    subprocess.run(command(source, output), check=True, timeout=300)
    return tree(output)

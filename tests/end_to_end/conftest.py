"""Finished sets that several tests read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Command


@pytest.fixture(scope="session", params=["png", "webp"])
def imagenet_set(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    imagenet_source: Path,
    sysnoise: Command,
) -> Path:
    """``imagenet-one-factor`` over 18 photographs in four shards, as tar and Parquet."""
    output = tmp_path_factory.mktemp("sets") / f"imagenet-{request.param}"
    done = sysnoise(
        "generate",
        "imagenet",
        f"--images={imagenet_source / 'images'}",
        f"--label-file={imagenet_source / 'val.txt'}",
        f"--output={output}",
        "--grid=imagenet-one-factor",
        "--format=both",
        f"--image-format={request.param}",
        "--samples-per-shard=5",
    )
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="session")
def coco_set(
    tmp_path_factory: pytest.TempPathFactory, coco_source: Path, sysnoise: Command
) -> Path:
    """``coco-published`` over 18 photographs in three shards, as tar and Parquet."""
    output = tmp_path_factory.mktemp("sets") / "coco"
    done = sysnoise(
        "generate",
        "coco",
        f"--images={coco_source / 'images'}",
        f"--annotations={coco_source / 'instances_demo.json'}",
        f"--output={output}",
        "--grid=coco-published",
        "--format=both",
        "--samples-per-shard=7",
    )
    assert done.returncode == 0, done.stderr
    return output

"""Real photographs in ImageNet's and COCO's layouts, and the command run on them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from sysnoise.pipelines.cli.photographs import (
    SUBSAMPLINGS,
    jpeg_bytes,
    photographs,
    write_coco,
    write_imagenet,
)
from sysnoise.transforms.pixels import Pixels
from tests.end_to_end.commands import command, generate
from tests.end_to_end.disturbed import small_run
from tests.scoring import GRID
from tests.servers import Server, s3_server, s3_variables
from tests.shared import SharedFolders

Command = Callable[..., subprocess.CompletedProcess[str]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite",
        action="store_true",
        help="rewrite the files that tests compare with, such as tests/golden/golden.json",
    )


@pytest.fixture(scope="session")
def rewrite(request: pytest.FixtureRequest) -> bool:
    """Whether ``--rewrite`` was given."""
    return bool(request.config.getoption("--rewrite"))


@pytest.fixture(scope="session")
def photos() -> dict[str, Pixels]:
    """The shipped photographs by name; all but ``astronaut`` are not square."""
    return {name: np.ascontiguousarray(pixels) for name, pixels in photographs().items()}


@pytest.fixture(scope="session", params=list(SUBSAMPLINGS))
def jpeg(request: pytest.FixtureRequest, photos: dict[str, Pixels]) -> bytes:
    """A photograph of 600 x 400 pixels as JPEG, in each chroma subsampling."""
    return jpeg_bytes(photos["coffee"], request.param)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedFolders]:
    """Build a folder once per run of the tests: name, what fills it -> folder.

    With pytest-xdist, the folders of its processes lie in one, which is that of the run. No test
    may change a shared folder; one that must, copies it.
    """
    base = tmp_path_factory.getbasetemp()
    in_xdist = "PYTEST_XDIST_WORKER" in os.environ
    folders = SharedFolders((base.parent if in_xdist else base) / "shared")
    yield folders
    assert folders.changed() == [], "a test changed what others share"


@pytest.fixture(autouse=True)
def empty_memory() -> Iterator[None]:
    """Empty fsspec's memory after each test; it reads all that it holds to list a folder."""
    yield
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture(scope="session")
def imagenet_source(shared: SharedFolders) -> Path:
    """``images/*.JPEG`` and ``val.txt``: 18 photographs, three chroma subsamplings."""
    return shared("imagenet-source", write_imagenet)


@pytest.fixture(scope="session")
def coco_source(shared: SharedFolders) -> Path:
    """``images/*.jpg`` and ``instances_demo.json``: the same photographs, with hand-made boxes."""
    return shared("coco-source", write_coco)


@pytest.fixture(scope="session")
def s3_session() -> Iterator[Server]:
    """An S3 server, which this process and those that it starts find."""
    with s3_server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in s3_variables(server).items():
            patch.setenv(name, value)
        yield server


@pytest.fixture
def s3(s3_session: Server) -> Iterator[Server]:
    """The S3 server, with no faults and no requests yet."""
    s3_session.requests.clear()
    yield s3_session
    s3_session.faults.clear()


@pytest.fixture(scope="session")
def sysnoise() -> Command:
    """Run the ``sysnoise`` command in a process of its own."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sysnoise.pipelines.cli.main", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)

    return run


@pytest.fixture(scope="session", params=["png", "webp"])
def imagenet_set(
    request: pytest.FixtureRequest, shared: SharedFolders, imagenet_source: Path
) -> Path:
    """``imagenet-one-factor`` over 18 photographs in four shards, as tar and Parquet."""

    def build(output: Path) -> None:
        done = command(
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
        assert done.code == 0, done.error

    return shared(f"imagenet-{request.param}", build)


@pytest.fixture(scope="session")
def coco_set(shared: SharedFolders, coco_source: Path) -> Path:
    """``coco-published`` over 18 photographs in three shards, as tar and Parquet."""

    def build(output: Path) -> None:
        done = command(
            "generate",
            "coco",
            f"--images={coco_source / 'images'}",
            f"--annotations={coco_source / 'instances_demo.json'}",
            f"--output={output}",
            "--grid=coco-published",
            "--format=both",
            "--samples-per-shard=7",
        )
        assert done.code == 0, done.error

    return shared("coco", build)


@pytest.fixture(scope="session")
def small_set(shared: SharedFolders, imagenet_source: Path) -> Path:
    """18 photographs in two variants and six shards, by a run that nothing disturbed."""

    def build(folder: Path) -> None:
        done = generate("imagenet", small_run(imagenet_source, folder / "set"))
        assert done.code == 0, done.error

    return shared("small", build) / "set"


@pytest.fixture(scope="session")
def one_image_set(shared: SharedFolders, imagenet_source: Path) -> Path:
    """A photograph in the 48 variants of a product of axes, for :mod:`tests.scoring`."""

    def build(folder: Path) -> None:
        (folder / "grid.yaml").write_text(GRID, "utf-8")
        done = command(
            *("generate", "imagenet", "--limit=1", "--workers=1", f"--output={folder / 'set'}"),
            f"--images={imagenet_source / 'images'}",
            *(f"--label-file={imagenet_source / 'val.txt'}", f"--grid={folder / 'grid.yaml'}"),
        )
        assert done.code == 0, done.error

    return shared("one-image", build) / "set"

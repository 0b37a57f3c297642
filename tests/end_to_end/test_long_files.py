"""Source images whose files are longer than ``--max-bytes`` are rejected, wherever they lie."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sysnoise.pipelines.cli.photographs import write_imagenet
from tests.end_to_end.commands import command

GRID = (
    "decoders: [pillow]\nresizes: [pillow-bilinear]\ncolors: [rgb]\ngeometry: shorter256-crop224\n"
)
ZEROS = 50_000_000
"""Bytes of the longest member; as a member of a zip file it has 50 kB."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs in ``images``, beside one that is longer by far, and their labels."""
    folder = tmp_path_factory.mktemp("long")
    write_imagenet(folder, crops=2, seed=3)
    for path in sorted((folder / "images").iterdir())[2:]:
        path.unlink()
    names = sorted(path.name for path in (folder / "images").iterdir())
    lines = [
        line
        for line in (folder / "val.txt").read_text("utf-8").splitlines()
        if line.split()[0] in names
    ]
    first = (folder / "images" / names[0]).read_bytes()
    (folder / "images" / "long.JPEG").write_bytes(first + bytes(ZEROS))
    (folder / "val.txt").write_text("\n".join([*lines, "long.JPEG 7\n"]), "utf-8")
    (folder / "grid.yaml").write_text(GRID, "utf-8")
    return folder


def as_folder(source: Path, folder: Path) -> Path:
    return Path(shutil.copytree(source / "images", folder / "images"))


def as_zip(source: Path, folder: Path) -> Path:
    with zipfile.ZipFile(folder / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((source / "images").iterdir()):
            archive.write(path, path.name)
    return folder / "images.zip"


def as_tar(source: Path, folder: Path) -> Path:
    with tarfile.open(folder / "images.tar", "w") as archive:
        archive.add(source / "images", "images")
    return folder / "images.tar"


def as_parquet(source: Path, folder: Path) -> Path:
    labels = dict(line.split() for line in (source / "val.txt").read_text("utf-8").splitlines())
    paths = sorted((source / "images").iterdir())
    images = [{"bytes": path.read_bytes(), "path": path.name} for path in paths]
    numbers = [int(labels[path.name]) for path in paths]
    pq.write_table(pa.table({"image": images, "label": numbers}), folder / "images.parquet")
    return folder / "images.parquet"


@pytest.mark.parametrize("place", [as_folder, as_zip, as_tar, as_parquet])
def test_a_file_that_is_too_long_is_rejected(
    place: Callable[[Path, Path], Path], source: Path, tmp_path: Path
) -> None:
    images, output = place(source, tmp_path), tmp_path / "out"
    labels = [] if place is as_parquet else [f"--label-file={source / 'val.txt'}"]
    done = command(
        *("generate", "imagenet", f"--images={images}", *labels, f"--output={output}"),
        *(f"--grid={source / 'grid.yaml'}", "--max-bytes=10000000", "--workers=1"),
    )
    assert done.code == 0, done.error
    (reject,) = pq.read_table(output / "rejects.parquet").to_pylist()
    assert (reject["key"], reject["reason"]) == ("long", "too-large")
    assert "longer than 10000000 bytes" in reject["message"]
    checked = command("verify", "--pixels", "--regenerate=3", f"--images={images}", str(output))
    assert checked.code == 0, checked.out

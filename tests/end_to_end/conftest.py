"""Finished sets that several tests read."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from sysnoise.pipelines.cli.photographs import write_imagenet
from sysnoise.transforms.pixels import Pixels
from tests.end_to_end.commands import command
from tests.end_to_end.reading import tree
from tests.odd_files import objects
from tests.odd_files.images import PATHS, Does, jpeg
from tests.odd_files.runs import (
    COCO_GRID,
    FILES,
    IMAGENET_GRID,
    KEPT,
    LABELS,
    Run,
    read_run,
    run,
    write_coco,
)
from tests.shared import SharedFolders


@pytest.fixture(scope="session")
def imagenet_run(shared: SharedFolders) -> Run:
    """All odd image files in one folder, each with a label of its own."""

    def build(folder: Path) -> None:
        (folder / "images").mkdir()
        for odd in FILES:
            (folder / "images" / odd.name).write_bytes(odd.data)
        lines = "".join(f"{odd.name} {LABELS[odd.key]}\n" for odd in FILES)
        (folder / "val.txt").write_text(lines, "utf-8")
        run(
            *("imagenet", folder, IMAGENET_GRID),
            *(f"--images={folder / 'images'}", f"--label-file={folder / 'val.txt'}"),
            "--samples-per-shard=32",
        )

    return read_run(shared("odd", build), IMAGENET_GRID)


@pytest.fixture(scope="session")
def strict_run(shared: SharedFolders) -> Run:
    """A tar of files that a decoder is not made for, and of names that lead out of it."""

    def build(parent: Path) -> None:
        folder = parent / "strict"
        folder.mkdir()
        members = {odd.name: odd.data for odd in KEPT if Does.FALLBACK in odd.does}
        members |= dict.fromkeys(PATHS, jpeg())
        with tarfile.open(folder / "images.tar", "w") as tar:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        lines = "".join(f"{name} {label}\n" for label, name in enumerate(members))
        (folder / "val.txt").write_text(lines, "utf-8")
        before = tree(parent)
        run(
            *("imagenet", folder, IMAGENET_GRID),
            *(f"--images={folder / 'images.tar'}", f"--label-file={folder / 'val.txt'}"),
            *("--strict", "--workers=1"),
        )
        added = tree(parent).keys() - before.keys()
        added -= {f"{folder.name}/grid.yaml", f"{folder.name}/errors.txt"}
        assert all(path.startswith(f"{folder.name}/out/set/") for path in added)

    return read_run(shared("strict", build) / "strict", IMAGENET_GRID)


@pytest.fixture(scope="session")
def coco_run(shared: SharedFolders) -> Run:
    """Odd annotations and odd images of COCO."""

    def build(folder: Path) -> None:
        write_coco(folder, objects.document())
        run(
            *("coco", folder, COCO_GRID),
            *(f"--images={folder / 'images'}", f"--annotations={folder / 'instances_odd.json'}"),
            "--workers=1",
        )

    return read_run(shared("odd-coco", build), COCO_GRID)


@pytest.fixture(scope="session")
def coco_upright_run(shared: SharedFolders) -> Run:
    """The same images of COCO in a set that is made upright."""
    grid = f"{COCO_GRID}orient: upright\n"

    def build(folder: Path) -> None:
        write_coco(folder, objects.document())
        run(
            *("coco", folder, grid),
            *(f"--images={folder / 'images'}", f"--annotations={folder / 'instances_odd.json'}"),
            "--workers=1",
        )

    return read_run(shared("odd-coco-upright", build), grid)


@pytest.fixture(scope="session")
def full_source(shared: SharedFolders, photos: dict[str, Pixels]) -> Path:
    """Eleven seeded crops and one CMYK photograph."""

    def build(folder: Path) -> None:
        write_imagenet(folder, crops=11, seed=2)
        photo = Image.fromarray(photos["coffee"]).convert("CMYK")
        photo.save(folder / "images" / "cmyk.JPEG", "JPEG", quality=90)
        with (folder / "val.txt").open("a") as labels:
            labels.write("cmyk.JPEG 967\n")

    return shared("full-source", build)


@pytest.fixture(scope="session")
def full_set(shared: SharedFolders, full_source: Path) -> Path:
    """``imagenet-full`` over them in six shards; ``said.txt`` beside it has standard output."""

    def build(folder: Path) -> None:
        done = command(
            "generate",
            "imagenet",
            f"--images={full_source / 'images'}",
            f"--label-file={full_source / 'val.txt'}",
            f"--output={folder / 'set'}",
            "--grid=imagenet-full",
            "--samples-per-shard=2",
        )
        assert done.code == 0, done.error
        (folder / "said.txt").write_text(done.out, "utf-8")

    return shared("full", build) / "set"

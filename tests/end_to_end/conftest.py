"""Finished sets that several tests read."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.end_to_end.disturbed import generating, small_run
from tests.end_to_end.reading import tree
from tests.odd_files import objects
from tests.odd_files.images import PATHS, Does, jpeg
from tests.odd_files.runs import COCO_GRID, FILES, IMAGENET_GRID, KEPT, LABELS, Run, run, write_coco


@pytest.fixture(scope="session")
def imagenet_run(tmp_path_factory: pytest.TempPathFactory, sysnoise: Command) -> Run:
    """All odd image files in one folder, each with a label of its own."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "images").mkdir()
    for odd in FILES:
        (folder / "images" / odd.name).write_bytes(odd.data)
    lines = "".join(f"{odd.name} {LABELS[odd.key]}\n" for odd in FILES)
    (folder / "val.txt").write_text(lines, "utf-8")
    return run(
        *(sysnoise, "imagenet", folder, IMAGENET_GRID),
        *(f"--images={folder / 'images'}", f"--label-file={folder / 'val.txt'}"),
        "--samples-per-shard=32",
    )


@pytest.fixture(scope="session")
def strict_run(tmp_path_factory: pytest.TempPathFactory, sysnoise: Command) -> Run:
    """A tar of files that a decoder is not made for, and of names that lead out of it."""
    folder = tmp_path_factory.mktemp("strict")
    members = {odd.name: odd.data for odd in KEPT if Does.FALLBACK in odd.does}
    members |= dict.fromkeys(PATHS, jpeg())
    with tarfile.open(folder / "images.tar", "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    lines = "".join(f"{name} {label}\n" for label, name in enumerate(members))
    (folder / "val.txt").write_text(lines, "utf-8")
    before = tree(folder.parent)
    done = run(
        *(sysnoise, "imagenet", folder, IMAGENET_GRID),
        *(f"--images={folder / 'images.tar'}", f"--label-file={folder / 'val.txt'}"),
        *("--strict", "--workers=1"),
    )
    added = tree(folder.parent).keys() - before.keys() - {f"{folder.name}/grid.yaml"}
    assert all(path.startswith(f"{folder.name}/out/set/") for path in added)
    return done


@pytest.fixture(scope="session")
def coco_run(tmp_path_factory: pytest.TempPathFactory, sysnoise: Command) -> Run:
    """Odd annotations and odd images of COCO."""
    folder = tmp_path_factory.mktemp("coco")
    write_coco(folder, objects.document())
    return run(
        *(sysnoise, "coco", folder, COCO_GRID),
        *(f"--images={folder / 'images'}", f"--annotations={folder / 'instances_odd.json'}"),
        "--workers=1",
    )


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory, imagenet_source: Path) -> Path:
    """18 photographs in two variants and six shards, by a run that nothing disturbed."""
    output = tmp_path_factory.mktemp("small") / "set"
    done = generating(small_run(imagenet_source, output)).end()
    assert done.code == 0, done.error
    return output

"""Stamps of source files, on every kind of file system, against changes of one byte."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sysnoise.manifests.grids.grid_file import parse_grid
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.errors import ChangedSourceError
from sysnoise.pipelines.planning import stamps
from sysnoise.pipelines.planning.plan import PlanOptions, make_plan, read_sources, write_plan
from sysnoise.pipelines.planning.stamps import check_sources, keep_stamps, take_stamps
from sysnoise.pipelines.readers.sources import SourceSet, source_table
from sysnoise.pipelines.storage.root import open_output, open_root
from tests.servers import BUCKET, Server, http_server, s3_client

NAMES = [f"{number}.jpg" for number in range(5)]
GRID = """
decoders: [pillow]
resizes: [pillow-bilinear]
colors: [rgb]
geometry: shorter256-crop224
"""


def content(name: str, version: int) -> bytes:
    return f"{name} of version {version}".encode()


def planned(source: SourceSet, output_folder: Path) -> Callable[[int], None]:
    """Plan two shards; return what compares the files of one with their stamps."""
    output = open_output(str(output_folder))
    plan = make_plan(source, parse_grid(GRID, "grid", "grid"), PlanOptions(samples_per_shard=3))
    write_plan(plan, source, output)
    path = keep_stamps(take_stamps(source), plan, output)

    def check(shard: int) -> None:
        check_sources(open_root(source.root), output, path, shard, read_sources(output, shard))

    return check


def of_files(root: str) -> SourceSet:
    table = source_table(NAMES, label=[0] * len(NAMES))
    return SourceSet(DatasetKind.IMAGENET, "val", root, table)


def of_archive(root: str) -> SourceSet:
    zeros = [0] * len(NAMES)
    table = source_table(NAMES, file=[""] * len(NAMES), row=zeros, label=zeros)
    return SourceSet(DatasetKind.IMAGENET, "val", root, table)


def assert_named(check: Callable[[int], None], shard: int, *fragments: str) -> None:
    with pytest.raises(ChangedSourceError) as caught:
        check(shard)
    assert [each for each in fragments if each not in str(caught.value)] == []


def test_local_files(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).write_bytes(content(name, 1))
    check = planned(of_files(str(tmp_path)), tmp_path / "out")
    (tmp_path / NAMES[3]).write_bytes(content(NAMES[3], 2))
    (tmp_path / NAMES[4]).unlink()
    check(0)
    assert_named(check, 1, "2 source file(s)", f"{NAMES[3]}: planned as 18 bytes", "now missing")


def test_a_local_archive(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "images.tar", "w"):
        pass
    check = planned(of_archive(str(tmp_path / "images.tar")), tmp_path / "out")
    check(1)
    os.utime(tmp_path / "images.tar", (1, 1))
    assert_named(check, 0, "1 source file(s)", "of version 1000000000")


def write_zip(path: Path, version: int) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in NAMES:
            archive.writestr(name, content(name, version))


@pytest.mark.parametrize("few", [0, 64])
def test_members_of_a_zip(few: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamps, "FEW_FILES", few)
    write_zip(tmp_path / "images.zip", 1)
    source = of_files(open_root(str(tmp_path / "images.zip")).url)
    check = planned(source, tmp_path / "out")
    check(0)
    write_zip(tmp_path / "new.zip", 2)
    (tmp_path / "new.zip").replace(tmp_path / "images.zip")
    open_root(str(tmp_path / "images.zip")).fs.clear_instance_cache()  # As another process.
    assert_named(check, 0, "3 source file(s)", NAMES[0], "of version")


@pytest.mark.parametrize("few", [0, 64])
def test_objects_on_s3(
    few: int, s3: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "FEW_FILES", few)
    client = s3_client(s3)
    for name in NAMES:
        client.put_object(Bucket=BUCKET, Key=f"stamps-{few}/{name}", Body=content(name, 1))
    source = of_files(f"s3://{BUCKET}/stamps-{few}")
    check = planned(source, tmp_path / "out")
    root = open_root(source.root)
    root.fs.invalidate_cache()  # Workers have listed nothing.
    check(0)
    name = NAMES[4]
    client.put_object(Bucket=BUCKET, Key=f"stamps-{few}/{name}", Body=content(name, 2))
    s3.requests.clear()
    assert_named(check, 1, "1 source file(s)", name)
    assert len(s3.seen(r"HEAD .*\.jpg")) == 2
    assert all("max-keys=1&" in each for each in s3.seen("list-type"))  # Whether it is there.


def test_an_archive_on_the_web(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "images.tar", "w"):
        pass
    with http_server(tmp_path) as server:
        check = planned(of_archive(f"{server.url}/images.tar"), tmp_path / "out")
        check(0)
        (tmp_path / "images.tar").write_bytes(b"other")
        assert_named(check, 0, "now 5 bytes")


def test_a_folder_on_the_web_is_not_asked_file_by_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "FEW_FILES", 2)
    for name in NAMES:
        (tmp_path / name).write_bytes(content(name, 1))
    with http_server(tmp_path) as server:
        check = planned(of_files(server.url), tmp_path / "out")
        check(0)
        assert not server.seen("HEAD .*jpg")

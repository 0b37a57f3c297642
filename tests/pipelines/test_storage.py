"""Files appear whole or not at all, here and on other file systems."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pipelines.errors import InputError, OutputError
from pipelines.storage import (
    commit_file,
    list_images,
    open_output,
    open_root,
    read_file,
    sweep,
    working_folder,
    write_file,
)


@pytest.mark.parametrize("scheme", ["local", "memory"])
def test_write_commit_and_read(scheme: str, tmp_path: Path) -> None:
    url = str(tmp_path / "set") if scheme == "local" else f"memory://{tmp_path.name}"
    output = open_output(url)
    write_file(output, "a/small", b"small")
    with working_folder(output, "0") as folder:
        path = Path(folder) / "large"
        path.write_bytes(b"large")
        commit_file(str(path), output, "b/large")
        assert not path.exists()
    assert not Path(folder).exists()
    assert (read_file(output, "a/small"), read_file(output, "b/large")) == (b"small", b"large")


def test_failed_write_leaves_nothing_and_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"writing '.*/file/set/plan\.json'"):
        write_file(open_output(str(tmp_path / "file" / "set")), "plan.json", b"{}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_working_folder_is_on_the_outputs_file_system(tmp_path: Path) -> None:
    with working_folder(open_output(str(tmp_path)), "0") as folder:
        assert Path(folder).is_relative_to(tmp_path)


def test_zip_stands_for_its_members(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("val/b.JPEG", b"b")
        archive.writestr("val/a.jpg", b"a")
        archive.writestr("readme.txt", b"")
    root = open_root(str(tmp_path / "images.zip"))
    assert list_images(root) == ["val/a.jpg", "val/b.JPEG"]
    assert read_file(root, "val/a.jpg") == b"a"


@pytest.mark.parametrize("name", ["missing", "missing.zip"])
def test_missing_source_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=name):
        open_root(str(tmp_path / name))


def test_sweep_removes_unfinished_files_of_owners_only(tmp_path: Path) -> None:
    hexadecimal = "0123456789abcdef" * 2
    unfinished = [
        f"{folder}{owner}.json.{hexadecimal}.tmp"
        for owner in ("00001", "00002")
        for folder in ("", "r/")
    ]
    others = ["r/00001.json", "00001.tmp", "r/00001.json.0.tmp", "a/b/00001.tmp"]
    folders = ["_temporary/00001.x", "_temporary/00002.x"]
    for path in (*unfinished, *others, *(f"{folder}/file" for folder in folders)):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")
    sweep(open_output(str(tmp_path)), lambda owner: owner == "00001")
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {*unfinished[2:], *others, "_temporary/00002.x/file"}
    assert not (tmp_path / folders[0]).exists()

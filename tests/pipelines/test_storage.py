"""Files appear whole or not at all, here and on other file systems."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from pipelines.errors import InputError, OutputError
from pipelines.storage import (
    absolute_url,
    commit_file,
    list_images,
    open_output,
    open_root,
    read_file,
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


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("set", "/folder/set"),
        ("/elsewhere/set", "/elsewhere/set"),
        ("zip://::val.zip", "zip://::/folder/val.zip"),
        ("s3://bucket/set", "s3://bucket/set"),
        ("zip://::s3://bucket/val.zip", "zip://::s3://bucket/val.zip"),
    ],
)
def test_absolute_url_means_the_same_everywhere(
    url: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute_url(url) == expected.replace("/folder", str(tmp_path))


@pytest.mark.parametrize("name", ["missing", "missing.zip"])
def test_missing_source_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=name):
        open_root(str(tmp_path / name))

"""Devices, FIFOs, links in circles and texts with ``::``, which are no files to read or write."""

from __future__ import annotations

import os
import socket
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sysnoise.manifests.bounded import FileTooLargeError, IrregularFileError
from sysnoise.pipelines.errors import InputError, OutputError
from sysnoise.pipelines.planning.resume import refuse_foreign_output
from sysnoise.pipelines.storage import listing
from sysnoise.pipelines.storage.listing import list_all_files, list_files, list_folder
from sysnoise.pipelines.storage.reading import open_file, read_file, read_range, read_text
from sysnoise.pipelines.storage.root import connect, open_output, open_root
from tests.pipelines.readers.layouts import in_memory, write, write_zip
from tests.servers import BUCKET, Server, s3_client


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder with one file, a FIFO, a socket, a link to a device, and one to nothing."""
    folder = tmp_path / "odd"
    (folder / "class").mkdir(parents=True)
    (folder / "class" / "a.jpg").write_bytes(b"0123456789")
    os.mkfifo(folder / "fifo.jpg")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "socket.jpg"))
    (folder / "zero.jpg").symlink_to("/dev/zero")
    (folder / "nothing.jpg").symlink_to("nowhere")
    return folder


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("fifo.jpg", "a FIFO"),
        ("zero.jpg", "a character device"),
        ("socket.jpg", "a socket"),
    ],
)
def test_what_is_no_file_is_refused_by_name(name: str, kind: str, odd: Path) -> None:
    root, said = connect(str(odd)), rf"{name}' is {kind}, not a file"
    for read in (
        lambda: read_file(root, name),
        lambda: read_range(root, name, 0, 1),
        lambda: open_file(root, name),
    ):
        with pytest.raises(IrregularFileError, match=said):
            read()
    with pytest.raises(InputError, match=said):
        read_text(str(odd / name), "label file")
    with pytest.raises(InputError, match=said):
        open_root(str(odd / name))
    (odd / "images.zip").symlink_to(odd / name)
    with pytest.raises(InputError, match=rf"images.zip' is {kind}"):
        open_root(str(odd / "images.zip"))


def test_what_is_no_file_is_left_out_of_a_folder(
    odd: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert list_files(open_root(str(odd))) == ["class/a.jpg", "nothing.jpg"]
    (record,) = caplog.records
    assert "3 device(s), FIFO(s) or socket(s)" in record.getMessage()
    assert "fifo.jpg" in record.getMessage()


JUNK = ("._a.jpg", "class/._b.jpg", "class/.DS_Store", "__MACOSX/class/c.jpg", "Thumbs.db")


@pytest.mark.parametrize("form", ["folder", "zip", "memory"])
def test_junk_is_left_out_and_counted_in_one_line(
    form: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "set", dict.fromkeys((*JUNK, "a.jpg", "class/b.jpg"), b"1"))
    write_zip(tmp_path / "set.zip", tmp_path / "set")
    url = {"folder": str(tmp_path / "set"), "zip": str(tmp_path / "set.zip")}.get(form)
    root = open_root(url or in_memory(tmp_path / "set"))
    assert list_files(root) == ["a.jpg", "class/b.jpg"]
    (record,) = caplog.records
    assert "5 file(s) or folder(s)" in record.getMessage()
    assert list_all_files(root) == sorted((*JUNK, "a.jpg", "class/b.jpg"))


def test_lost_and_found_is_not_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only root may read it on a real disk, and tests may run as root."""
    write(tmp_path, {"a.jpg": b"1", "lost+found/b.jpg": b"1"})
    scandir, opened = os.scandir, list[str]()

    def scan(path: str) -> Any:
        opened.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert list_files(open_root(str(tmp_path))) == ["a.jpg"]
    assert opened == [str(tmp_path)]


def test_objects_that_stand_for_folders_are_no_files(
    s3: Server, caplog: pytest.LogCaptureFixture
) -> None:
    client = s3_client(s3)
    names = ("marked/", "marked/a.jpg", "marked/sub/", "marked/sub_$folder$", "marked/sub/b.jpg")
    for name in names:
        client.put_object(Bucket=BUCKET, Key=name, Body=b"1" if name.endswith("jpg") else b"")
    root = open_root(f"s3://{BUCKET}/marked")
    assert list_files(root) == ["a.jpg", "sub/b.jpg"]
    (record,) = (each for each in caplog.records if each.name.startswith("sysnoise"))
    assert "3 file(s) or folder(s)" in record.getMessage()
    assert list_all_files(root) == ["a.jpg", "sub/b.jpg", "sub_$folder$"]
    assert list_folder(root, "") == ["a.jpg", "sub", "sub_$folder$"]
    client.put_object(Bucket=BUCKET, Key="empty/", Body=b"")
    refuse_foreign_output(open_output(f"s3://{BUCKET}/empty"))


def test_a_folder_is_no_file(odd: Path) -> None:
    with pytest.raises(IsADirectoryError, match="class"):
        read_file(connect(str(odd)), "class")


def test_links_in_circles_are_walked_once(tmp_path: Path) -> None:
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "a" / "x.jpg").touch()
    (tmp_path / "set" / "self").symlink_to(".")
    (tmp_path / "set" / "a" / "up").symlink_to("..")
    (tmp_path / "set" / "also").symlink_to("a")  # No circle: as 'find -L' does.
    assert list_files(open_root(str(tmp_path / "set"))) == ["a/x.jpg", "also/x.jpg"]


def test_folders_that_multiply_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty folders, of which each has two links to the next, have 2**30 paths."""
    for number in range(30):
        (tmp_path / str(number)).mkdir()
        for name in ("left", "right"):
            (tmp_path / str(number) / name).symlink_to(tmp_path / str(number + 1))
    monkeypatch.setattr(listing, "MAX_FOLDERS", 1000)
    with pytest.raises(InputError, match="more than 1000 folders"):
        list_files(open_root(str(tmp_path / "0")))


def test_a_deep_folder_is_refused(tmp_path: Path) -> None:
    deep = tmp_path / "/".join(["d"] * 70)
    deep.mkdir(parents=True)
    with pytest.raises(InputError, match="64 folders deep"):
        list_files(open_root(str(tmp_path)))


@pytest.mark.parametrize("url", ["{here}/x::y", "x::y", "file://{here}/x::y", "{here}/x::/etc"])
def test_a_local_path_with_colons_is_refused(url: str, tmp_path: Path) -> None:
    url = url.format(here=tmp_path)
    with pytest.raises(InputError, match="is no chain of file systems"):
        open_root(url)
    with pytest.raises(InputError, match="is no chain of file systems"):
        read_text(url, "label file")
    with pytest.raises(OutputError, match="is a chain of file systems"):
        open_output(url)
    assert list(tmp_path.iterdir()) == []


def test_chains_are_no_outputs(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a chain of file systems"):
        open_output(f"simplecache::file://{tmp_path}/x")


def test_a_member_that_inflates_is_read_to_the_limit(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("a.jpg", "w") as member:
            for _ in range(200):
                member.write(bytes(1 << 20))
        archive.writestr("b.jpg", b"small")
    root = open_root(str(tmp_path / "bomb.zip"))
    with pytest.raises(FileTooLargeError, match="longer than 1000000 bytes"):
        read_file(root, "a.jpg", 1_000_000)
    assert read_file(root, "b.jpg", 5) == b"small"


def test_files_without_a_length_are_read_to_the_limit() -> None:
    """The system makes the files of ``/proc`` while they are read, and says that they are empty."""
    root = connect("/proc/self")
    assert b"\n" in read_file(root, "status")
    with pytest.raises(FileTooLargeError):
        read_file(root, "status", 10)

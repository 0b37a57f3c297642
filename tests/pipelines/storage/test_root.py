"""Files appear whole or not at all, here and on other file systems."""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from sysnoise.pipelines.errors import InputError, OutputError
from sysnoise.pipelines.storage.commit import (
    commit_files,
    remove_file,
    remove_folder,
    sweep,
    working_folder,
    write_file,
)
from sysnoise.pipelines.storage.listing import file_sizes, list_files, list_folder, list_images
from sysnoise.pipelines.storage.reading import open_file, read_file, read_range, read_text
from sysnoise.pipelines.storage.root import (
    absolute_url,
    connect,
    exists,
    is_file,
    lies_inside,
    open_output,
    open_root,
)
from tests.servers import (
    BUCKET,
    Fault,
    Server,
    http_server,
    plain_http_server,
    s3_client,
    s3_objects,
)

MULTI_PART = 101 * 2**20
"""Bytes; s3fs sends files of 100 MiB and more in parts of 50 MiB."""

WEB_NAMES = ["100%.JPEG", "a b.JPEG", "class one/x%20+ü#?&.jpg", "plain.jpg"]


@pytest.mark.parametrize("scheme", ["local", "memory", "s3"])
@pytest.mark.usefixtures("s3")
def test_files_of_a_set_come_and_go(scheme: str, tmp_path: Path) -> None:
    urls = {"local": str(tmp_path / "set"), "memory": f"memory://{tmp_path.name}"}
    output = open_output(urls.get(scheme, f"s3://{BUCKET}/{tmp_path.name}"))
    assert not exists(output)
    assert list_folder(output, "a") == []
    write_file(output, "a/small", b"small")
    with working_folder(output, "0") as folder:
        files = [(str(Path(folder) / name), f"b/{name}") for name in ("large", "huge")]
        for path, relative in files:
            Path(path).write_bytes(relative.encode())
        commit_files(files, output)
        assert list(Path(folder).iterdir()) == []
    assert not Path(folder).exists()
    assert exists(output)
    assert not is_file(output)
    assert read_file(output, "a/small") == b"small"
    assert read_range(output, "b/large", 2, 3) == b"lar"
    with open_file(output, "b/huge") as opened:
        opened.seek(-4, os.SEEK_END)
        assert opened.read() == b"huge"
    assert file_sizes(output) == {"a/small": 5, "b/large": 7, "b/huge": 6}
    assert list_folder(output, "b") == ["b/huge", "b/large"]
    remove_folder(output, "b")
    remove_file(output, "a/small")
    assert file_sizes(output) == {}
    remove_folder(output, "b")
    remove_file(output, "a/small")


def test_what_another_process_writes_is_seen_at_once(s3: Server) -> None:
    output = open_output("s3://bucket/shared")
    client = s3_client(s3)
    assert not exists(output)
    write_file(output, "receipts/1", b"1")
    assert list_folder(output, "receipts") == ["receipts/1"]
    assert file_sizes(output) == {"receipts/1": 1}
    client.put_object(Bucket=BUCKET, Key="shared/receipts/2", Body=b"22")
    client.put_object(Bucket=BUCKET, Key="shared/receipts/1", Body=b"longer")
    assert list_folder(output, "receipts") == ["receipts/1", "receipts/2"]
    assert file_sizes(output) == {"receipts/1": 6, "receipts/2": 2}
    with open_file(output, "receipts/1") as opened:
        assert opened.read() == b"longer"
    for number in (1, 2):
        client.delete_object(Bucket=BUCKET, Key=f"shared/receipts/{number}")
    assert list_folder(output, "receipts") == []
    assert not exists(output)


@pytest.mark.parametrize("way", ["commit", "write"])
def test_large_files_go_up_in_parts_and_appear_whole_or_not_at_all(
    way: str, s3: Server, tmp_path: Path
) -> None:
    output = open_output(f"s3://bucket/parts-{way}")
    data = os.urandom(2**20) * (MULTI_PART // 2**20)

    def put() -> None:
        if way == "write":
            write_file(output, "large", data)
        else:
            (tmp_path / "large").write_bytes(data)
            commit_files([(str(tmp_path / "large"), "large")], output)

    s3.faults.append(Fault("PUT .*partNumber=2", 403))
    with pytest.raises(OutputError, match=rf"writing 's3://bucket/parts-{way}/large': told to"):
        put()
    assert s3_objects(s3, f"parts-{way}") == {}
    assert not s3_client(s3).list_multipart_uploads(Bucket=BUCKET).get("Uploads")
    s3.faults.clear()
    put()
    assert len(s3.seen("PUT .*partNumber=3")) == 1
    assert s3_objects(s3, f"parts-{way}") == {"large": data}


def test_one_upload_that_fails_fails_the_commit(s3: Server, tmp_path: Path) -> None:
    output = open_output("s3://bucket/many")
    names = [f"{number:02d}" for number in range(40)]
    for name in names:
        (tmp_path / name).write_text(name)
    s3.faults.append(Fault("PUT /bucket/many/03", 403))
    with pytest.raises(OutputError, match="writing 's3://bucket/many/03': told to"):
        commit_files([(str(tmp_path / name), name) for name in names], output)
    stored = s3_objects(s3, "many")
    assert "03" not in stored
    assert len(stored) < len(names) - 1  # Those that had not begun were not begun.
    assert all(data.decode() == name for name, data in stored.items())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(set(names) - set(stored))


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


@pytest.fixture
def web_folder(tmp_path: Path) -> Path:
    """``my images``, with names that URLs must quote, and the same as ``val.zip``, ``val.tar``."""
    folder = tmp_path / "my images"
    with (
        zipfile.ZipFile(tmp_path / "val.zip", "w") as zipped,
        tarfile.open(tmp_path / "val.tar", "w") as tarred,
    ):
        for name in WEB_NAMES:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(os.urandom(10_000))
            zipped.write(folder / name, f"val/{name}")
            tarred.add(folder / name, f"val/{name}")
    return tmp_path


@pytest.mark.parametrize("path", ["my images", "my images/", "my%20images/"])
def test_a_folder_on_the_web_is_listed_and_read(path: str, web_folder: Path) -> None:
    with plain_http_server(web_folder) as server:
        root = open_root(f"{server.url}/{path}")
        assert not is_file(root)
        assert list_files(root) == WEB_NAMES
        for name in WEB_NAMES:
            assert read_file(root, name) == (web_folder / "my images" / name).read_bytes()


@pytest.mark.parametrize(
    "url", ["zip://val/::{}/val.zip", "zip://val::{}/val.zip", "tar://val::{}/val.tar"]
)
def test_archives_are_read_in_place_here_and_on_the_web(url: str, web_folder: Path) -> None:
    with http_server(web_folder) as server:
        for base in (str(web_folder), server.url):
            root = open_root(url.format(base))
            assert list_files(root) == WEB_NAMES
            for name in WEB_NAMES:
                assert read_file(root, name) == (web_folder / "my images" / name).read_bytes()


def test_what_the_web_cannot_do_is_said(web_folder: Path) -> None:
    with (
        zipfile.ZipFile(web_folder / "val.zip", "w") as zipped,
        tarfile.open(web_folder / "val.tar", "w") as tarred,
    ):
        for name in WEB_NAMES[:2]:  # More than is read at a time.
            (web_folder / "large").write_bytes(bytes(10 * 2**20))
            zipped.write(web_folder / "large", name)
            tarred.add(web_folder / "large", name)
    (web_folder / "index").mkdir()
    (web_folder / "index" / "index.html").write_text("no links")
    with plain_http_server(web_folder) as server:
        for url in (f"{server.url}/val.zip", f"tar://::{server.url}/val.tar"):
            with pytest.raises(InputError, match="sends only whole files, no parts; download"):
                open_root(url)
        with pytest.raises(InputError, match=r"lists no files: .* give an archive"):
            list_files(open_root(f"{server.url}/index/"))
        with pytest.raises(OutputError, match="is on the web, which can only be read"):
            open_output(f"{server.url}/out")
        with pytest.raises(InputError, match=r"label file 'http://.*/val.txt' does not exist"):
            read_text(f"{server.url}/val.txt", "label file")
        server.faults.append(Fault("/my%20images", 403))
        with pytest.raises(InputError, match=r"opening 'http://.*': 403, message='Forbidden'"):
            open_root(f"{server.url}/my images/")


def test_a_folder_that_cannot_be_listed_to_its_end_is_no_smaller_folder(web_folder: Path) -> None:
    with plain_http_server(web_folder) as server:
        server.faults.append(Fault("GET /my%20images/class%20one", 404))
        with pytest.raises(InputError, match=r"listing 'http://.*my images/': .*/class%20one"):
            list_files(open_root(f"{server.url}/my images/"))


def test_links_of_a_page_that_are_no_files_of_its_folder_are_left_out(tmp_path: Path) -> None:
    links = ("?C=N;O=D", "#top", "/", "../", "./", "b.jpg", "http://elsewhere/c.jpg", "sub/")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.jpg").write_bytes(b"a")
    text = "".join(f'<a href="{link}">link</a>\n' for link in links)
    (tmp_path / "index.html").write_text(text)
    with plain_http_server(tmp_path) as server:
        assert list_files(open_root(f"{server.url}/")) == ["b.jpg", "sub/a.jpg"]


def test_a_range_beyond_the_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    root = open_root(str(tmp_path))
    assert read_range(root, "a", 1, 4) == b"2345"
    with pytest.raises(OSError, match=r"/a': expected 5 bytes from 1 on, found 4"):
        read_range(root, "a", 1, 5)


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


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("scheme", ["local", "memory", "s3"])
def test_an_empty_file_is_read(scheme: str, tmp_path: Path) -> None:
    """Object stores refuse a request for a part of it."""
    urls = {"local": str(tmp_path / "set"), "memory": f"memory://{tmp_path.name}"}
    output = open_output(urls.get(scheme, f"s3://{BUCKET}/{tmp_path.name}"))
    write_file(output, "empty", b"")
    assert read_file(output, "empty") == b""


@pytest.mark.parametrize(
    ("place", "folder", "inside"),
    [
        ("{here}/a/b", "{here}/a", True),
        ("{here}/a", "{here}/a/", True),
        ("{here}/ab", "{here}/a", False),
        ("{here}/a", "{here}/a/b", False),
        ("{here}/link/b", "{here}/a", True),
        ("{here}/b", "{here}/a/to-b", True),
        ("memory://a/b", "memory://a", True),
        ("memory://ab", "memory://a", False),
        ("{here}/a/b", "memory:/{here}/a", False),
    ],
)
def test_places_inside_of_folders_are_found(
    place: str, folder: str, inside: bool, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "a" / "to-b").symlink_to("../b")
    roots = [connect(url.format(here=tmp_path)) for url in (place, folder)]
    assert lies_inside(*roots) is inside

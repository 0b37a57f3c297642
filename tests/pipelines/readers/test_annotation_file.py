"""COCO's annotations are read from zip archives and gzip files, and damaged ones are refused."""

from __future__ import annotations

import codecs
import gzip
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sysnoise.pipelines.readers import annotation_file
from sysnoise.pipelines.readers.annotation_file import find_annotations, split_of
from sysnoise.pipelines.readers.coco import read_coco
from sysnoise.pipelines.readers.sources import SourceSet
from tests.pipelines.readers.layouts import in_memory, refusal


def document(image: int = 1) -> dict[str, Any]:
    return {
        "images": [{"id": image, "file_name": "größe.jpg", "width": 8, "height": 8}],
        "annotations": [{"id": 1, "image_id": image, "category_id": 0, "bbox": [1, 1, 2, 2]}],
        "categories": [{"id": 0, "name": "cat"}],
    }


def text(image: int = 1) -> bytes:
    return json.dumps(document(image), ensure_ascii=False).encode()


def write_zip(path: Path, members: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "größe.jpg").write_bytes(b"1")
    return tmp_path


def read(folder: Path, annotations: str, split: str | None = None) -> SourceSet:
    return read_coco(str(folder / "images"), annotations, split)


def image_of(found: SourceSet) -> int:
    (row,) = found.rows()["image"].to_pylist()
    return int(json.loads(row)["id"])


PACKED: Mapping[str, Callable[[bytes], bytes]] = {
    "instances_val.json": lambda data: data,
    "instances_val.json.gz": gzip.compress,
    "instances_val.gz": lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:]),
    "instances_val": lambda data: codecs.BOM_UTF16_LE + data.decode().encode("utf-16-le"),
    "instances_val.JSON": lambda data: gzip.compress(data.decode().encode("utf-16")),
}


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("place", [str, in_memory])
def test_packed_documents_are_read(place: Callable[[Path], str], name: str, folder: Path) -> None:
    (folder / name).write_bytes(PACKED[name](text()))
    found = read(folder, f"{place(folder)}/{name}")
    assert image_of(found) == 1
    assert found.split == "val"


ARCHIVES: Mapping[str, tuple[Mapping[str, bytes], str | None, int, str]] = {
    "one, in a folder": ({"annotations/instances_val.json": text(3)}, None, 3, "val"),
    "one, whatever the split": ({"annotations/instances_val.json": text(3)}, "mine", 3, "mine"),
    "one of another name": ({"labels.json": text(3), "readme.txt": b"1"}, None, 3, "labels"),
    "one, packed": ({"instances_val.json.gz": gzip.compress(text(3))}, None, 3, "val"),
    "one among COCO's other kinds": (
        {"a/captions_val.json": b"{}", "a/instances_val.json": text(3), "a/stuff_val.json": b"{}"},
        *(None, 3, "val"),
    ),
    "chosen by name": (
        {"a/instances_train2017.json": text(2), "a/instances_val2017.json": text(3)},
        *("val2017", 3, "val2017"),
    ),
    "chosen by folder": (
        {"train/_annotations.coco.json": text(2), "valid/_annotations.coco.json": text(3)},
        *("valid", 3, "valid"),
    ),
    "images without annotations": (
        {"image_info_test-dev2017.json": text(3), "image_info_test2017.json": text(2)},
        *("test-dev2017", 3, "test-dev2017"),
    ),
}


@pytest.mark.parametrize(("members", "split", "image", "name"), ARCHIVES.values(), ids=ARCHIVES)
@pytest.mark.parametrize("archive", ["all.zip", "ALL.ZIP"])
def test_archives_are_looked_into(
    archive: str,
    members: Mapping[str, bytes],
    split: str | None,
    image: int,
    name: str,
    folder: Path,
) -> None:
    write_zip(folder / archive, members)
    found = read(folder, str(folder / archive), split)
    assert image_of(found) == image
    assert found.split == name


@pytest.mark.parametrize("split", [None, "test"])
def test_choice_among_several_is_left_to_the_user(split: str | None, folder: Path) -> None:
    write_zip(folder / "all.zip", {f"a/instances_{each}.json": text() for each in ("train", "val")})
    message = refusal(lambda: read(folder, str(folder / "all.zip"), split))
    assert f"the archive '{folder / 'all.zip'}' holds" in message
    assert "--split:\n  a/instances_train.json: train\n  a/instances_val.json: val" in message


def test_archive_of_something_else_is_refused(folder: Path) -> None:
    write_zip(folder / "all.zip", {"stuff_val2017_pixelmaps/1.png": b"1"})
    message = refusal(lambda: read(folder, str(folder / "all.zip")))
    assert "holds no annotations, no .json or .json.gz file, but 1 other file(s)" in message
    assert "'stuff_val2017_pixelmaps/1.png'" in message


def test_chain_names_the_split_of_its_document(folder: Path) -> None:
    write_zip(folder / "all.zip", {"a/instances_val.json": text(3)})
    found = read(folder, f"zip://a/instances_val.json::{folder / 'all.zip'}")
    assert (image_of(found), found.split) == (3, "val")
    found = read(folder, f"zip://::{folder / 'all.zip'}")
    assert (image_of(found), found.split) == (3, "val")


@pytest.mark.parametrize(
    ("url", "split"),
    [
        ("instances_val2017.json", "val2017"),
        ("s3://bucket/a/instances_val2017.json.gz", "val2017"),
        ("https://host/a/instances_val2017.json?signature=secret/x.json", "val2017"),
        ("zip://a/instances_val.json::https://host/all.zip?signature=secret", "val"),
        ("image_info_test-dev2017.json", "test-dev2017"),
        ("lvis_v1_val.json", "lvis_v1_val"),
        ("person_keypoints_val2017.json", "person_keypoints_val2017"),
    ],
)
def test_split_is_in_the_name(url: str, split: str) -> None:
    assert split_of(url) == split


NO_ARCHIVES: Mapping[str, tuple[bytes, str]] = {
    "a page": (b"<!DOCTYPE html><html></html>", "found an HTML page"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\n", "found a Git LFS pointer"),
    "JSON": (text(), "found another kind of file"),
    "nothing": (b"", "found an empty file"),
}


@pytest.mark.parametrize(("data", "what"), NO_ARCHIVES.values(), ids=NO_ARCHIVES)
def test_what_is_no_archive_is_refused_by_what_it_is(data: bytes, what: str, folder: Path) -> None:
    (folder / "all.zip").write_bytes(data)
    message = refusal(lambda: read(folder, str(folder / "all.zip")))
    assert (
        f"opening the file of annotations '{folder / 'all.zip'}': expected a zip archive" in message
    )
    assert what in message


def test_places_without_a_document_are_refused(folder: Path) -> None:
    message = refusal(lambda: find_annotations(str(folder / "none.zip"), None))
    assert message == f"the file of annotations '{folder / 'none.zip'}' does not exist"
    (folder / "instances_val.json").write_bytes(text())
    message = refusal(lambda: find_annotations(str(folder), None))
    assert "is a folder; give one of its files: 'instances_val.json'" in message


def test_damaged_gzip_is_refused_wherever_it_is_cut(folder: Path) -> None:
    data = gzip.compress(text())
    path = folder / "instances_val.json.gz"
    flipped = bytearray(data)
    flipped[len(data) // 2] ^= 0xFF
    for damaged in (*(data[:end] for end in range(3, len(data), 7)), bytes(flipped), data + b"x"):
        path.write_bytes(damaged)
        message = refusal(lambda: read(folder, str(path)))
        assert (
            f"reading the file of annotations '{path}': the gzip file is damaged or cut off"
            in message
        )


def test_damaged_archive_is_refused_wherever_it_is_damaged(folder: Path) -> None:
    path = folder / "all.zip"
    write_zip(path, {"instances_val.json": text()})
    data = path.read_bytes()
    for end in range(4, len(data), 11):
        path.write_bytes(data[:end])
        message = refusal(lambda: read(folder, str(path)))
        assert "expected a zip archive, found one that is damaged or cut off" in message
    start = data.index(b"instances_val.json") + len("instances_val.json")
    for place in range(start, start + 60, 5):
        flipped = bytearray(data)
        flipped[place] ^= 0x55
        path.write_bytes(flipped)
        message = refusal(lambda: read(folder, str(path)))
        assert "all.zip" in message


def test_length_of_what_is_unpacked_has_a_limit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annotation_file, "STREAM_BYTES", 1 << 22)
    path = folder / "instances_val.json.gz"
    path.write_bytes(gzip.compress(b'{"info": "", ' + b" " * (1 << 24)))
    assert path.stat().st_size < 20_000
    message = refusal(lambda: read(folder, str(path)))
    assert "it is longer than 4194304 bytes, the most that is read of it" in message

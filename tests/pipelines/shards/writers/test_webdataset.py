"""Tar shards, read with tarfile and compared with what tarfile itself writes."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from sysnoise.pipelines.shards.writers.webdataset import WebDatasetWriter, metadata_members
from tests.pipelines.shards.writers.builders import imagenet_sample

IMAGES = {"a": [b"x" * 700, b"y" * 512], "b": [b"", b"z"]}


def write(folder: Path) -> list[Path]:
    paths = [folder / "first.tar", folder / "second.tar"]
    writer = WebDatasetWriter([str(path) for path in paths], ["first", "first"], "png")
    for key, images in IMAGES.items():
        writer.write({"first": imagenet_sample(key)}, images)
    for path, written in zip(paths, writer.close(), strict=True):
        assert written.samples == 2
        assert written.bytes == path.stat().st_size
    return paths


def test_shards_are_what_tarfile_writes(tmp_path: Path) -> None:
    for number, path in enumerate(write(tmp_path)):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for key, images in IMAGES.items():
                document = dict(metadata_members(imagenet_sample(key)))["json"]
                members = {"cls": b"7", "json": document, "png": images[number]}
                for extension, data in members.items():
                    info = tarfile.TarInfo(f"{key}.{extension}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        assert path.read_bytes() == buffer.getvalue()


def test_members_are_sorted_and_without_time_or_owner(tmp_path: Path) -> None:
    for path in write(tmp_path):
        with tarfile.open(path) as tar:
            members = tar.getmembers()
        names = [member.name for member in members]
        assert names == sorted(names)
        assert {(m.mtime, m.uid, m.gid, m.mode, m.uname) for m in members} == {(0, 0, 0, 0o644, "")}


def test_json_names_the_sample_and_no_variant() -> None:
    document = json.loads(dict(metadata_members(imagenet_sample("a")))["json"])
    assert document["key"] == "a"
    assert document["label"] == 7
    assert document["wnid"] == "n01514668"
    assert document["source_name"] == "a.JPEG"
    assert document["geometry"]["resized_width"] == 341
    assert set(document) == {
        "key",
        "label",
        "wnid",
        "class_name",
        "source_name",
        "source_sha256",
        "geometry",
    }

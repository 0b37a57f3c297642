"""What a file is that is not what it should be."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sysnoise.transforms.first_bytes import LENGTH, what_begins


def tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("x"))
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x", b"1")
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"x": [1]}), buffer)
    return buffer.getvalue()


def arrow() -> bytes:
    buffer = io.BytesIO()
    table = pa.table({"x": [1]})
    with pa.ipc.new_file(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


FILES = [
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a Git LFS pointer"),
    (b"\n<!DOCTYPE html><p>Not found", "an HTML page"),
    (b"<?xml version='1.0'?><Error/>", "an XML document"),
    (gzip.compress(b"1"), "a gzip file"),
    (lzma.compress(b"1"), "an xz file"),
    (zipped(), "a zip archive"),
    (tar(), "a tar archive"),
    (parquet(), "a Parquet file"),
    (arrow(), "an Arrow file"),
    (array(), "a NumPy array"),
    (b"", "an empty file"),
    (bytes(2000), "nothing but zero bytes"),
    ("a.JPEG 65\n".encode("utf-16-le"), "text in UTF-16, little-endian"),
    ("größe.jpg 65\n".encode("utf-16-be"), "text in UTF-16, big-endian"),
]


@pytest.mark.parametrize(("data", "expected"), FILES, ids=[expected for _, expected in FILES])
def test_files_are_named_by_what_they_are(data: bytes, expected: str) -> None:
    found = what_begins(data[:LENGTH])
    assert found is not None
    assert found.startswith(expected)


@pytest.mark.parametrize(
    "data", [b"a.JPEG 65\n", b"{}", "größe 1".encode(), "größe 1".encode("cp1252"), b"\x00\x01\x02"]
)
def test_others_are_not_named(data: bytes) -> None:
    assert what_begins(data) is None

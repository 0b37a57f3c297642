"""Texts in the encodings that people's editors and shells write."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.storage.reading import read_text

TEXT = "größe.JPEG 65\r\nb.JPEG 1\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_bytes(TEXT.encode(encoding))
    assert read_text(str(tmp_path / "val.txt"), "label file") == TEXT


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (TEXT.encode("utf-16-le"), "expected text, found text in UTF-16, little-endian, without a"),
        (TEXT.encode("cp1252"), "is not in UTF-8: invalid start byte of byte 0xf6; it may be in"),
        (gzip.compress(TEXT.encode()), "expected text, found a gzip file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "run 'git lfs pull' to get the file"),
        (b"<!DOCTYPE html>\n<html>", "found an HTML page"),
    ],
    ids=["UTF-16", "Windows", "gzip", "Git LFS", "HTML"],
)
def test_what_is_no_text_is_refused_by_what_it_is(
    data: bytes, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "val.txt").write_bytes(data)
    with pytest.raises(InputError, match="label file") as caught:
        read_text(str(tmp_path / "val.txt"), "label file")
    assert expected in str(caught.value)

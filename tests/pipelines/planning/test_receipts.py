"""Receipts and their way through a file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sysnoise.manifests.files import FileRow
from sysnoise.manifests.json_documents import DocumentError
from sysnoise.pipelines.planning.receipts import (
    Receipt,
    RejectedSample,
    read_receipt,
    read_receipt_if_whole,
    receipt_bytes,
)
from sysnoise.transforms.difference import Difference

RECEIPT = Receipt(
    fingerprint="f" * 64,
    shard=3,
    samples=2,
    rejects=(RejectedSample(3, "a", "a.JPEG", "too-large", "it has", {"pillow": "failed"}),),
    differences=(Difference(), Difference(2, 1, 50, 7, 9, 11, 3)),
    shared=({}, {0: 1}),
    fallbacks={"ffmpeg": 1},
    files=(
        FileRow("variants/a.tar", "a/b/c", 3, "webdataset", 2, 10240, "1" * 64),
        FileRow("variants/b.tar", "b/b/c", 3, "webdataset", 2, 10240, "1" * 64, "variants/a.tar"),
        FileRow("samples/3.parquet", None, 3, "samples", 3, 900, "2" * 64),
    ),
)


def test_a_receipt_survives_its_file() -> None:
    assert read_receipt(receipt_bytes(RECEIPT)) == RECEIPT
    assert RECEIPT.stored_bytes == 10240 + 900


def test_the_file_has_the_documented_fields() -> None:
    document = json.loads(receipt_bytes(RECEIPT))
    assert list(document) == [
        *("fingerprint", "shard", "samples", "rejects", "differences", "shared"),
        *("fallbacks", "files"),
    ]
    assert list(document["files"][0]) == [
        *("path", "variant", "format", "samples", "bytes", "sha256", "same_as"),
    ]
    assert document["differences"][1] == [2, 1, 50, 7, 9, 11, 3]
    assert document["shared"] == [{}, {"0": 1}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shard": None}, r"\$.shard"),
        ({"differences": [[1, 2]]}, r"\$.differences\[0\]"),
        ({"shared": [{"x": 1}]}, "positions of variants in 'shared'"),
        ({"files": [{}]}, r"\$.files\[0\]"),
        ({"rejects": "none"}, r"\$.rejects"),
    ],
)
def test_other_types_are_refused(change: dict[str, Any], message: str) -> None:
    data = json.dumps({**json.loads(receipt_bytes(RECEIPT)), **change}).encode()
    with pytest.raises(DocumentError, match=message):
        read_receipt(data)
    assert read_receipt_if_whole(data) is None

"""Files of predicted classes: what is read, and what is refused with file and row."""

from __future__ import annotations

import gzip
import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.scoring.class_rows import BATCH_ROWS, ClassRows, read_class_rows
from sysnoise.pipelines.storage.root import open_root

ROW = {"setting": "a/b/c", "key": "k", "class": 3}


def read(path: Path) -> list[ClassRows]:
    return list(read_class_rows(open_root(str(path)), ""))


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return path


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table({"setting": ["a/b/c"], "key": ["k"], **columns}), path)
    return path


def test_long_files_come_in_batches(tmp_path: Path) -> None:
    keys = [f"k{number}" for number in range(BATCH_ROWS + 5)]
    rows = [{**ROW, "key": key, "class": number} for number, key in enumerate(keys)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p.parquet")
    for path in (lines(tmp_path / "p.jsonl", *rows), tmp_path / "p.parquet"):
        found = read(path)
        assert len(found) == 2
        assert [key for each in found for key in each.keys] == keys
        classes = np.concatenate([each.classes for each in found])
        assert classes.tolist() == [[number] for number in range(len(keys))]


@pytest.mark.parametrize(
    ("columns", "classes"),
    [
        ({"class": pa.array([3], pa.int16())}, [[3]]),
        ({"class": pa.array([3], pa.uint64()), "label": [4]}, [[3]]),
        ({"top5": pa.array([[5, 4, 3, 2, 1]], pa.list_(pa.int32(), 5))}, [[5, 4, 3, 2, 1]]),
        ({"top5": pa.array([[5, 4, 3, 2, 1]], pa.large_list(pa.int64()))}, [[5, 4, 3, 2, 1]]),
        ({"logits": pa.array([[0.5, 2, 2, -1]], pa.list_(pa.float32()))}, [[1, 2, 0, 3]]),
        ({"logits": pa.array([np.arange(7, dtype=np.float16)])}, [[6, 5, 4, 3, 2]]),
        ({"class": [3], "setting": pa.array(["a/b/c"]).dictionary_encode()}, [[3]]),
        ({"class": [3], "key": pa.array(["k"], pa.large_string())}, [[3]]),
    ],
)
def test_parquet_of_any_writer_is_read(
    columns: dict[str, Any], classes: list[list[int]], tmp_path: Path
) -> None:
    (rows,) = read(parquet(tmp_path / "p.parquet", **columns))
    assert (list(rows.settings), list(rows.keys)) == (["a/b/c"], ["k"])
    assert rows.classes.tolist() == classes
    assert rows.has_top5 == ("class" not in columns)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"class": -1}, "row 2, class: expected a class, a whole number of at least 0, found -1"),
        ({"class": 2.0}, "row 2, class: expected a class"),
        ({"class": True}, "row 2, class: expected a class"),
        ({"class": 10**30}, "row 2, class: expected a class"),
        ({"class": None}, "row 2, class: expected a class"),
        (
            {"class": "65"},
            "row 2, class: expected a class, a whole number of at least 0, found '65'"[:],
        ),
        ({"key": 5}, "row 2, key: expected a text, found 5"),
        ({"setting": None}, "row 2, setting: expected a text, found None"),
    ],
)
def test_malformed_rows_are_named(change: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        read(lines(tmp_path / "p.jsonl", ROW, {**ROW, **change}))
    assert complaint in str(raised.value)
    assert "p.jsonl" in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("top5", [1, 2, 3, 4]),
        ("top5", [1, 2, 3, 4, 4]),
        ("top5", [1, 2, 3, 4, -5]),
        ("top5", [1, 2, 3, 4, 5.0]),
        ("top5", 3),
        ("top5", None),
        ("logits", []),
        ("logits", [0.5, float("nan")]),
        ("logits", [0.5, float("inf")]),
        ("logits", ["0.5", "1"]),
        ("logits", None),
    ],
)
def test_malformed_lists_are_named(kind: str, value: Any, tmp_path: Path) -> None:
    row = {"setting": "a/b/c", "key": "k", kind: value}
    paths = [lines(tmp_path / "p.jsonl", row), parquet(tmp_path / "p.parquet", **{kind: [value]})]
    for path in paths:
        with pytest.raises(InputError) as raised:
            read(path)
        assert re.search(rf"(row 1,|column) {kind}: expected", str(raised.value))


def test_logits_are_equally_many(tmp_path: Path) -> None:
    rows = [{"setting": "s", "key": "k", "logits": [0.5] * count} for count in (3, 3, 4)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p.parquet")
    for path in (lines(tmp_path / "p.jsonl", *rows), tmp_path / "p.parquet"):
        with pytest.raises(InputError) as raised:
            read(path)
        assert "row 3, logits: expected finite numbers, as many as" in str(raised.value)


def test_other_columns_are_named(tmp_path: Path) -> None:
    both: dict[str, Any] = {**ROW, "top5": [1, 2, 3, 4, 5]}
    rows: list[dict[str, Any]] = [
        both,
        {"setting": "s", "key": "k"},
        {"key": "k", "class": 1},
        {},
    ]
    for number, row in enumerate(rows):
        with pytest.raises(InputError) as raised:
            read(lines(tmp_path / f"{number}.jsonl", row))
        text = "expected setting, key and one of class, top5, logits, found"
        assert f"{text} {', '.join(row) or 'nothing'}" in str(raised.value)
    with pytest.raises(InputError) as raised:
        read(parquet(tmp_path / "p.parquet", label=[1]))
    assert f"{text} setting, key, label" in str(raised.value)
    with pytest.raises(InputError) as raised:
        read(lines(tmp_path / "p.jsonl", ROW, {"setting": "s", "key": "k", "top5": 1}))
    assert "row 2: expected setting, key and class as in the first row" in str(raised.value)


@pytest.mark.parametrize("name", ["p.jsonl", "p.ndjson", "P.JSONL"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_are_nothing_but_count(name: str, end: str, tmp_path: Path) -> None:
    texts = ["", json.dumps(ROW), "", " \t", json.dumps({**ROW, "key": "l"}), "", ""]
    (tmp_path / name).write_bytes(end.join(texts).encode())
    (rows,) = read(tmp_path / name)
    assert (list(rows.keys), rows.classes.tolist()) == (["k", "l"], [[3], [3]])
    (tmp_path / name).write_bytes(end.join([*texts, json.dumps({**ROW, "class": "x"})]).encode())
    with pytest.raises(InputError, match=r"row 8, class: expected .*, found 'x'"):
        read(tmp_path / name)


@pytest.mark.parametrize("text", ["", "\n", "\r\n \n"])
def test_a_file_of_blank_lines_has_no_rows(text: str, tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(text, "utf-8")
    assert read(tmp_path / "p.jsonl") == []


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"class": [3.0]}, "column class: expected a class, .*, found the type double"),
        ({"key": pa.array([b"k"]), "class": [3]}, "column key: expected texts, found the type bin"),
        ({"class": [3], "top5": [[1, 2, 3, 4, 5]]}, "class, top5; leave out all but one of them"),
    ],
)
def test_columns_of_other_types_are_named(
    columns: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=complaint):
        read(parquet(tmp_path / "p.parquet", **columns))


def test_a_file_that_is_named_like_parquet_is_told_from_one(tmp_path: Path) -> None:
    (tmp_path / "p.parquet").write_bytes(gzip.compress(b"x"))
    with pytest.raises(InputError, match="expected a Parquet file, found a gzip file"):
        read(tmp_path / "p.parquet")


@pytest.mark.parametrize("text", ["3\n", "[]\n", "{", "setting,key,class\n"])
def test_text_that_is_no_json_lines_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(text, "utf-8")
    with pytest.raises(InputError, match=r"p\.jsonl', row 1: (not JSON|expected a JSON object)"):
        read(tmp_path / "p.jsonl")


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    """Any change of any byte ends in rows or in an error that names the file."""
    rows = [{**ROW, "key": f"k{number}"} for number in range(4)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "whole.parquet")
    lines(tmp_path / "whole.jsonl", *rows)
    draw = random.Random(0)
    messages = []
    for extension in ("parquet", "jsonl"):
        whole = (tmp_path / f"whole.{extension}").read_bytes()
        for _ in range(200):
            data = bytearray(whole)
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            path = tmp_path / f"mutated.{extension}"
            path.write_bytes(data[: draw.choice([len(data), draw.randrange(len(data))])])
            messages += outcome(path)
    assert len(messages) > 200
    assert all("mutated." in message for message in messages)


def outcome(path: Path) -> list[str]:
    """The error of a file, if it is refused."""
    try:
        rows = read(path)
    except InputError as error:
        return [str(error)]
    assert all(len(each.keys) == len(each.classes) for each in rows)
    return []

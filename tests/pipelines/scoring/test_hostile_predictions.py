"""Predictions of any content: a table, or a refusal in one message."""

from __future__ import annotations

import datetime
import decimal
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.scoring import class_rows, result_files
from sysnoise.pipelines.scoring.class_rows import read_class_rows
from sysnoise.pipelines.scoring.result_files import read_results
from sysnoise.pipelines.storage.root import open_root

FIVE = [0, 1, 2, 3, 4]


def read(path: Path) -> None:
    root = open_root(str(path))
    for _ in read_class_rows(root, ""):
        pass


HOSTILE_LINES = {
    "class 2^70": '{"setting": "s", "key": "k", "class": 1180591620717411303424}',
    "400 digits": '{"setting": "s", "key": "k", "class": %s}' % ("9" * 400),
    "5,000 digits": '{"setting": "s", "key": "k", "class": %s}' % ("9" * 5000),
    "class of top-5": '{"setting": "s", "key": "k", "top5": [0, 1, 2, 3, 1180591620717411303424]}',
    "logits of 400 digits": '{"setting": "s", "key": "k", "logits": [1, %s]}' % ("9" * 400),
    "infinite logit": '{"setting": "s", "key": "k", "logits": [1, 1e999]}',
    "no number": '{"setting": "s", "key": "k", "logits": [1, NaN]}',
    "no list": '{"setting": "s", "key": "k", "logits": {}}',
    "flag": '{"setting": "s", "key": "k", "class": true}',
    "key of another type": '{"setting": "s", "key": ["k"], "class": 1}',
    "setting of another type": '{"setting": {"a": 1}, "key": "k", "class": 1}',
    "deep": "[" * 100_000,
    "deep value": '{"setting": "s", "key": "k", "class": %s}' % ("[" * 100_000),
    "no object": "[]",
    "no object, hundreds deep": f"{'[' * 900}{']' * 900}",
    "value hundreds deep": '{"setting": "s", "key": "k", "class": %s}' % ("[" * 900 + "]" * 900),
    "null": "null",
}


@pytest.mark.parametrize("line", HOSTILE_LINES.values(), ids=HOSTILE_LINES)
def test_lines_are_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(f"{line}\n", "utf-8")
    with pytest.raises(InputError, match="row 1") as refused:
        read(tmp_path / "p.jsonl")
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 1000


def test_large_logits_are_numbers(tmp_path: Path) -> None:
    row = {"setting": "s", "key": "k", "logits": [10**25, 1, 10**26, -(10**30), 2.5, 0]}
    (tmp_path / "p.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    (rows,) = read_class_rows(open_root(str(tmp_path / "p.jsonl")), "")
    assert rows.classes.tolist() == [[2, 0, 4, 1, 5]]


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_rows, "LINE_CHARACTERS", 1000)
    good = json.dumps({"setting": "s", "key": "k", "class": 1})
    (tmp_path / "p.jsonl").write_text(f"{good}\n{'x' * 2000}", "utf-8")
    with pytest.raises(InputError, match="row 2: the line is longer than 1000 characters"):
        read(tmp_path / "p.jsonl")


def test_rows_are_read_in_small_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"setting": "s", "key": str(number), "top5": FIVE} for number in range(50)]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p.parquet")
    monkeypatch.setattr(class_rows, "BATCH_VALUES", 20)
    for name in ("p.jsonl", "p.parquet"):
        batches = list(read_class_rows(open_root(str(tmp_path / name)), ""))
        assert len(batches) > 10
        assert [key for batch in batches for key in batch.keys] == list(map(str, range(50)))


TEXT = pa.array(["s"])
COLUMNS: dict[str, dict[str, Any]] = {
    "number as key": {"key": pa.array([1])},
    "bytes as key": {"key": pa.array([b"k"])},
    "list as key": {"key": pa.array([["k"]])},
    "null as setting": {"setting": pa.array([None])},
    "decimal": {"class": pa.array([decimal.Decimal("1.5")])},
    "text": {"class": pa.array(["1"])},
    "day": {"class": pa.array([2**31 - 1], pa.int32()).cast(pa.date32())},
    "time": {"class": pa.array([datetime.datetime(2000, 1, 1)])},
    "far time": {"class": pa.array([2**62], pa.timestamp("ms"))},
    "struct": {"class": pa.array([{"a": 1}])},
    "map": {"class": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))},
    "list of structs": {"class": pa.array([[{"a": 1}]])},
    "negative": {"class": pa.array([-1])},
    "unsigned": {"class": pa.array([2**64 - 1], pa.uint64())},
    "not finite": {"logits": pa.array([[np.nan, 1.0]])},
    "empty logits": {"logits": pa.array([[]], pa.list_(pa.float32()))},
    "four": {"top5": pa.array([[1, 2, 3, 4]])},
    "null within": {"top5": pa.array([[1, 2, 3, 4, None]])},
}


@pytest.mark.parametrize("columns", COLUMNS.values(), ids=COLUMNS)
def test_columns_of_other_types_are_refused(columns: dict[str, Any], tmp_path: Path) -> None:
    kinds = {} if {*columns} & {*class_rows.KINDS} else {"class": pa.array([1])}
    table = pa.table({"setting": TEXT, "key": TEXT, **kinds, **columns})
    pq.write_table(table, tmp_path / "p.parquet")
    with pytest.raises(InputError) as refused:
        read(tmp_path / "p.parquet")
    assert "\n" not in str(refused.value)


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    arrays = [TEXT, TEXT, TEXT, pa.array([1])]
    table = pa.Table.from_arrays(arrays, ["setting", "key", "key", "class"])
    pq.write_table(table, tmp_path / "p.parquet")
    with pytest.raises(InputError, match="several columns 'key'"):
        read(tmp_path / "p.parquet")


HOSTILE_RESULTS = {
    "deep": "[" * 100_000,
    "object": "{}",
    "text": '["x"]',
    "list as category": '[{"image_id": 1, "category_id": [1], "bbox": [0,0,1,1], "score": 1}]',
    "image 2^70": json.dumps(
        [{"image_id": 2**70, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]
    ),
    "400 digits": '[{"image_id": 1, "category_id": 1, "bbox": [0,0,1,%s], "score": 1}]'
    % ("9" * 400),
    "score": '[{"image_id": 1, "category_id": 1, "bbox": [0,0,1,1], "score": %s}]' % ("9" * 400),
    "1e308": '[{"image_id": 1, "category_id": 1, "bbox": [1e308,0,1e308,1], "score": 1}]',
    "NaN": '[{"image_id": 1, "category_id": 1, "bbox": [NaN,0,1,1], "score": 1}]',
}


@pytest.mark.parametrize("text", HOSTILE_RESULTS.values(), ids=HOSTILE_RESULTS)
def test_results_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(text, "utf-8")
    with pytest.raises(InputError, match="the results file"):
        list(read_results(str(tmp_path), {}))


def test_results_that_are_too_long_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_files, "RESULTS_CHARACTERS", 10)
    (tmp_path / "s.json").write_text(" " * 11 + "[]", "utf-8")
    with pytest.raises(InputError, match="longer than 10 characters"):
        list(read_results(str(tmp_path), {}))

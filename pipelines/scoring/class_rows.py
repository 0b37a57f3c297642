"""Predicted classes in Parquet or JSON lines: one row per image and setting."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.scoring.statistics import top_classes
from sysnoise.pipelines.storage.reading import open_file, open_text
from sysnoise.pipelines.storage.root import Root
from sysnoise.transforms.errors import plain_message

EXTENSIONS = (".parquet", ".jsonl")
"""The extensions of files of predicted classes."""
KINDS = ("class", "top5", "logits")
"""The columns that say what was predicted, of which a file has one."""
BEST_COUNT = 5
"""Number of best classes that top-5 is computed from."""
CLASS_LIMIT = 2**31
"""The number below which all classes lie."""
BATCH_ROWS = 4096
"""Number of rows that are held in memory at a time."""


@dataclass(frozen=True)
class ClassRows:
    """Some rows of a file.

    Attributes:
        settings, keys: the setting and the key of each row, as they are written in the file.
        classes: the predicted classes, the best first, shape (rows, 1), or (rows, up to 5) where
            ``has_top5``.
        has_top5: whether the rows have the five best classes.
    """

    settings: Sequence[str]
    keys: Sequence[str]
    classes: NDArray[np.int64]
    has_top5: bool


@dataclass(frozen=True)
class _UncheckedRows:
    """Some rows of a file, unchecked except that they have the columns.

    Attributes:
        first_row: the number of the first row, from 1.
        kind: the column that says what was predicted.
        settings, keys: the values of these columns.
        values: the values of the column of the kind; an array where they fill one.
    """

    first_row: int
    kind: str
    settings: list[Any]
    keys: list[Any]
    values: list[Any] | NDArray[Any]


def read_class_rows(root: Root, name: str) -> Iterator[ClassRows]:
    """Yield the rows of a file, some at a time.

    Args:
        root: the root of the predictions.
        name: the path of the file below it.

    Raises:
        InputError: the file cannot be read, or a row is malformed.
    """
    url = root.child(name)
    batches = _parquet_rows(root, name) if url.endswith(".parquet") else _json_rows(url)
    for batch in batches:
        yield _checked(f"the predictions {url!r}", batch)


def _parquet_rows(root: Root, name: str) -> Iterator[_UncheckedRows]:
    source = f"the predictions {root.child(name)!r}"
    try:
        with open_file(root, name) as opened:
            parquet = pq.ParquetFile(opened)
            kind = _kind(source, parquet.schema_arrow.names)
            columns = ["setting", "key", kind]
            first_row = 1
            for batch in parquet.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
                settings, keys = (batch.column(each).to_pylist() for each in ("setting", "key"))
                values = _parquet_values(batch.column(kind))
                yield _UncheckedRows(first_row, kind, settings, keys, values)
                first_row += len(batch)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"reading {source}: {plain_message(error)}") from error


def _parquet_values(column: pa.Array) -> list[Any] | NDArray[Any]:
    """Return lists of numbers as an array where they are equally long, other values as a list."""
    if column.null_count or not pa.types.is_nested(column.type):
        return list(column.to_pylist())
    lengths = pc.unique(pc.list_value_length(column))
    flat = pc.list_flatten(column)
    are_numbers = pa.types.is_integer(flat.type) or pa.types.is_floating(flat.type)
    if len(lengths) != 1 or flat.null_count or not are_numbers:
        return list(column.to_pylist())
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(len(column), -1)


def _json_rows(url: str) -> Iterator[_UncheckedRows]:
    first_row = 1
    with open_text(url, "predictions file") as opened:
        while lines := list(itertools.islice(opened, BATCH_ROWS)):
            rows = [_parsed(url, number, line) for number, line in enumerate(lines, first_row)]
            kind = _kind(f"the predictions {url!r}, row {first_row}", rows[0])
            for number, row in enumerate(rows, first_row):
                if not {"setting", "key", kind} <= row.keys():
                    raise InputError(
                        f"the predictions {url!r}, row {number}: expected setting, key and {kind} "
                        f"as in the first row, found {', '.join(row) or 'nothing'}"
                    )
            columns = ([row[each] for row in rows] for each in ("setting", "key", kind))
            yield _UncheckedRows(first_row, kind, *columns)
            first_row += len(lines)


def _parsed(url: str, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"the predictions {url!r}, row {number}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise InputError(f"the predictions {url!r}, row {number}: expected a JSON object")
    return row


def _kind(source: str, columns: Iterable[str]) -> str:
    """Return the column that says what was predicted."""
    names = list(columns)
    kinds = [each for each in KINDS if each in names]
    if len(kinds) != 1 or not {"setting", "key"} <= set(names):
        raise InputError(
            f"{source}: expected setting, key and one of {', '.join(KINDS)}, found "
            f"{', '.join(names) or 'nothing'}"
        )
    return kinds[0]


def _checked(source: str, rows: _UncheckedRows) -> ClassRows:
    for name, texts in (("setting", rows.settings), ("key", rows.keys)):
        for number, text in enumerate(texts, rows.first_row):
            if not isinstance(text, str):
                raise _malformed(source, number, name, "a text", text)
    array = _value_array(source, rows)
    is_ranked = rows.kind != "logits"
    classes = array.astype(np.int64) if is_ranked else top_classes(array, BEST_COUNT)
    return ClassRows(rows.settings, rows.keys, classes, has_top5=rows.kind != "class")


def _value_array(source: str, rows: _UncheckedRows) -> NDArray[Any]:
    """Return the values of the rows as an array of shape (rows, classes), after all checks."""
    kind, values, check = rows.kind, rows.values, _CHECKS[rows.kind]
    if isinstance(values, list):
        for number, value in enumerate(values, rows.first_row):
            if not check.is_value(value) or (kind == "logits" and len(value) != len(values[0])):
                raise _malformed(source, number, kind, check.expected, value)
    array = np.asarray(values).reshape(len(values), -1)
    for index in np.flatnonzero(~check.valid_rows(array)).tolist():
        raise _malformed(source, rows.first_row + index, kind, check.expected, values[index])
    return array


def _is_class(value: Any) -> bool:
    return type(value) is int


def _is_top5(value: Any) -> bool:
    return isinstance(value, list) and len(value) == BEST_COUNT and all(map(_is_class, value))


def _are_logits(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) in (int, float) for each in value)


def _rows_of_classes(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which rows hold different classes."""
    ordered = np.sort(array, axis=1)
    are_different = np.all(ordered[:, 1:] != ordered[:, :-1], axis=1)
    are_in_range = np.all((array >= 0) & (array < CLASS_LIMIT), axis=1)
    return np.asarray(are_different & are_in_range, bool)


def _rows_of_top5(array: NDArray[Any]) -> NDArray[np.bool_]:
    are_five = array.shape[1] == BEST_COUNT and np.issubdtype(array.dtype, np.integer)
    return _rows_of_classes(array) & are_five


def _rows_of_logits(array: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(array).all(axis=1) & (array.shape[1] > 0), bool)


@dataclass(frozen=True)
class _ValueCheck:
    """What is expected of the values of a kind.

    Attributes:
        expected: what is expected, in words.
        is_value: the function that says whether a Python value has the type of the kind.
        valid_rows: the function that says which rows of an array hold what is expected.
    """

    expected: str
    is_value: Callable[[Any], bool]
    valid_rows: Callable[[NDArray[Any]], NDArray[np.bool_]]


_CHECKS: Mapping[str, _ValueCheck] = {
    "class": _ValueCheck("a class, a whole number of at least 0", _is_class, _rows_of_classes),
    "top5": _ValueCheck("five different classes, the best first", _is_top5, _rows_of_top5),
    "logits": _ValueCheck(
        "finite numbers, as many as in the row before", _are_logits, _rows_of_logits
    ),
}


def _malformed(source: str, row: int, name: str, expected: str, found: Any) -> InputError:
    return InputError(f"{source}, row {row}, {name}: expected {expected}, found {str(found)[:80]}")

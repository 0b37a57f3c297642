"""Predicted classes in Parquet or JSON lines, one row per image and setting, or in timm's files."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import posixpath
import reprlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sysnoise.pipelines.errors import MAX_LISTED, InputError
from sysnoise.pipelines.scoring.files import setting_text
from sysnoise.pipelines.scoring.statistics import is_finite_number, top_classes
from sysnoise.pipelines.scoring.timm_files import (
    TimmRow,
    is_of_timm,
    is_timm_column,
    read_csv,
    read_json,
    timm_row,
)
from sysnoise.pipelines.storage.reading import kind_of_file, open_file, open_text
from sysnoise.pipelines.storage.root import Root, is_local
from sysnoise.transforms.errors import plain_message
from sysnoise.transforms.first_bytes import PARQUET

EXTENSIONS = (".parquet", ".jsonl", ".ndjson", ".csv", ".json")
"""The extensions of files of predicted classes."""
KINDS = ("class", "top5", "logits")
"""The columns that say what was predicted, of which a file has one."""
BEST_COUNT = 5
"""Number of best classes that top-5 is computed from."""
CLASS_LIMIT = 2**31
"""The number below which all classes lie."""
BATCH_ROWS = 4096
"""Number of rows that are held in memory at a time, at most."""
BATCH_VALUES = 2**24
"""Number of values in these rows, at most, or characters: some 4,096 rows of logits."""
LINE_CHARACTERS = 2**24
"""Largest number of characters of a line of JSON: the logits of half a million classes."""
COPIED_BYTES = 2**20
"""Number of bytes of a remote file that are copied at a time."""
SHOWN = 80
"""Number of characters of a value that a message shows."""
_REPR = reprlib.Repr()
"""Writes values, of lists only the start: rows may hold long ones, and lists in lists in lists."""
_REPR.maxstring = _REPR.maxlong = _REPR.maxother = SHOWN


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
        numbers: the number of each row in its file, from 1; of JSON, that of its line.
        kind: the column that says what was predicted.
        settings, keys: the values of these columns.
        values: the values of the column of the kind; an array where they fill one.
    """

    numbers: Sequence[int]
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
    read_batches = _READERS[posixpath.splitext(name or root.path)[1].lower()]
    for batch in read_batches(root, name):
        yield _checked(f"the predictions {url!r}", batch)


def _parquet_rows(root: Root, name: str) -> Iterator[_UncheckedRows]:
    source = f"the predictions {root.child(name)!r}"
    try:
        _refuse_other_files(root, name)
        with _arrow_file(root, name) as opened:
            parquet = pq.ParquetFile(opened)
            if is_of_timm(parquet.schema_arrow.names):
                yield from _timm_rows(root, name, _timm_parquet(root.child(name), parquet))
                return
            kind = _kind(source, parquet.schema_arrow.names)
            _check_types(source, parquet.schema_arrow, kind)
            columns = ["setting", "key", kind]
            size, first_row = _batch_size(parquet.metadata), 1
            for batch in parquet.iter_batches(size, columns=columns, use_threads=False):
                settings, keys = (batch.column(each).to_pylist() for each in ("setting", "key"))
                values = _parquet_values(batch.column(kind))
                numbers = range(first_row, first_row + len(batch))
                yield _UncheckedRows(numbers, kind, settings, keys, values)
                first_row += len(batch)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"reading {source}: {plain_message(error)}") from error


def _refuse_other_files(root: Root, name: str) -> None:
    """Refuse what is surely no Parquet file; Arrow refuses the rest."""
    found = kind_of_file(root, name)
    if found not in (None, PARQUET):
        raise ValueError(f"expected a Parquet file, found {found}")


def _batch_size(metadata: pq.FileMetaData) -> int:
    """Return a number of rows whose values are few enough."""
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    longest = max((_values_of_a_row(group) for group in groups), default=1)
    return max(1, min(BATCH_ROWS, BATCH_VALUES // longest))


def _values_of_a_row(group: pq.RowGroupMetaData) -> int:
    columns = map(group.column, range(group.num_columns))
    most = max((int(column.num_values) for column in columns), default=0)
    return max(1, most // max(1, int(group.num_rows)))


@contextlib.contextmanager
def _arrow_file(root: Root, name: str) -> Iterator[pa.NativeFile]:
    """Open a file, or a copy of a remote one, as a file of Arrow's.

    Not as a Python file: Arrow's threads may still hold that when the interpreter ends, and then
    abort the process.
    """
    if is_local(root):
        with pa.OSFile(root.join(name)) as file:
            yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "copy")
        with open_file(root, name) as opened, open(path, "xb") as copy:
            shutil.copyfileobj(opened, copy, COPIED_BYTES)
        with pa.OSFile(path) as file:
            yield file


def _check_types(source: str, schema: pa.Schema, kind: str) -> None:
    """Refuse columns of other types, before a row of them is read."""
    for name in ("setting", "key"):
        if not _is_text(schema.field(name).type):
            raise _wrong_type(source, name, "texts", schema.field(name).type)
    if not _holds(schema.field(kind).type, kind):
        raise _wrong_type(source, kind, _CHECKS[kind].expected, schema.field(kind).type)


def _wrong_type(source: str, name: str, expected: str, found: pa.DataType) -> InputError:
    return InputError(f"{source}, column {name}: expected {expected}, found the type {found}")


def _is_text(found: pa.DataType) -> bool:
    inner = found.value_type if pa.types.is_dictionary(found) else found
    are_texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(is_of_type(inner) for is_of_type in are_texts)


def _holds(found: pa.DataType, kind: str) -> bool:
    """Whether a type can hold the values of a kind."""
    if kind == "class":
        return bool(pa.types.is_integer(found))
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(is_list(found) for is_list in lists):
        return False
    is_float = kind == "logits" and pa.types.is_floating(found.value_type)
    return bool(is_float or pa.types.is_integer(found.value_type))


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


def _timm_parquet(url: str, parquet: pq.ParquetFile) -> Iterator[TimmRow]:
    names = [name for name in parquet.schema_arrow.names if is_timm_column(name)]
    size, number = _batch_size(parquet.metadata), 0
    for batch in parquet.iter_batches(size, columns=names, use_threads=False):
        for row in batch.to_pylist():
            number += 1
            yield timm_row(url, number, row)


def _timm_rows(root: Root, name: str, rows: Iterator[TimmRow]) -> Iterator[_UncheckedRows]:
    """Yield timm's rows, of which five classes or more give a top-5, fewer only the best."""
    setting = setting_text(root, name)
    while some := list(itertools.islice(rows, BATCH_ROWS)):
        numbers, keys, classes = zip(*some, strict=True)
        kind = "top5" if min(map(len, classes)) >= BEST_COUNT else "class"
        values = [each[:BEST_COUNT] if kind == "top5" else each[0] for each in classes]
        yield _UncheckedRows(numbers, kind, [setting] * len(some), list(keys), values)


def _json_lines(root: Root, name: str) -> Iterator[_UncheckedRows]:
    url = root.child(name)
    with open_text(url, "predictions file") as opened:
        lines = enumerate(iter(lambda: opened.readline(LINE_CHARACTERS + 1), ""), start=1)
        while some := _some_lines(url, lines):
            rows = {number: _parsed(url, number, line) for number, line in some.items()}
            first, first_row = next(iter(rows.items()))
            kind = _kind(f"the predictions {url!r}, row {first}", first_row)
            for number, row in rows.items():
                if not {"setting", "key", kind} <= row.keys():
                    names = ", ".join(list(row)[:MAX_LISTED])
                    raise InputError(
                        f"the predictions {url!r}, row {number}: expected setting, key and {kind} "
                        f"as in the first row, found {names or 'nothing'}"
                    )
            columns = ([row[each] for row in rows.values()] for each in ("setting", "key", kind))
            yield _UncheckedRows(list(rows), kind, *columns)


_READERS: Mapping[str, Callable[[Root, str], Iterator[_UncheckedRows]]] = {
    ".parquet": _parquet_rows,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": lambda root, name: _timm_rows(root, name, read_csv(root.child(name))),
    ".json": lambda root, name: _timm_rows(root, name, read_json(root.child(name))),
}
"""The functions that read a file's rows, by its extension."""


def _some_lines(url: str, lines: Iterator[tuple[int, str]]) -> dict[int, str]:
    """Return the next lines by number, as many as are held at a time, without blank ones."""
    some: dict[int, str] = {}
    size = 0
    for number, line in lines:
        if len(line) > LINE_CHARACTERS:
            raise InputError(
                f"the predictions {url!r}, row {number}: the line is longer than "
                f"{LINE_CHARACTERS} characters"
            )
        if line.strip():
            some[number] = line
            size += len(line)
        if len(some) == BATCH_ROWS or size >= BATCH_VALUES:
            break
    return some


def _parsed(url: str, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the predictions {url!r}, row {number}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise InputError(
            f"the predictions {url!r}, row {number}: expected a JSON object, one on each line, "
            f"found {_shown(row)}"
        )
    return row


def _kind(source: str, columns: Iterable[str]) -> str:
    """Return the column that says what was predicted."""
    names = list(columns)
    kinds = [each for each in KINDS if each in names]
    if len(kinds) != 1 or not {"setting", "key"} <= set(names):
        raise InputError(
            f"{source}: expected setting, key and one of {', '.join(KINDS)}, found "
            f"{', '.join(names[:MAX_LISTED]) or 'nothing'}"
            f"{'; leave out all but one of them' if len(kinds) > 1 else ''}"
        )
    twice = [each for each in ("setting", "key", kinds[0]) if names.count(each) > 1]
    if twice:
        raise InputError(f"{source}: there are several columns {twice[0]!r}")
    return kinds[0]


def _checked(source: str, rows: _UncheckedRows) -> ClassRows:
    for name, texts in (("setting", rows.settings), ("key", rows.keys)):
        for number, text in zip(rows.numbers, texts, strict=True):
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
        for number, value in zip(rows.numbers, values, strict=True):
            if not check.is_value(value) or (kind == "logits" and len(value) != len(values[0])):
                raise _malformed(source, number, kind, check.expected, value)
    if isinstance(values, list):  # Whole numbers may be too long for NumPy's.
        values = np.asarray(values, np.float64 if kind == "logits" else np.int64)
    array = values.reshape(len(values), -1)
    for index in np.flatnonzero(~check.valid_rows(array)).tolist():
        found = values[index].tolist()
        raise _malformed(source, rows.numbers[index], kind, check.expected, found)
    return array


def _is_class(value: Any) -> bool:
    return type(value) is int and 0 <= value < CLASS_LIMIT


def _is_top5(value: Any) -> bool:
    return isinstance(value, list) and len(value) == BEST_COUNT and all(map(_is_class, value))


def _are_logits(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_finite_number, value))


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
    return InputError(f"{source}, row {row}, {name}: expected {expected}, found {_shown(found)}")


def _shown(value: Any) -> str:
    """Return a value as it is written, or its start."""
    text = _REPR.repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."

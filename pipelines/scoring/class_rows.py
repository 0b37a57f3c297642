"""Predicted classes in Parquet or JSON lines: a row an image of a setting."""

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
KINDS = ("class", "top5", "logits")
"""The columns that say what was predicted, of which a file has one."""
TOP = 5
LIMIT = 2**31
"""Below which classes lie."""
BATCH = 4096
"""Rows that are held at a time."""


@dataclass(frozen=True)
class ClassRows:
    """Some rows of a file.

    Attributes:
        settings, keys: of each row, as the file has them.
        classes: the predicted ones, the best first, shape (rows, 1), or (rows, up to 5) where
            ``has_top5``.
        has_top5: whether the rows say the five best.
    """

    settings: Sequence[str]
    keys: Sequence[str]
    classes: NDArray[np.int64]
    has_top5: bool


def read_class_rows(root: Root, name: str) -> Iterator[ClassRows]:
    """Yield the rows of a file.

    Args:
        root: of the predictions.
        name: of the file below it.

    Raises:
        InputError: it cannot be read, or a row is malformed.
    """
    url = root.child(name)
    batches = _parquet(root, name) if url.endswith(".parquet") else _json_lines(url)
    for start, kind, columns in batches:
        yield _rows(f"the predictions {url!r}", start, kind, columns)


Flags = NDArray[np.bool_]
Batch = tuple[int, str, Mapping[str, Any]]
"""Number of the first row, kind, and columns: lists of texts, and values as lists or arrays."""


def _parquet(root: Root, name: str) -> Iterator[Batch]:
    work = f"the predictions {root.child(name)!r}"
    try:
        with open_file(root, name) as opened:
            parquet = pq.ParquetFile(opened)
            kind = _kind(work, parquet.schema_arrow.names)
            batches = parquet.iter_batches(
                BATCH, columns=["setting", "key", kind], use_threads=False
            )
            start = 1
            for batch in batches:
                columns = {each: batch.column(each).to_pylist() for each in ("setting", "key")}
                yield start, kind, {**columns, kind: _values(batch.column(kind))}
                start += len(batch)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(f"reading {work}: {plain_message(error)}") from error


def _values(column: pa.Array) -> Any:
    """Return numbers or lists of numbers as an array where they fill one, else as a list."""
    if column.null_count or not pa.types.is_nested(column.type):
        return column.to_pylist()
    lengths = pc.unique(pc.list_value_length(column))
    flat = pc.list_flatten(column)
    are_numbers = pa.types.is_integer(flat.type) or pa.types.is_floating(flat.type)
    if len(lengths) != 1 or flat.null_count or not are_numbers:
        return column.to_pylist()
    return flat.to_numpy(zero_copy_only=False).reshape(len(column), -1)


def _json_lines(url: str) -> Iterator[Batch]:
    start = 1
    with open_text(url, "predictions file") as opened:
        while lines := list(itertools.islice(opened, BATCH)):
            rows = [_parsed(url, start + place, line) for place, line in enumerate(lines)]
            kind = _kind(f"the predictions {url!r}, row {start}", rows[0])
            for place, row in enumerate(rows):
                if not {"setting", "key", kind} <= row.keys():
                    raise InputError(
                        f"the predictions {url!r}, row {start + place}: expected setting, key and "
                        f"{kind} as in the first row, found {', '.join(row) or 'nothing'}"
                    )
            yield (
                start,
                kind,
                {each: [row[each] for row in rows] for each in ("setting", "key", kind)},
            )
            start += len(lines)


def _parsed(url: str, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"the predictions {url!r}, row {number}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise InputError(f"the predictions {url!r}, row {number}: expected a JSON object")
    return row


def _kind(work: str, names: Iterable[str]) -> str:
    found = list(names)
    kinds = [each for each in KINDS if each in found]
    if len(kinds) != 1 or not {"setting", "key"} <= set(found):
        raise InputError(
            f"{work}: expected setting, key and one of {', '.join(KINDS)}, found "
            f"{', '.join(found) or 'nothing'}"
        )
    return kinds[0]


def _rows(work: str, start: int, kind: str, columns: Mapping[str, Any]) -> ClassRows:
    for name in ("setting", "key"):
        for place, value in enumerate(columns[name]):
            if not isinstance(value, str):
                raise _malformed(work, start + place, name, "a text", value)
    expected, fits, holds = _CHECKS[kind]
    values = columns[kind]
    if isinstance(values, list):
        for place, value in enumerate(values):
            if not fits(value) or (kind == "logits" and len(value) != len(values[0])):
                raise _malformed(work, start + place, kind, expected, value)
    array = np.asarray(values).reshape(len(values), -1)
    for place in np.flatnonzero(~holds(array)).tolist():
        raise _malformed(work, start + place, kind, expected, values[place])
    classes = top_classes(array, TOP) if kind == "logits" else array.astype(np.int64)
    return ClassRows(columns["setting"], columns["key"], classes, kind != "class")


def _is_class(value: Any) -> bool:
    return type(value) is int


def _is_top5(value: Any) -> bool:
    return isinstance(value, list) and len(value) == TOP and all(map(_is_class, value))


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(each) in (int, float) for each in value)


def _hold_classes(array: NDArray[Any]) -> Flags:
    """Whether each row holds different classes."""
    ordered = np.sort(array, axis=1)
    different = np.all(ordered[:, 1:] != ordered[:, :-1], axis=1)
    in_range = np.all((array >= 0) & (array < LIMIT), axis=1)
    return np.asarray(different & in_range, bool)


def _hold_five(array: NDArray[Any]) -> Flags:
    are_five = array.shape[1] == TOP and np.issubdtype(array.dtype, np.integer)
    return _hold_classes(array) & are_five


def _hold_logits(array: NDArray[Any]) -> Flags:
    return np.asarray(np.isfinite(array).all(axis=1) & (array.shape[1] > 0), bool)


Check = tuple[str, Callable[[Any], bool], Callable[[NDArray[Any]], Flags]]
_CHECKS: Mapping[str, Check] = {
    "class": ("a class, a whole number of at least 0", _is_class, _hold_classes),
    "top5": ("five different classes, the best first", _is_top5, _hold_five),
    "logits": ("finite numbers, as many as in the row before", _are_numbers, _hold_logits),
}
"""What is expected of each kind, whether a value fits it, and which rows of an array do."""


def _malformed(work: str, row: int, name: str, expected: str, found: Any) -> InputError:
    return InputError(f"{work}, row {row}, {name}: expected {expected}, found {str(found)[:80]}")

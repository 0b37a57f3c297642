"""Predicted classes as timm's ``inference.py`` writes them: a row per file name, for one setting.

Source: timm 1.0, ``inference.py``, which writes the classes with ``--include-index``: one number,
or with ``--topk`` a list of them, or one column each with ``--results-separate-col``.
"""

from __future__ import annotations

import csv
import itertools
import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sysnoise.pipelines.errors import MAX_LISTED, InputError
from sysnoise.pipelines.storage.reading import open_text, read_text

FILE_NAME = "filename"
"""The column of file names, which are the keys of exported images with an extension."""
INDEX = "index"
"""The column of classes, or the begin of the names of several."""
LINE_CHARACTERS = 2**24
"""Largest number of characters of a line of CSV, as of JSON lines."""
_CLASSES = re.compile(r"\d{1,10}|\[\s*\d{1,10}(?:[\s,]+\d{1,10})*\s*\]")
"""Classes in a field of CSV, in which a list is written as NumPy prints it."""

TimmRow = tuple[int, str, list[Any]]
"""The number of a row in its file, from 1, the key that it names, and classes, the best first."""


def is_timm_column(name: str) -> bool:
    """Whether a column is one of those that are read."""
    return name == FILE_NAME or re.fullmatch(rf"{INDEX}(_\d+)?", name) is not None


def is_of_timm(columns: Sequence[str]) -> bool:
    """Whether a table is timm's, and not one with settings and keys."""
    return FILE_NAME in columns and not {"setting", "key"} <= {*columns}


def read_csv(url: str) -> Iterator[TimmRow]:
    """Yield the rows of a CSV file.

    Raises:
        InputError: it cannot be read, or a row is malformed.
    """
    with open_text(url, "predictions file") as opened:
        lines = iter(lambda: opened.readline(LINE_CHARACTERS + 1), "")
        reader = csv.DictReader(_bounded(url, lines))
        try:
            for number, row in enumerate(reader, start=1):
                yield timm_row(url, number, row)
        except csv.Error as error:
            raise InputError(f"reading the predictions {url!r}: not CSV: {error}") from error


def _bounded(url: str, lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if len(line) > LINE_CHARACTERS:
            raise InputError(
                f"the predictions {url!r}: a line is longer than {LINE_CHARACTERS} characters"
            )
        yield line


def read_json(url: str) -> Iterator[TimmRow]:
    """Yield the rows of a JSON file: an object by file name, or columns and data.

    Raises:
        InputError: it cannot be read, or a row is malformed.
    """
    text = read_text(url, "predictions file")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"reading the predictions {url!r}: not JSON: {error}") from error
    for number, row in enumerate(_json_rows(url, document), start=1):
        yield timm_row(url, number, row)


def _json_rows(url: str, document: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(document, dict):
        columns, data = document.get("columns"), document.get("data")
        if isinstance(columns, list) and isinstance(data, list):
            lengths = {len(each) if isinstance(each, list) else None for each in data}
            if lengths <= {len(columns)}:
                yield from (dict(zip(map(str, columns), row, strict=True)) for row in data)
                return
        elif all(isinstance(row, dict) for row in document.values()):
            yield from ({FILE_NAME: name, **row} for name, row in document.items())
            return
    raise InputError(
        f"the predictions {url!r}: expected what timm's inference.py writes, an object by file name"
    )


def timm_row(url: str, number: int, row: Mapping[str, Any]) -> TimmRow:
    """Return a row of any of the formats.

    Args:
        url: the file, for messages.
        number: the number of the row, from 1.
        row: the values by column.

    Raises:
        InputError: it names no file, or has no classes.
    """
    source = f"the predictions {url!r}, row {number}"
    name = row.get(FILE_NAME)
    if not isinstance(name, str) or not name:
        found = ", ".join(list(map(str, row))[:MAX_LISTED])
        raise InputError(f"{source}: expected timm's {FILE_NAME} and {INDEX}, found {found}")
    columns = itertools.takewhile(row.__contains__, (f"{INDEX}_{n}" for n in itertools.count()))
    separate = [each for column in columns for each in _classes(row[column])]
    classes = separate or _classes(row.get(INDEX))
    if not classes:
        raise InputError(
            f"{source}, {INDEX}: expected classes, the best first, found "
            f"{str(row.get(INDEX, 'nothing'))[:80]}; run timm's inference.py with --include-index"
        )
    return number, posixpath.splitext(posixpath.basename(name.replace("\\", "/")))[0], classes


def _classes(value: Any) -> list[Any]:
    """Return the classes of a field, which is a number, a list, or either as text."""
    if isinstance(value, str):
        numbers = re.findall(r"\d+", value) if _CLASSES.fullmatch(value.strip()) else []
        return list(map(int, numbers))
    return value if isinstance(value, list) else [] if value is None else [value]

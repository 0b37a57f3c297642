"""JSON documents of a set: read into their type, and written as the project stores them."""

from __future__ import annotations

import json
import math
import threading
from typing import Any, TypeVar

import msgspec

Document = TypeVar("Document")

JsonObject = dict[str, Any]
"""A JSON object whose content the project hands on without looking into it."""


MAX_DEPTH = 64
"""How deep lists and mappings of a document are nested; the project's own have fewer than ten."""

TOO_DEEP = f"it is nested too deeply: more than {MAX_DEPTH} lists and mappings in each other"

MAX_DIGITS = 25
"""Characters of a whole number; one of 64 bits has at most 20."""


class DocumentError(ValueError):
    """Bytes that are not a document of the expected type; the message says where and why."""


def read_document(data: bytes, kind: type[Document]) -> Document:
    """Read a JSON document into its type.

    Args:
        data: the bytes of the document.
        kind: the type, which :mod:`msgspec` understands.

    Raises:
        DocumentError: the bytes are not JSON, or the document is not of that type.
    """
    return as_document(parse_json(data), kind)


def parse_json(data: bytes) -> Any:
    """Parse JSON in UTF-8, whose numbers fit into 64 bits and whose texts can be written.

    Raises:
        DocumentError: the bytes are not that, or nested too deeply.
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            parse_int=_parse_int,
            parse_float=_parse_float,
            parse_constant=_refuse_constant,
        )
    except RecursionError as error:
        raise DocumentError(TOO_DEEP) from error
    except ValueError as error:
        raise DocumentError(f"it is not JSON: {error}") from error
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and is_deep(value):
        raise DocumentError(TOO_DEEP)
    if b"\\u" in data:
        _check_texts(value)
    return value


def _parse_int(text: str) -> int:
    value = int(text) if len(text) < MAX_DIGITS else None
    if value is None or not is_int64(value):
        raise ValueError(f"a number has {len(text)} characters, and does not fit into 64 bits")
    return value


def _parse_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:MAX_DIGITS]} does not fit into 64 bits")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _check_texts(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise DocumentError("a text has half of a surrogate pair, which is no character") from error


def is_int64(value: int) -> bool:
    """Whether a whole number fits into 64 bits, as the tables hold it."""
    return -(2**63) <= value < 2**63


def is_deep(value: Any, most: int = MAX_DEPTH) -> bool:
    """Whether lists and mappings are nested more than ``most`` deep."""
    level = [value]
    for _ in range(most + 1):
        level = [each for each in level if isinstance(each, dict | list)]
        if not level:
            return False
        level = [
            child for each in level for child in (each.values() if isinstance(each, dict) else each)
        ]
    return True


_ONE_AT_A_TIME = threading.Lock()
"""Two threads that use a type for the first time at once end the process (msgspec 0.22)."""


def as_document(value: Any, kind: type[Document]) -> Document:
    """Turn a parsed JSON value into a document of a type.

    Raises:
        DocumentError: the value is not of that type.
    """
    try:
        with _ONE_AT_A_TIME:
            return msgspec.convert(value, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        raise DocumentError(str(error)) from error


def json_bytes(document: Any) -> bytes:
    """Return a JSON document as the project stores it: indented, ASCII, one newline at the end.

    Args:
        document: a JSON-compatible value, or a :class:`msgspec.Struct` of such.
    """
    return (json.dumps(msgspec.to_builtins(document), indent=2) + "\n").encode()

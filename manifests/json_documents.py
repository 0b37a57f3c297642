"""JSON documents of a set: read into their type, and written as the project stores them."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import msgspec

Document = TypeVar("Document")

JsonObject = dict[str, Any]
"""A JSON object whose content the project hands on without looking into it."""


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
    """Parse JSON.

    Raises:
        DocumentError: the bytes are not JSON in UTF-8, or nested too deeply.
    """
    try:
        return json.loads(data)
    except RecursionError as error:
        raise DocumentError("it is nested too deeply") from error
    except ValueError as error:
        raise DocumentError(f"it is not JSON: {error}") from error


def as_document(value: Any, kind: type[Document]) -> Document:
    """Turn a parsed JSON value into a document of a type.

    Raises:
        DocumentError: the value is not of that type.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise DocumentError(str(error)) from error


def json_bytes(document: Any) -> bytes:
    """Return a JSON document as the project stores it: indented, ASCII, one newline at the end.

    Args:
        document: a JSON-compatible value, or a :class:`msgspec.Struct` of such.
    """
    return (json.dumps(msgspec.to_builtins(document), indent=2) + "\n").encode()

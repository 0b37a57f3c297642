"""The entries of COCO's lists, checked against all that a set needs of them, in one form.

What is accepted here can be stored, verified and scored: ids fit into 64 bits, and no number or
text is one that JSON cannot hold.
"""

from __future__ import annotations

import json
import math
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sysnoise.manifests.json_documents import is_int64
from sysnoise.transforms.problems import DocumentPath, dotted_path
from sysnoise.transforms.targets import MAX_QUOTED, annotation_problems, normalized_annotation

Record = dict[str, Any]
"""An entry of a list."""

Check = tuple[str, Callable[[Any], bool]]
"""What is expected of a value, in words and as a function."""

_ZEROED = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 19
_SURROGATE = b"\\ud"

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _is_id(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 < value < 2**31


_ID: Check = ("a whole number from 0 to 2^63 - 1", _is_id)
_SIZE: Check = ("a whole number of pixels from 1 to 2^31 - 1", _is_size)
_TEXT: Check = ("a text", lambda value: type(value) is str)

_REQUIRED: Mapping[str, Mapping[str, Check]] = {
    "images": {"id": _ID, "file_name": _TEXT, "width": _SIZE, "height": _SIZE},
    "annotations": {
        "id": (
            "a whole number of 64 bits",
            lambda value: type(value) is int and is_int64(value),
        ),
        "image_id": _ID,
        "category_id": _ID,
    },
    "categories": {"id": _ID, "name": _TEXT},
}
"""The fields that every entry must have, by list."""


def normalized(part: str, record: Record) -> Record:
    """Return an entry in which what tools write differently is written in one way.

    Sizes of images that are whole, such as 640.0, become whole numbers. An image without a
    ``file_name`` gets it from its ``coco_url``, as LVIS names images: ``val2017/000000000139.jpg``.
    Annotations are those of :func:`normalized_annotation`. All else stays, also what is malformed.

    Args:
        part: the list: ``images``, ``annotations`` or ``categories``.
        record: the entry.
    """
    if part == "annotations":
        return normalized_annotation(record)
    if part == "images":
        return _normalized_image(record)
    return record


def _normalized_image(record: Record) -> Record:
    changes: Record = {}
    for name in ("width", "height"):
        value = record.get(name)
        if isinstance(value, float) and value.is_integer():
            changes[name] = int(value)
    if record.get("file_name") is None and isinstance(record.get("coco_url"), str):
        name = _name_in_url(record["coco_url"])
        changes |= {"file_name": name} if name else {}
    return record | changes if changes else record


def _name_in_url(url: str) -> str:
    """Return the last two parts of a URL's path; empty where it does not end in a file's name."""
    try:
        parts = urllib.parse.urlsplit(url).path.split("/")
    except ValueError:
        return ""
    return "/".join(filter(None, parts[-2:])) if parts[-1] else ""


def encoded(part: str, record: Record) -> tuple[bytes, list[str]]:
    """Return an entry as JSON in ASCII, and what is wrong with it.

    Args:
        part: the list: ``images``, ``annotations`` or ``categories``.
        record: the entry, normalized.

    Returns:
        The text, which counts only where nothing is wrong, and a description of each problem.
    """
    problems = [
        f"{name}: expected {what}, found {_shown(record, name)}"
        for name, (what, holds) in _REQUIRED[part].items()
        if not holds(record.get(name))
    ]
    if part == "annotations":
        problems += annotation_problems(record)
    if problems:
        return b"", problems
    try:
        text = _encode(record).encode()
    except ValueError:  # It has an infinity.
        return b"", list(storage_problems(record))
    if _LONG_NUMBER in text.translate(_ZEROED) or _SURROGATE in text:
        problems = list(storage_problems(record))
    return text, problems


def _shown(record: Record, name: str) -> str:
    return repr(record[name])[:MAX_QUOTED] if name in record else "nothing"


def storage_problems(value: Any, path: DocumentPath = ()) -> Iterator[str]:
    """Describe what in a value no document of a set can hold, with its place in the value."""
    problem = _storage_problem(value)
    if problem:
        yield f"{dotted_path(path, 'all')}: {problem}"
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from storage_problems(name, (*path, ascii(name)))
            yield from storage_problems(each, (*path, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from storage_problems(each, (*path, index))


def _storage_problem(value: Any) -> str | None:
    if isinstance(value, int) and not is_int64(value):
        return f"a whole number of {len(str(abs(value)))} digits does not fit into 64 bits"
    if isinstance(value, float) and not math.isfinite(value):
        return "a number does not fit into 64 bits"
    if isinstance(value, str) and any("\ud800" <= each <= "\udfff" for each in value):
        return f"{ascii(value)[:MAX_QUOTED]} has half of a surrogate pair, which is no character"
    return None

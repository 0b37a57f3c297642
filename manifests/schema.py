"""The JSON Schema of the manifest, and the check against it."""

from __future__ import annotations

import functools
import importlib.resources
import itertools
import json
from collections.abc import Iterator
from typing import Any

MANIFEST_VERSION = 1

MAX_PROBLEMS = 100
"""Number of problems of a manifest that are listed."""

MAX_MESSAGE = 400
"""Characters of the message on a problem, which quotes the value."""


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``manifest.json``."""
    file = importlib.resources.files("sysnoise.manifests") / "manifest.schema.json"
    return dict(json.loads(file.read_text("utf-8")))


def manifest_problems(document: Any) -> list[str]:
    """List how a parsed manifest departs from its schema, sorted by the place.

    Of many problems the first :data:`MAX_PROBLEMS` are found, and long messages are cut off.
    """
    errors = _validator().iter_errors(document)
    return sorted(
        f"{error.json_path}: {error.message[:MAX_MESSAGE]}"
        for error in itertools.islice(errors, MAX_PROBLEMS)
    )


@functools.cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator, validators

    extend: Any = validators.extend
    return extend(Draft202012Validator, {"uniqueItems": _unique_items})(manifest_schema())


def _unique_items(_: Any, unique: bool, items: Any, __: Any) -> Iterator[Any]:
    """Check ``uniqueItems``; jsonschema compares every pair of items that cannot be sorted."""
    from jsonschema import ValidationError

    if unique and isinstance(items, list):
        texts = {json.dumps(item, sort_keys=True) for item in items}
        if len(texts) != len(items):
            yield ValidationError(f"{items!r} has non-unique elements")

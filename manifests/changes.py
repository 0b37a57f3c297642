"""What differs between two JSON-compatible documents, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def field_changes(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return what differs, as ``field.inner: a -> b``, in the order of the fields."""
    flat_one, flat_other = dict(_flat(one)), dict(_flat(other))
    return [
        f"{name}: {flat_one.get(name, 'none')} -> {flat_other.get(name, 'none')}"
        for name in {**flat_one, **flat_other}
        if flat_one.get(name) != flat_other.get(name)
    ]


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value

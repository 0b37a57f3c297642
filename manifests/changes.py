"""What differs between two JSON-compatible documents, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sysnoise.manifests.plan import Identities, Plan
from sysnoise.transforms.codecs.exif import Orient
from sysnoise.transforms.methods import MethodIdentity

_DERIVED = ("fingerprint", "shards", "source_sha256", "row_group_rows", "identities")
"""Fields of a plan that follow from others, or are compared in their own way."""


LONG_LIST = 80
"""Number of characters from which on a list is shortened to what the other one lacks."""

_SHOWN_VALUES = 6


def field_changes(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return what differs, as ``field.inner: a -> b``, in the order of the fields.

    Of long lists, each side has only what the other lacks, and counts what both have.
    """
    flat_one, flat_other = dict(_flat(one)), dict(_flat(other))
    return [
        f"{name}: {_change(flat_one.get(name, 'none'), flat_other.get(name, 'none'))}"
        for name in {**flat_one, **flat_other}
        if flat_one.get(name) != flat_other.get(name)
    ]


def _change(one: object, other: object) -> str:
    texts = str(one), str(other)
    if max(map(len, texts)) <= LONG_LIST or not (isinstance(one, list) or isinstance(other, list)):
        return " -> ".join(texts)
    lists = [each if isinstance(each, list) else [] for each in (one, other)]
    only = [
        [_short(value) for value in values if value not in others]
        for values, others in (lists, reversed(lists))
    ]
    if not any(only):
        return "the same in another order, or with another number of repetitions"
    common = len(lists[0]) - len(only[0])
    return " -> ".join(_only_text(values, common) for values in only)


def _short(value: object) -> str:
    """Return an entry of a list; of a document, such as a geometry or a stack, its name."""
    return str(value.get("name", value)) if isinstance(value, Mapping) else str(value)


def _only_text(values: list[str], common: int) -> str:
    more = len(values) - _SHOWN_VALUES
    parts = values[:_SHOWN_VALUES] + ([f"{more} more"] if more > 0 else [])
    return ", ".join((parts or ["nothing"]) + ([f"and {common} that both have"] if common else []))


def plan_changes(one: Plan, other: Plan) -> list[str]:
    """Return what differs between two plans, except their lists of source images.

    Of the methods, those are compared that both have; the grids show methods that only one has.
    """
    fields = [
        {name: value for name, value in plan.document().items() if name not in _DERIVED}
        for plan in (one, other)
    ]
    for document in fields:
        grid = {"orient": Orient.STORED.value, **document["grid"]}  # Left out where it is that.
        document["grid"] = {k: v for k, v in grid.items() if k != "name"}
    return field_changes(*fields) + _build_changes(one.identities, other.identities)


def _build_changes(one: Identities, other: Identities) -> list[str]:
    """List the changes of methods; those of one library usually change together."""
    methods: dict[str, list[str]] = {}
    before, after = dict(methods_of(one)), dict(methods_of(other))
    for name, identity in before.items():
        for change in field_changes(identity, after.get(name, identity)):
            methods.setdefault(change, []).append(name)
    return [f"{', '.join(names)}: {change}" for change, names in methods.items()]


def methods_of(identities: Identities) -> Iterator[tuple[str, MethodIdentity]]:
    """Yield the identities of a plan, each with the kind and name of its method."""
    axes = {
        "decoder": identities.decoders,
        "resize": identities.resizes,
        "color": identities.colors,
        "source": identities.sources,
    }
    for axis, methods in axes.items():
        for name, identity in methods.items():
            yield f"{axis} {name}", identity
    yield "image format", identities.encoder


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value

"""What differs between two JSON-compatible documents, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sysnoise.manifests.plan import Identities, Plan
from sysnoise.transforms.codecs.exif import Orient
from sysnoise.transforms.methods import MethodIdentity

_DERIVED = ("fingerprint", "shards", "source_sha256", "row_group_rows", "identities")
"""Fields of a plan that follow from others, or are compared in their own way."""


def field_changes(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return what differs, as ``field.inner: a -> b``, in the order of the fields."""
    flat_one, flat_other = dict(_flat(one)), dict(_flat(other))
    return [
        f"{name}: {flat_one.get(name, 'none')} -> {flat_other.get(name, 'none')}"
        for name in {**flat_one, **flat_other}
        if flat_one.get(name) != flat_other.get(name)
    ]


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

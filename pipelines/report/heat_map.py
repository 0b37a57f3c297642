"""Heat maps: the noise of every method of one axis with every method of another.

Only a grid that combines its axes has them; of any other, the table of variants says as much.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sysnoise.manifests.manifest import Manifest
from sysnoise.transforms.variant_ids import ALL_AXES, variant_id, variant_names


@dataclass(frozen=True)
class HeatMap:
    """The variants of two axes, with the same methods of all others.

    Attributes:
        title: the two axes, and the methods of the other axes that the grid varies.
        axis: the axis of the rows.
        rows, columns: the methods of the two axes, in grid order.
        variants: the id of each variant, by the methods of row and column.
    """

    title: str
    axis: str
    rows: Sequence[str]
    columns: Sequence[str]
    variants: Mapping[tuple[str, str], str]


def heat_maps(manifest: Manifest) -> list[HeatMap]:
    """Return the heat maps of a set; none unless its grid combines two axes of several methods.

    The two axes with the most methods are those of the rows and of the columns.
    """
    methods = {axis: names for axis, names in _methods(manifest).items() if len(names) > 1}
    if manifest["grid"]["combine"] != "product" or len(methods) < 2:
        return []
    return list(_maps(manifest["grid"]["baseline"], methods))


def _methods(manifest: Manifest) -> dict[str, list[str]]:
    """Return the methods of each axis, in grid order."""
    named = [variant_names(variant["id"]) for variant in manifest["variants"]]
    return {axis: list(dict.fromkeys(names[axis] for names in named)) for axis in ALL_AXES}


def _maps(baseline: str, methods: Mapping[str, Sequence[str]]) -> Iterator[HeatMap]:
    first, second, *others = sorted(methods, key=lambda axis: -len(methods[axis]))
    others.sort(key=ALL_AXES.index)
    rows, columns = methods[first], methods[second]
    for chosen in itertools.product(*(methods[axis] for axis in others)):
        fixed = dict(zip(others, chosen, strict=True))
        names = variant_names(baseline) | fixed
        yield HeatMap(
            ", ".join([f"{first} x {second}", *map(" ".join, fixed.items())]),
            first,
            rows,
            columns,
            {
                (row, column): variant_id({**names, first: row, second: column})
                for row in rows
                for column in columns
            },
        )

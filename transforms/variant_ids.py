"""The ids of variants as texts, which are read without the libraries of their methods.

An id is ``decoder/resize/color``. Where the file is changed before it is decoded, the part
``--from-SOURCE`` follows, and in another geometry than the grid's first ``--at-GEOMETRY``:
``pillow/pillow-bilinear/rgb--from-jpeg-q75--at-shorter232-crop224``.

Both are left out where they say what holds for every set without these axes, so that the ids, paths
and slugs of such sets are what they always were. They are no folders of their own, so that an id
has three parts as before, and nobody who reads the folder of a variant meets another one in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sysnoise.transforms.methods import AXES

ORIGINAL = "original"
"""The source that leaves a file as it is."""

FIRST_GEOMETRY = "first"
"""What the grid's first geometry is called, whatever it is; ids do not name it."""

OPTIONAL_AXES: Mapping[str, str] = {"source": ORIGINAL, "geometry": FIRST_GEOMETRY}
"""The axes that an id names only where a variant has another value than this one."""

ALL_AXES = (*AXES, *OPTIONAL_AXES)
"""All axes, in the order of an id."""

_PREFIXES: Mapping[str, str] = {"source": "from-", "geometry": "at-"}
_NAME = r"[a-z0-9]+(-[a-z0-9]+)*"
_ID = re.compile(rf"{_NAME}/{_NAME}/{_NAME}(--from-{_NAME})?(--at-{_NAME})?")


def is_name(text: str) -> bool:
    """Whether a text can be a name in an id: lower-case letters, digits and single dashes."""
    return re.fullmatch(_NAME, text) is not None


def is_variant_id(text: str) -> bool:
    """Whether a text can be the id of a variant; the names in it may be unknown."""
    return _ID.fullmatch(text) is not None


def variant_id(names: Mapping[str, str]) -> str:
    """Return the id of a variant.

    Args:
        names: the method or value by axis, for all of :data:`ALL_AXES`.
    """
    optional = (
        f"--{_PREFIXES[axis]}{names[axis]}"
        for axis, usual in OPTIONAL_AXES.items()
        if names[axis] != usual
    )
    return "/".join(names[axis] for axis in AXES) + "".join(optional)


def variant_names(text: str) -> dict[str, str]:
    """Return the names that an id holds, by axis, for all of :data:`ALL_AXES`.

    Raises:
        ValueError: it is not an id; the names themselves may be unknown.
    """
    methods, *rest = text.split("--")
    parts = methods.split("/")
    if len(parts) != len(AXES):
        raise ValueError(f"expected {'/'.join(AXES)}, found {text!r}")
    names = {**dict(zip(AXES, parts, strict=True)), **OPTIONAL_AXES}
    places = iter(_PREFIXES.items())
    for part in rest:
        for axis, prefix in places:
            if part.startswith(prefix) and part != prefix:
                names[axis] = part.removeprefix(prefix)
                break
        else:
            raise ValueError(
                f"expected {'/'.join(AXES)}, then at most --from-SOURCE and --at-GEOMETRY in this "
                f"order, found {text!r}"
            )
    return names


def changed_axes(variant: str, baseline: str) -> tuple[str, ...]:
    """Return the axes in which two variants differ, by their ids."""
    one, other = variant_names(variant), variant_names(baseline)
    return tuple(axis for axis in ALL_AXES if one[axis] != other[axis])


def varied_axes(variants: Iterable[str]) -> tuple[str, ...]:
    """Return the three axes of every id, and those of the others that any variant names."""
    named = [variant_names(variant) for variant in variants]
    return tuple(
        axis
        for axis in ALL_AXES
        if axis in AXES or any(names[axis] != OPTIONAL_AXES[axis] for names in named)
    )

"""The axes in which a variant differs from the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sysnoise.transforms.methods import AXES


def changed_axes(variant: Mapping[str, Any], baseline: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the axes in which a variant of the manifest differs from the baseline."""
    return tuple(axis for axis in AXES if variant[axis]["name"] != baseline[axis]["name"])

"""What a finished set says about itself, and how to read one.

A set is read like this::

    from manifests import open_set

    noisy = open_set("out/")
    for sample in noisy.iterate("ffmpeg/pillow-bilinear/rgb"):
        sample.key, sample.image, sample.label

Neither Apache Beam nor any codec is loaded by importing this package. Names are imported on first
use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from manifests.errors import SetError as SetError
    from manifests.grids import grid_names as grid_names
    from manifests.grids import load_grid as load_grid
    from manifests.reading import FinishedSet as FinishedSet
    from manifests.reading import open_set as open_set
    from manifests.records import PairedSample as PairedSample
    from manifests.records import Sample as Sample

_MODULES = {
    "FinishedSet": "manifests.reading",
    "PairedSample": "manifests.records",
    "Sample": "manifests.records",
    "SetError": "manifests.errors",
    "grid_names": "manifests.grids",
    "load_grid": "manifests.grids",
    "open_set": "manifests.reading",
}
__all__ = [
    "FinishedSet",
    "PairedSample",
    "Sample",
    "SetError",
    "grid_names",
    "load_grid",
    "open_set",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'manifests' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)

"""Image transforms as pure functions: decoders, resizes, colors, geometries, encoders and grids.

Nothing here reads or writes files or knows Beam, so the same functions serve the pipelines and a
data loader::

    from manifests import load_grid
    from transforms import apply

    grid = load_grid("imagenet-one-factor")
    pixels = apply(grid, "ffmpeg/pillow-bilinear/rgb", jpeg_bytes, key="ILSVRC2012_val_00000001")

Names are imported on first use, so that importing the package loads no codec.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transforms.arrays import pixel_digest as pixel_digest
    from transforms.fanout import apply as apply
    from transforms.grid import Grid as Grid
    from transforms.grid import Variant as Variant

_MODULES = {
    "Grid": "transforms.grid",
    "Variant": "transforms.grid",
    "apply": "transforms.fanout",
    "pixel_digest": "transforms.arrays",
}
__all__ = ["Grid", "Variant", "apply", "pixel_digest"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'transforms' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)

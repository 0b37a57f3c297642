"""ImageNet and COCO in every decoder x resize x color combination, and models scored on them.

The public names are imported from here::

    from sysnoise import apply, load_grid, open_set

    noisy = open_set("out/")
    for pair in noisy.paired([noisy.baseline, "ffmpeg/pillow-bilinear/rgb"]):
        pair.key, pair.label, pair.images

    grid = load_grid("imagenet-one-factor")
    pixels = apply(grid, "ffmpeg/pillow-bilinear/rgb", jpeg_bytes)

Datasets for PyTorch are in :mod:`sysnoise.torch`.

Each name is imported on first use, so that importing the package loads neither Beam nor a codec.

In a checkout, ``transforms``, ``manifests`` and ``pipelines`` are links to the folders of these
names at the top level; an installed package has the folders themselves.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sysnoise.manifests.errors import SetError as SetError
    from sysnoise.manifests.grids import grid_names as grid_names
    from sysnoise.manifests.grids import load_grid as load_grid
    from sysnoise.manifests.reading import FinishedSet as FinishedSet
    from sysnoise.manifests.reading import open_set as open_set
    from sysnoise.manifests.records import PairedSample as PairedSample
    from sysnoise.manifests.records import Sample as Sample
    from sysnoise.transforms.digests import pixel_digest as pixel_digest
    from sysnoise.transforms.geometry import Placement as Placement
    from sysnoise.transforms.grid import Grid as Grid
    from sysnoise.transforms.online import AppliedVariant as AppliedVariant
    from sysnoise.transforms.online import apply as apply
    from sysnoise.transforms.online import apply_all as apply_all
    from sysnoise.transforms.targets import map_box as map_box
    from sysnoise.transforms.variants import Variant as Variant

_MODULES = {
    "AppliedVariant": "sysnoise.transforms.online",
    "FinishedSet": "sysnoise.manifests.reading",
    "Grid": "sysnoise.transforms.grid",
    "PairedSample": "sysnoise.manifests.records",
    "Placement": "sysnoise.transforms.geometry",
    "Sample": "sysnoise.manifests.records",
    "SetError": "sysnoise.manifests.errors",
    "Variant": "sysnoise.transforms.variants",
    "apply": "sysnoise.transforms.online",
    "apply_all": "sysnoise.transforms.online",
    "grid_names": "sysnoise.manifests.grids",
    "load_grid": "sysnoise.manifests.grids",
    "map_box": "sysnoise.transforms.targets",
    "open_set": "sysnoise.manifests.reading",
    "pixel_digest": "sysnoise.transforms.digests",
}

__all__ = [
    "AppliedVariant",
    "FinishedSet",
    "Grid",
    "PairedSample",
    "Placement",
    "Sample",
    "SetError",
    "Variant",
    "apply",
    "apply_all",
    "grid_names",
    "load_grid",
    "map_box",
    "open_set",
    "pixel_digest",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'sysnoise' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

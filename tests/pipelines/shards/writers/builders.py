"""Samples for the tests of the writers."""

from __future__ import annotations

from sysnoise.manifests.tables import Targets, geometry_row
from sysnoise.pipelines.shards.writers.interface import SampleMetadata
from sysnoise.transforms.geometry import PRESETS
from sysnoise.transforms.pixels import Size


def imagenet_sample(key: str, label: int = 7) -> SampleMetadata:
    """A sample of a 500 x 375 photograph."""
    placement = PRESETS["shorter256-crop224"].place(Size(500, 375), 0, key)
    targets: Targets = {"label": label, "wnid": "n01514668", "class_name": "cock"}
    geometry = {"geometry": geometry_row(placement, 1)}
    return SampleMetadata(key, f"{key}.JPEG", "0" * 64, targets, geometry, None)

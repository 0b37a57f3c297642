"""Samples for the tests of the writers."""

from __future__ import annotations

from manifests.tables import geometry_row
from pipelines.writers.samples import Sample
from transforms.geometry import PRESETS


def imagenet_sample(key: str, label: int = 7) -> Sample:
    """A sample of a 500 x 375 photograph."""
    placement = PRESETS["shorter256-crop224"].place(500, 375, 0, key)
    targets = {"label": label, "wnid": "n01514668", "class_name": "cock"}
    geometry = {"geometry": geometry_row(placement, 1)}
    return Sample(key, f"{key}.JPEG", "0" * 64, targets, geometry, None)

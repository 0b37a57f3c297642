"""The name of a set: it claims a dataset only where the set has as many images and its classes."""

from __future__ import annotations

from typing import Any

import pytest

from sysnoise.manifests.imagenet_classes import imagenet_classes
from sysnoise.manifests.publication import Publication
from sysnoise.manifests.title import set_title, title_of

THOUSAND = [{"wnid": each.wnid, "name": each.name} for each in imagenet_classes()]
EIGHTY = [{"id": number} for number in range(80)]


def manifest(kind: str, split: str, sources: int, **dataset: Any) -> Any:
    """A manifest with two rejects."""
    counts = {"sources": sources, "samples": sources - 2, "variants": 17}
    return {"dataset": {"kind": kind, "split": split, **dataset}, "counts": counts}


@pytest.mark.parametrize(
    ("found", "title"),
    [
        (manifest("imagenet", "val", 50_000), "SysNoise ImageNet val"),
        (manifest("imagenet", "val", 50_000, classes=THOUSAND), "SysNoise ImageNet val"),
        (manifest("imagenet", "train", 1_281_167, classes=THOUSAND), "SysNoise ImageNet train"),
        (
            manifest("imagenet", "val", 50_000, classes=THOUSAND[:10]),
            "SysNoise val: 49,998 images in 17 variants",
        ),
        (manifest("imagenet", "val", 20), "SysNoise val: 18 images in 17 variants"),
        (manifest("imagenet", "val", 3), "SysNoise val: 1 image in 17 variants"),
        (manifest("coco", "val2017", 5000, categories=EIGHTY), "SysNoise COCO val2017"),
        (
            manifest("coco", "demo", 5000, categories=EIGHTY[:3]),
            "SysNoise demo: 4,998 images in 17 variants",
        ),
    ],
    ids=["val", "classes", "train", "others", "few", "one", "COCO", "boxes"],
)
def test_titles(found: Any, title: str) -> None:
    assert set_title(found) == title_of(found, Publication()) == title
    assert title_of(found, Publication(title="Noisy photographs")) == "Noisy photographs"

"""The name of a set."""

from __future__ import annotations

from sysnoise.manifests.imagenet_classes import imagenet_classes
from sysnoise.manifests.manifest import Manifest
from sysnoise.manifests.publication import Publication, dataset_of

COCO_CATEGORIES = 80
"""Number of COCO's categories that objects are annotated with."""


def is_whole_split(manifest: Manifest) -> bool:
    """Whether a set seems to be made of a whole split of the published dataset.

    It has as many images, and ImageNet's classes, where they are known, or COCO's categories. A set
    of other images in the same layout has not, nor a set of a part of them.
    """
    dataset = manifest["dataset"]
    if manifest["counts"]["sources"] not in dataset_of(manifest).splits:
        return False
    if dataset["kind"] == "coco":
        return len(dataset.get("categories", ())) == COCO_CATEGORIES
    wnids = [each["wnid"] for each in dataset.get("classes", ())]
    return wnids in ([], [each.wnid for each in imagenet_classes()])


def set_title(manifest: Manifest) -> str:
    """Return the name of a set without a title, which claims no dataset that it may not be of."""
    split, counts = manifest["dataset"]["split"], manifest["counts"]
    if is_whole_split(manifest):
        return f"SysNoise {dataset_of(manifest).title} {split}"
    images = "1 image" if counts["samples"] == 1 else f"{counts['samples']:,} images"
    return f"SysNoise {split}: {images} in {counts['variants']:,} variants"


def title_of(manifest: Manifest, publication: Publication) -> str:
    """Return the title of a set: the publisher's, if one is given."""
    return publication.title or set_title(manifest)

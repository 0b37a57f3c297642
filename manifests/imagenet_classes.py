"""The 1,000 classes of ILSVRC2012, which label ImageNet wherever a source does not number them.

The wnids and their numbers are those of the challenge's development kit (``data/meta.mat``, field
``ILSVRC2012_ID``); the names are WordNet 3.0's, as ImageNet publishes them. Their license lies
beside the table.
"""

from __future__ import annotations

import csv
import functools
import importlib.resources

from sysnoise.manifests.plan import ClassInfo

CLASS_COUNT = 1000


@functools.cache
def imagenet_classes() -> tuple[ClassInfo, ...]:
    """Return the classes in wnid order, which is the order of the labels 0 to 999."""
    return tuple(ClassInfo(row["wnid"], row["name"]) for row in _rows())


@functools.cache
def devkit_wnids() -> tuple[str, ...]:
    """Return the wnids in the order of the development kit's numbers 1 to 1000."""
    return tuple(row["wnid"] for row in sorted(_rows(), key=lambda row: int(row["ILSVRC2012_ID"])))


def _rows() -> list[dict[str, str]]:
    table = importlib.resources.files("sysnoise.manifests") / "imagenet_classes.tsv"
    lines = table.read_text("utf-8").splitlines()
    return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))

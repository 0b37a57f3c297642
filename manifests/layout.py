"""The names of the files of a set, relative to its root, with ``/`` on every system."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

from sysnoise.transforms.variant_ids import FIRST_GEOMETRY

PLAN = "plan.json"
SOURCES = "sources.parquet"
MANIFEST = "manifest.json"
FILES = "files.parquet"
REJECTS = "rejects.parquet"
SUMS = "SHA256SUMS"
README = "README.md"
CROISSANT = "croissant.json"
GRID = "grid.yaml"
PART = "part.json"
PICTURE = "noise.png"
VARIANTS = "variants"
SAMPLES = "samples"
ANNOTATIONS = "annotations"
RECEIPTS = "receipts"
EARLIER = "earlier"
EARLIER_PLAN = f"{EARLIER}/plan.json"
FAILURES = "failures"
STRIKES = "strikes"
STAMPS = "stamps"
TEMPORARY = "_temporary"
LOCK = f"{TEMPORARY}/lock"
CARD = (README, CROISSANT, GRID)
"""The files for readers that are made from the manifest; only the sums name them.

So it is with :data:`PICTURE`, which not every card has.
"""
RUN_FOLDERS = (FAILURES, STRIKES, STAMPS, EARLIER, TEMPORARY)
"""Folders that runs use; no finished set has them."""
GROUND_TRUTHS = ("original", "rescaled")
"""What is in the folder of annotations: COCO's in source pixels and in output pixels."""

IMAGE_FORMATS = ("png", "webp", "jxl", "npy")
"""The formats of stored images: the encoders, by the extensions of their files."""

SPLIT = r"[A-Za-z0-9_][A-Za-z0-9_.+ -]*"
"""The regular expression of a split's name, which stands in names of files, texts and commands."""

MAX_PIXELS = 89_478_485
"""Default limit of source images: where Pillow begins to warn of a decompression bomb."""

IMAGE_COLUMN = "image"
"""The column of images in source files that are Parquet, where the user names no other."""

LABEL_COLUMN = "label"
"""The column of their labels, likewise."""

MAX_BYTES = 256 << 20
"""Default limit of the file of a source image, in bytes: as much as the largest image that
:data:`MAX_PIXELS` allows has in raw pixels, since no useful encoding is longer."""


class ShardFormat(Enum):
    """The format of a variant's shard files; the value is what users type."""

    WEBDATASET = "webdataset"
    PARQUET = "parquet"

    @property
    def extension(self) -> str:
        """The file extension, without dot."""
        return {"webdataset": "tar", "parquet": "parquet"}[self.value]


def shard_name(shard: int, shards: int) -> str:
    """``00003-of-00196``: at least five digits, more where the count needs them."""
    width = max(5, len(str(shards)))
    return f"{shard:0{width}d}-of-{shards:0{width}d}"


def leaves_set(path: str) -> bool:
    """Whether a path that a set names could lead out of its root.

    Clients of the web take ``%2e%2e`` for ``..`` (RFC 3986, 6.2.2), so no path may be encoded.
    """
    return not {"", ".", ".."}.isdisjoint(path.split("/")) or not set("\\:%").isdisjoint(path)


def variant_slug(variant_id: str) -> str:
    """``decoder__resize__color``, the name of a variant where a slash cannot stand."""
    return variant_id.replace("/", "__")


def variant_path(variant_id: str, split: str, name: str, shard_format: ShardFormat) -> str:
    """Path of a variant's shard; ``name`` as :func:`shard_name` gives it."""
    return f"{VARIANTS}/{variant_id}/{split}-{name}.{shard_format.extension}"


def samples_path(name: str) -> str:
    """Path of a shard's table of samples."""
    return f"{SAMPLES}/{name}.parquet"


def receipt_path(name: str) -> str:
    """Path of the file that commits a shard."""
    return f"{RECEIPTS}/{name}.json"


def earlier_receipt_path(name: str) -> str:
    """Path of a shard's receipt of the smaller grid that an unfinished set is grown from."""
    return f"{EARLIER}/{name}.json"


def failure_path(shard: int) -> str:
    """Path of the file that says why a shard could not be made; no finished set has one."""
    return f"{FAILURES}/{shard:05d}.json"


def strikes_path(shard: int) -> str:
    """Path of the file that counts how often a worker died on a sample of an unfinished shard."""
    return f"{STRIKES}/{shard:05d}.json"


def ground_truths(geometries: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return COCO's ground truths: by their names in paths, the kind and the geometry.

    Args:
        geometries: names of the geometries but the first.
    """
    original, rescaled = GROUND_TRUTHS
    others = {f"{rescaled}-at-{name}": (rescaled, name) for name in geometries}
    return {
        original: (original, FIRST_GEOMETRY),
        rescaled: (rescaled, FIRST_GEOMETRY),
        **others,
    }


def annotations_path(split: str, name: str) -> str:
    """Path of a COCO ground truth, by its name in :func:`ground_truths`."""
    return f"{ANNOTATIONS}/instances_{split}.{name}.json"


def is_split(text: str) -> bool:
    """Whether a text can be the name of a split."""
    return re.fullmatch(SPLIT, text) is not None


def hub_split(split: str) -> str:
    """Return a split's name as Hugging Face takes it: words, joined by single dots."""
    return re.sub(r"\.(?=\.|$)", "_", re.sub(r"[^\w.]", "_", split, flags=re.ASCII))

"""The front matter of the card, for every license and size."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from sysnoise.manifests.card import readme
from sysnoise.manifests.files import FILES_SCHEMA
from sysnoise.manifests.held import HeldSet
from sysnoise.manifests.layout import ShardFormat
from sysnoise.manifests.plan import Identities, Plan, shard_count
from sysnoise.manifests.publication import Publication
from sysnoise.manifests.tables import DatasetKind, Duplicates, UnsupportedKinds
from sysnoise.transforms.methods import MethodIdentity

NOISE = {
    "mean": None,
    "maximum": 0,
    "psnr": None,
    "changed_share": None,
    "identical_share": None,
    "variants": 0,
}


def front_matter(publication: Publication, samples: int = 5) -> dict[str, object]:
    """Return the front matter of a set without pixels, whose statistics are all empty."""
    manifest: Any = {
        "generator": {"name": "sysnoise", "version": "1"},
        "dataset": {"kind": "coco", "split": "val2017"},
        "counts": {"samples": samples, "sources": samples, "rejects": 0, "variants": 1},
        "grid": {
            "name": "own",
            "baseline": "a/b/c",
            "geometry": {"rule": "native"},
            "seed": 0,
            "combine": "product",
            "color_stage": "before-resize",
        },
        "image_format": {"name": "png"},
        "formats": ["parquet"],
        "environment": {
            "os": {"system": "Linux", "libc": "glibc"},
            "cpu": {"architecture": "x86_64", "features": []},
            "python": "CPython",
            "packages": {},
        },
        "noise": {"decoder": NOISE},
        "variants": [],
    }
    method: MethodIdentity = {
        "name": "m",
        "library": "l",
        "build": {"version": "1"},
        "options": {},
    }
    plan = Plan(
        version=1,
        kind=DatasetKind.COCO,
        split="val2017",
        samples=samples,
        samples_per_shard=16,
        shards=shard_count(samples, 16),
        formats=(ShardFormat.PARQUET,),
        image_format="png",
        row_group_rows=1,
        grid_document=manifest["grid"],
        classes=(),
        coco={},
        source_sha256="0" * 64,
        identities=Identities({"m": method}, {"m": method}, {"m": method}, method),
        unsupported=UnsupportedKinds.FALLBACK,
        duplicates=Duplicates.STORE,
        max_pixels=5,
        max_bytes=6,
        fingerprint="0" * 64,
    )
    text = readme(HeldSet(manifest, plan, FILES_SCHEMA.empty_table(), ()), publication)
    _, front, body = text.split("---\n", 2)
    assert "--max-pixels 5" in body
    assert "--max-bytes 6" in body
    return dict(yaml.safe_load(front))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, ("other", "coco-terms", "https://cocodataset.org/#termsofuse")),
        ("CC-BY-4.0", ("cc-by-4.0", None, None)),
        ("Apache-2.0", ("apache-2.0", None, None)),
        ("MS-RL", ("other", "ms-rl", "https://spdx.org/licenses/MS-RL.html")),
        ("https://example.org/l", ("other", "custom", "https://example.org/l")),
    ],
)
def test_licenses(given: str | None, told: tuple[str | None, ...]) -> None:
    front = front_matter(Publication(license=given))
    assert tuple(map(front.get, ("license", "license_name", "license_link"))) == told


@pytest.mark.parametrize(
    ("samples", "category"),
    [
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (50_000, "10K<n<100K"),
        (1_281_167, "1M<n<10M"),
        (10**12 - 1, "100B<n<1T"),
        (10**12, "n>1T"),
    ],
)
def test_size_categories(samples: int, category: str) -> None:
    assert front_matter(Publication(), samples)["size_categories"] == [category]

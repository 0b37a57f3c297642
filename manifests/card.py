"""The card of a set for its readers: ``README.md``, a dataset card of Hugging Face, and the grid.

Source of the front matter: https://huggingface.co/docs/hub/datasets-cards and
https://huggingface.co/docs/hub/datasets-manual-configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from sysnoise.manifests.card_text import card_text
from sysnoise.manifests.held import HeldSet
from sysnoise.manifests.layout import SAMPLES, hub_split
from sysnoise.manifests.manifest import Manifest
from sysnoise.manifests.publication import Dataset, Publication, dataset_of, is_url, license_url
from sysnoise.manifests.title import title_of

# fmt: off
_HUB_LICENSES = frozenset({
    "apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "cc0-1.0",
    "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0",
    "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0",
    "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0",
    "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0", "isc", "unlicense",
    "wtfpl", "zlib",
})
# fmt: on
"""SPDX ids in lower case that Hugging Face has under the same name.

Source: https://huggingface.co/docs/hub/repositories-licenses.
"""

_UNBROKEN = 1 << 20
"""Width in which YAML breaks no line."""

_SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")
"""Bounds of the size categories of Hugging Face, each ten times the one before."""


def readme(held: HeldSet, publication: Publication) -> str:
    """Return ``README.md``."""
    front = yaml.safe_dump(
        _front_matter(held, publication), sort_keys=False, allow_unicode=True, width=_UNBROKEN
    )
    return f"---\n{front}---\n\n{card_text(held, publication)}"


def grid_yaml(manifest: Manifest) -> str:
    """Return the grid of a set as a file that ``--grid`` takes."""
    grid = {name: value for name, value in manifest["grid"].items() if name != "fingerprint"}
    return yaml.safe_dump(grid, sort_keys=False)


def _front_matter(held: HeldSet, publication: Publication) -> dict[str, Any]:
    dataset = dataset_of(held.manifest)
    samples = held.manifest["counts"]["samples"] * max(1, len(held.held))
    configs = list(_configs(held))
    return {
        "pretty_name": title_of(held.manifest, publication),
        **_license(dataset, publication),
        "task_categories": [dataset.task],
        "size_categories": [_size_category(samples)],
        "tags": ["sysnoise", "robustness", "benchmark"],
        **({"configs": configs} if configs else {}),
    }


def _license(dataset: Dataset, publication: Publication) -> dict[str, str]:
    given = publication.license or dataset.terms
    if given.lower() in _HUB_LICENSES:
        return {"license": given.lower()}
    terms = f"{dataset.title.lower()}-terms" if given == dataset.terms else "custom"
    return {
        "license": "other",
        "license_name": terms if is_url(given) else given.lower(),
        "license_link": license_url(publication, dataset),
    }


def _size_category(samples: int) -> str:
    place = next((i for i in range(len(_SIZES)) if samples < 1000 * 10**i), None)
    if place is None:
        return f"n>{_SIZES[-1]}"
    return f"{_SIZES[place - 1]}<n<{_SIZES[place]}" if place else f"n<{_SIZES[0]}"


def _configs(held: HeldSet) -> Iterator[dict[str, Any]]:
    split = hub_split(held.manifest["dataset"]["split"])
    if not held.held:
        tables = f"{SAMPLES}/*.parquet"
        yield {"config_name": SAMPLES, "data_files": [{"split": split, "path": tables}]}
    for variant in held.variants:
        places = held.places(variant["id"], held.formats[-1])  # Parquet, if the set has it.
        path = places[0] if len(places) == 1 else places
        default = {"default": True} if variant["id"] == held.baseline else {}
        yield {
            "config_name": variant["slug"],
            **default,
            "data_files": [{"split": split, "path": path}],
        }

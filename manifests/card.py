"""The card of a set for its readers: ``README.md`` and ``grid.yaml``."""

from __future__ import annotations

import yaml

from manifests.held import HeldSet
from manifests.publication import Publication, dataset_of


def readme(held: HeldSet, publication: Publication) -> str:
    """Return ``README.md``: a dataset card of Hugging Face."""
    return f"# {title(held)}\n"


def title(held: HeldSet) -> str:
    """Return the name of a set."""
    return f"SysNoise {dataset_of(held.manifest).title} {held.manifest['dataset']['split']}"


def grid_yaml(held: HeldSet) -> str:
    """Return the grid of a set as a file that ``--grid`` takes."""
    grid = {name: value for name, value in held.manifest["grid"].items() if name != "fingerprint"}
    return yaml.safe_dump(grid, sort_keys=False)

"""What plan and manifest say about their own content, so that an edit shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sysnoise.transforms.digests import canonical_sha256


def manifest_checksum(manifest: Mapping[str, Any]) -> str:
    """Return the sha256, in hexadecimal, of everything in a manifest but its checksum."""
    return canonical_sha256({name: manifest[name] for name in manifest if name != "checksum"})


def content_line(source_sha256: str, key: str) -> bytes:
    """Return what a sample adds to the sha256 of the contents of all source images."""
    return f"{source_sha256}  {key}\n".encode()


def plan_fingerprint(plan: Mapping[str, Any]) -> str:
    """Return the sha256, in hexadecimal, of everything in a plan that decides bytes.

    Args:
        plan: the document of ``plan.json``; its fingerprint and the grid's name do not count.
    """
    grid = {name: value for name, value in plan["grid"].items() if name != "name"}
    content = {name: value for name, value in plan.items() if name != "fingerprint"}
    return canonical_sha256({**content, "grid": grid})

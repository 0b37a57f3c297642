"""Checksums change with the content, and with nothing else."""

from __future__ import annotations

import hashlib
from typing import Any, cast

import pytest

from sysnoise.manifests.manifest import Manifest, manifest_checksum
from sysnoise.manifests.plan import plan_fingerprint

MANIFEST: Any = {"version": 1, "counts": {"samples": 2, "name": "é"}}
PLAN: dict[str, Any] = {"samples": 2, "grid": {"name": "mine", "seed": 0}}


def test_manifest_checksum_is_that_of_the_sorted_text() -> None:
    text = r'{"counts":{"name":"\u00e9","samples":2},"version":1}'
    assert manifest_checksum(MANIFEST) == hashlib.sha256(text.encode()).hexdigest()


def test_plan_fingerprint_is_that_of_the_sorted_text() -> None:
    text = '{"grid":{"seed":0},"samples":2}'
    assert plan_fingerprint(PLAN) == hashlib.sha256(text.encode()).hexdigest()


def test_a_stated_checksum_does_not_count() -> None:
    assert manifest_checksum(cast("Manifest", {**MANIFEST, "checksum": "x"})) == manifest_checksum(
        MANIFEST
    )
    assert plan_fingerprint({**PLAN, "fingerprint": "x"}) == plan_fingerprint(PLAN)


@pytest.mark.parametrize("change", [{"version": 2}, {"counts": {"samples": 3}}, {"more": None}])
def test_an_edit_shows(change: dict[str, Any]) -> None:
    assert manifest_checksum(cast("Manifest", {**MANIFEST, **change})) != manifest_checksum(
        MANIFEST
    )

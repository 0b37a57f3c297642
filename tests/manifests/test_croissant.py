"""What is read back from a croissant.json."""

from __future__ import annotations

import json

import pytest

from sysnoise.manifests.croissant import publication_of
from sysnoise.manifests.publication import Publication

DOCUMENT = {"license": "https://example.org/l", "citeAs": "@misc{x}", "version": "1.2.3"}


@pytest.mark.parametrize(
    ("told", "license_id"),
    [
        ("https://spdx.org/licenses/CC-BY-4.0.html", "CC-BY-4.0"),
        ("https://example.org/l", "https://example.org/l"),
    ],
)
def test_the_publication_is_read_back(told: str, license_id: str) -> None:
    document = {**DOCUMENT, "license": told, "datePublished": "2026-11-25"}
    expected = Publication(license_id, "@misc{x}", "2026-11-25", "1.2.3", None)
    assert publication_of(json.dumps(document).encode()) == expected


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"license": 3}', b"\xff"])
def test_other_content_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds, by json too.
        publication_of(data)

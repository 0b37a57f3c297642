"""Where the examples of a card read a published set from."""

from __future__ import annotations

import pytest

from sysnoise.manifests.publication import Publication
from sysnoise.manifests.published_place import PublishedPlace, published_place

UNKNOWN = PublishedPlace(None, "PATH", "PATH")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (None, UNKNOWN),
        ("https://example.org/noise", UNKNOWN),
        ("https://huggingface.co/datasets/noise", UNKNOWN),
        ("https://huggingface.co/datasets/jane/..", UNKNOWN),
        ("https://huggingface.co/datasets/-x/noise", UNKNOWN),
        ("https://huggingface.co/datasets/jane/noise/tree/main", UNKNOWN),
        (
            "https://huggingface.co/datasets/jane/noise/",
            PublishedPlace(
                "hf download jane/noise --repo-type dataset --local-dir noise",
                "noise",
                "jane/noise",
            ),
        ),
        (
            "s3://noise/a=b/photographs/",
            PublishedPlace(
                "sysnoise fetch s3://noise/a=b/photographs/ photographs",
                "photographs",
                "photographs",
            ),
        ),
        ("gs://noise", PublishedPlace("sysnoise fetch gs://noise noise", "noise", "noise")),
        ("s3://noise/-rf", UNKNOWN),
        ("s3://noise/..", UNKNOWN),
    ],
)
def test_places(url: str | None, place: PublishedPlace) -> None:
    assert published_place(Publication(url=url)) == place

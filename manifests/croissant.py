"""The description of a set in Croissant 1.1, which dataset search engines and libraries read."""

from __future__ import annotations

import json
from typing import Any

from manifests.held import HeldSet
from manifests.publication import Publication, bibtex, dataset_of, license_url


def croissant(held: HeldSet, publication: Publication) -> dict[str, Any]:
    """Return the document of ``croissant.json``."""
    dataset = dataset_of(held.manifest)
    return {
        "citeAs": bibtex(publication, dataset),
        "license": license_url(publication, dataset),
        "version": publication.version,
    }


def publication_of(data: bytes) -> Publication:
    """Return what the publisher gave, from the content of a ``croissant.json``.

    Raises:
        ValueError: it is none.
    """
    try:
        document = json.loads(data)
        return Publication(
            license=document["license"],
            citation=document["citeAs"],
            date=document.get("datePublished"),
            version=document["version"],
            url=document.get("url"),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not the description of a set: {error!r}") from error

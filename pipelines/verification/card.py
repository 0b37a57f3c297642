"""What the files for readers must be: which of a file and its sum is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sysnoise.manifests import layout
from sysnoise.manifests.card import grid_yaml, readme
from sysnoise.manifests.croissant import croissant, publication_of
from sysnoise.manifests.held import HeldSet
from sysnoise.manifests.json_documents import json_bytes
from sysnoise.manifests.part import part_document


def made_card(held: HeldSet, found: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of the files for readers, as far as they follow from the set.

    Args:
        held: the set, and which variants it holds.
        found: the files that are there; ``croissant.json`` says what the publisher gave.
    """
    yield layout.GRID, grid_yaml(held.manifest).encode()
    yield layout.PART, json_bytes(part_document(held.manifest, held.held))
    if layout.CROISSANT in found:
        publication = publication_of(found[layout.CROISSANT])
        text = readme(held, publication).encode()
        yield layout.README, text
        if text == found.get(layout.README):  # Else one of the two says something else.
            yield layout.CROISSANT, json_bytes(croissant(held, publication))

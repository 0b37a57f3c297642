"""``part.json``: which images a copy of some variants, or of none, holds.

Everything else is as in the whole set, its manifest included. A set that was made without images
needs no such file.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from sysnoise.manifests.errors import PartError
from sysnoise.manifests.json_documents import DocumentError, read_document
from sysnoise.manifests.layout import PART
from sysnoise.manifests.manifest import Manifest


class Part(msgspec.Struct, frozen=True):
    """The content of ``part.json``.

    Attributes:
        manifest: checksum of the manifest of the whole set.
        variants: ids of the variants whose images the copy holds.
    """

    manifest: str
    variants: tuple[str, ...]


def part_document(manifest: Manifest, held: Collection[str]) -> Part:
    """Return the content of ``part.json``.

    Args:
        manifest: manifest of the whole set.
        held: ids of the variants whose images the copy holds.
    """
    ids = [variant["id"] for variant in manifest["variants"] if variant["id"] in held]
    return Part(manifest["checksum"], tuple(ids))


def held_variants(manifest: Manifest, part: bytes | None) -> tuple[str, ...]:
    """Return the ids of the variants whose images a set holds, in grid order.

    Args:
        manifest: manifest of the set.
        part: content of the set's ``part.json``; None where there is none, so that all are held.

    Raises:
        PartError: with what was expected and found.
    """
    ids = tuple(variant["id"] for variant in manifest["variants"] if manifest["formats"])
    if part is None:
        return ids
    try:
        document = read_document(part, Part)
    except DocumentError as error:
        raise PartError(f"{PART} is damaged: {error}") from error
    held = set(document.variants)
    if document.manifest != manifest["checksum"]:
        raise PartError(
            f"{PART} is of another set: it names the manifest with the checksum "
            f"{document.manifest!r}, "
            f"expected {manifest['checksum']!r}"
        )
    foreign = sorted(held - set(ids))
    if foreign:
        raise PartError(f"{PART} names variants of which the set has no images: {foreign}")
    return tuple(each for each in ids if each in held)

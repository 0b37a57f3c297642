"""Writing the card of a set, and the sums of its files."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import heapq
import re
from collections.abc import Iterator, Mapping

import pyarrow as pa

from sysnoise.manifests import layout
from sysnoise.manifests.bounded import DOCUMENT_BYTES, without_file
from sysnoise.manifests.card import grid_yaml, readme
from sysnoise.manifests.croissant import croissant, publication_of
from sysnoise.manifests.errors import PartError
from sysnoise.manifests.held import HeldSet
from sysnoise.manifests.json_documents import DocumentError, json_bytes
from sysnoise.manifests.manifest import Manifest
from sysnoise.manifests.part import held_variants
from sysnoise.manifests.publication import Publication, check_publication
from sysnoise.manifests.tables import parse_parquet
from sysnoise.pipelines.errors import InputError, OutputError
from sysnoise.pipelines.publication.picture import can_draw, write_picture
from sysnoise.pipelines.readers.sources import BATCH_ROWS
from sysnoise.pipelines.storage.commit import new_file, remove_file, write_file
from sysnoise.pipelines.storage.locks import lock_shards
from sysnoise.pipelines.storage.reading import (
    read_file,
    read_if_there,
    read_in_parallel,
    read_text,
)
from sysnoise.pipelines.storage.root import Root, exists, open_output
from sysnoise.pipelines.verification.index import read_index, read_set_plan

NO_PICTURE = "none"
"""What asks for a card without a picture."""


def write_card(
    output: Root,
    held: HeldSet,
    publication: Publication,
    receipts: Mapping[str, str] | None = None,
) -> None:
    """Write the card of a set, and then the sums of its files.

    Args:
        output: the folder of the set, with all its other files except the manifest; the picture is
            there if the publication names one.
        held: the set, and which variants the folder holds.
        publication: what the publisher gives.
        receipts: sha256 of each receipt, in hexadecimal, by path; by default the receipts are
            read.

    Raises:
        OutputError: a file cannot be written.
        OSError: a file cannot be read.
    """
    manifest = held.manifest
    card = {
        layout.README: readme(held, publication).encode(),
        layout.CROISSANT: json_bytes(croissant(held, publication)),
        layout.GRID: grid_yaml(held.manifest).encode(),
    }
    for path, data in card.items():
        write_file(output, path, data)
    sums = {path: hashlib.sha256(data).hexdigest() for path, data in card.items()}
    sums |= _receipt_sums(output, manifest) if receipts is None else receipts
    sums[layout.FILES] = manifest["files"]["sha256"]
    if len(held.held) < len(held_variants(manifest, None)):
        sums[layout.PART] = _sha256(output, layout.PART)
    if publication.picture is None:
        remove_file(output, layout.PICTURE)
    else:
        sums[layout.PICTURE] = _sha256(output, layout.PICTURE)
    _write_sums(output, held.stored_files(), sums)


def make_card(url: str, given: Mapping[str, str | None], picture: str | None) -> Publication:
    """Write the card and the sums of a finished set, or of a copy of a part of it, again.

    Args:
        url: the set, path or fsspec URL.
        given: what the publisher gives, by name of the field of :class:`Publication`; fields that
            are missing or None stay as they are in ``croissant.json``.
        picture: the key of the sample that the picture shows; :data:`FIRST_SAMPLE`, or
            :data:`NO_PICTURE` for none; None for the picture that there is, if there is one.

    Returns:
        What the publisher gave, now and before.

    Raises:
        OutputError: the set is not finished, its plan is damaged, or a run is working on it.
        InputError: the index of the set is damaged, or something that is given is not valid.
        UsageError: the set has nothing to draw.
        SetError: an image that is to be drawn is missing or damaged.
    """
    output = open_output(url)
    with lock_set(output):
        manifest, _ = read_index(output)
        try:
            held = held_variants(manifest, read_if_there(output, layout.PART))
            plan = read_set_plan(read_file(output, layout.PLAN), manifest)
        except (PartError, OSError) as error:
            raise OutputError(f"reading the set {url!r}: {error}") from error
        except DocumentError as error:
            raise OutputError(f"reading {layout.PLAN} of {url!r}: {error}") from error
        known = _stored_publication(output)
        changes = {name: value for name, value in given.items() if value is not None}
        publication = dataclasses.replace(known, **changes)
        try:
            check_publication(publication)
        except ValueError as error:
            raise InputError(str(error)) from error
        files = parse_parquet(read_file(output, layout.FILES))
        this_set = HeldSet(manifest, plan, files, held)
        publication = _with_picture(output, this_set, publication, picture)
        write_card(output, this_set, publication)
        return publication


def _with_picture(
    output: Root, held: HeldSet, publication: Publication, picture: str | None
) -> Publication:
    """Draw the picture of a set, if it is to have one.

    One that is there stays in a copy that lacks its images.
    """
    if picture == NO_PICTURE:
        return dataclasses.replace(publication, picture=None)
    key = publication.picture if picture is None else picture
    is_kept = picture is None and not can_draw(held) and exists(output, layout.PICTURE)
    if key is None or is_kept:
        return publication
    return dataclasses.replace(publication, picture=write_picture(output, held, key))


def read_citation(url: str) -> str:
    """Return the content of a BibTeX file.

    Raises:
        InputError: it cannot be read, or has no entry.
    """
    text = read_text(url, "citation file", DOCUMENT_BYTES)
    if not re.search(r"@\w+\s*\{\s*[^,\s]+,", text):
        raise InputError(
            f"the citation file {url!r} has no BibTeX entry, such as @misc{{key, ...}}"
        )
    return text


@contextlib.contextmanager
def lock_set(output: Root) -> Iterator[None]:
    """Keep runs away from a set while the body works on it.

    Raises:
        OutputError: the set is not finished, or a run is working on it.
    """
    _refuse_unfinished(output)
    with lock_shards(output, None):
        _refuse_unfinished(output)  # A run may have begun to change it meanwhile.
        yield


def _refuse_unfinished(output: Root) -> None:
    if not exists(output, layout.MANIFEST):
        raise OutputError(
            without_file(output.fs, output.path, output.url, layout.MANIFEST, "a finished set")
        )


def _stored_publication(output: Root) -> Publication:
    """Return what the publisher gave for the card; the default where there is no card."""
    try:
        return publication_of(read_file(output, layout.CROISSANT))
    except FileNotFoundError:
        return Publication()
    except ValueError as error:
        raise OutputError(
            f"reading {layout.CROISSANT} of {output.url!r}: {error}; remove it, and give again "
            "what the publisher gave"
        ) from error


def _receipt_sums(output: Root, manifest: Manifest) -> dict[str, str]:
    shards = manifest["counts"]["shards"]
    paths = [layout.receipt_path(layout.shard_name(shard, shards)) for shard in range(shards)]
    sums = read_in_parallel(functools.partial(_sha256, output), paths)
    return dict(zip(paths, sums, strict=True))


def _sha256(output: Root, path: str) -> str:
    return hashlib.sha256(read_file(output, path)).hexdigest()


def _write_sums(output: Root, stored: pa.Table, others: Mapping[str, str]) -> None:
    """Write ``SHA256SUMS``: the sums of all files except itself and the manifest."""
    lines = heapq.merge(_path_sums(stored), sorted(others.items()))
    with new_file(output, layout.SUMS) as file:
        for path, sha256 in lines:
            file.write(f"{sha256}  {path}\n".encode())


def _path_sums(stored: pa.Table) -> Iterator[tuple[str, str]]:
    for batch in stored.select(["path", "sha256"]).to_batches(max_chunksize=BATCH_ROWS):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

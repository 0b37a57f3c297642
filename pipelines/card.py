"""Writing the card of a set, and the sums of its files."""

from __future__ import annotations

import functools
import hashlib
import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from manifests import layout
from manifests.card import grid_yaml, readme
from manifests.croissant import croissant
from manifests.held import HeldSet
from manifests.publication import Publication
from pipelines.commit import new_file, write_file
from pipelines.readers.sources import BATCH_ROWS
from pipelines.shards import json_bytes
from pipelines.storage import Root, exists, read_file, read_side_by_side

Manifest = Mapping[str, Any]


def write_card(
    output: Root,
    manifest: Manifest,
    files: pa.Table,
    held: Sequence[str],
    publication: Publication,
    receipts: Mapping[str, str] | None = None,
) -> None:
    """Write the card of a set, and then the sums of its files.

    Args:
        output: of the set, with all its other files but the manifest.
        manifest: of the whole set.
        files: the files table of the whole set, of :data:`manifests.tables.FILES_SCHEMA`.
        held: ids of the variants whose images are there.
        publication: what the publisher says.
        receipts: sha256 of each receipt, in hexadecimal, by path; read where it is not given.

    Raises:
        OutputError: a file cannot be written.
        OSError: one cannot be read.
    """
    held_set = HeldSet(manifest, json.loads(read_file(output, layout.PLAN)), files, held)
    card = {
        layout.README: readme(held_set, publication).encode(),
        layout.CROISSANT: json_bytes(croissant(held_set, publication)),
        layout.GRID: grid_yaml(held_set).encode(),
    }
    for path, data in card.items():
        write_file(output, path, data)
    sums = {path: hashlib.sha256(data).hexdigest() for path, data in card.items()}
    sums |= _receipt_sums(output, manifest) if receipts is None else receipts
    sums[layout.FILES] = manifest["files"]["sha256"]
    if exists(output, layout.PART):
        sums[layout.PART] = _sha256(output, layout.PART)
    _write_sums(output, held_set.stored_files(), sums)


def _receipt_sums(output: Root, manifest: Manifest) -> dict[str, str]:
    shards = manifest["counts"]["shards"]
    paths = [layout.receipt_path(layout.shard_name(shard, shards)) for shard in range(shards)]
    sums = read_side_by_side(functools.partial(_sha256, output), paths)
    return dict(zip(paths, sums, strict=True))


def _sha256(output: Root, path: str) -> str:
    return hashlib.sha256(read_file(output, path)).hexdigest()


def _write_sums(output: Root, stored: pa.Table, others: Mapping[str, str]) -> None:
    """Write the sums of all files but itself and the manifest, as ``sha256sum -c`` reads them."""
    lines = heapq.merge(_path_sums(stored), sorted(others.items()))
    with new_file(output, layout.SUMS) as file:
        for path, sha256 in lines:
            file.write(f"{sha256}  {path}\n".encode())


def _path_sums(stored: pa.Table) -> Iterator[tuple[str, str]]:
    for batch in stored.select(["path", "sha256"]).to_batches(max_chunksize=BATCH_ROWS):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

"""The images of an evaluation: from the shards of a set, or made from its sources."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sysnoise.manifests.errors import SetError
from sysnoise.manifests.reading import FinishedSet, open_set
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.planning.plan import load_plan, read_sources
from sysnoise.pipelines.readers.access import ReadSource, source_reader
from sysnoise.pipelines.readers.sources import Source
from sysnoise.pipelines.storage.root import open_root
from sysnoise.pipelines.workers.job import prepare_libraries
from sysnoise.transforms.codecs.encoded import EncodedImage
from sysnoise.transforms.digests import pixel_digest
from sysnoise.transforms.fanout import decode_all, fan_out
from sysnoise.transforms.pixels import Pixels

SampleRow = Mapping[str, Any]
"""A row of the samples table, by column."""

Image = tuple[str, SampleRow, Pixels]
"""Id of a variant, row of the samples table, and pixels."""


@functools.lru_cache(maxsize=4)
def opened_set(url: str) -> SampleTables:
    """Return a set with its tables of samples, opened once per process."""
    return SampleTables(open_set(url))


def accepted_rows(
    tables: SampleTables, shard: int, variants: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the samples that a shard holds, in stored order, with the digests of some variants.

    Raises:
        SetError: the table is missing or damaged.
    """
    slugs = [tables.found.variants[each]["slug"] for each in variants]
    columns = ["key", "source_sha256", *slugs]
    if tables.kind is DatasetKind.COCO:
        columns.append("image_id")
    return tables.rows(shard, columns)


def read_pixels(
    set_url: str,
    images_url: str | None,
    shard: int,
    variants: Sequence[str],
    rows: Sequence[SampleRow],
) -> Iterator[Image]:
    """Yield the images of some variants of a shard; those of a variant in the order of the rows.

    Args:
        set_url: the set.
        images_url: the source images to make them from; None to read the shards.
        shard: number of the shard.
        variants: ids of the variants.
        rows: rows of the samples table, with the digests of the variants.

    Raises:
        SetError: a shard is missing or damaged, or an image is not what its digest says.
        InputError: a source cannot be read or is another one.
        GridError: a method of the set's grid, which the images are made with, is not installed.
    """
    found = opened_set(set_url).found
    if images_url is None:
        images = _stored(found, shard, variants, rows)
    else:
        images = _made(set_url, images_url, shard, variants, rows)
    slugs = {each: found.variants[each]["slug"] for each in variants}
    for (variant, row, pixels), digest in images:
        if digest != row[slugs[variant]]:
            way_on = "see 'sysnoise verify'"
            if images_url is not None:
                way_on = "other builds of the libraries made the set; read its shards instead"
            raise SetError(
                f"sample {row['key']!r} has other pixels in {variant!r} than {set_url!r} says; "
                f"{way_on}"
            )
        yield variant, row, pixels


def _stored(
    found: FinishedSet, shard: int, variants: Sequence[str], rows: Sequence[SampleRow]
) -> Iterator[tuple[Image, bytes]]:
    """Read the images, and yield each with its pixel digest."""
    by_key = {row["key"]: row for row in rows}
    for variant in variants:
        for key, data in found.images(variant, shard):
            if key in by_key:
                pixels = found.decode(variant, shard, key, data)
                yield (variant, by_key[key], pixels), pixel_digest(pixels)


def _made(
    set_url: str, images_url: str, shard: int, variants: Sequence[str], rows: Sequence[SampleRow]
) -> Iterator[tuple[Image, bytes]]:
    """Make the images, as ``sysnoise generate`` does, and yield each with its pixel digest."""
    prepare_libraries()
    root = open_root(set_url)
    plan = load_plan(root)
    read = source_reader(images_url, plan.max_bytes, plan.image_column)
    sources = {source.key: source for source in read_sources(root, shard)}
    ids = [variant.id for variant in plan.grid.variants]
    wanted = {ids.index(variant) for variant in variants}
    for row in rows:
        image = EncodedImage(_read_source(read, sources[row["key"]], row))
        decoded = decode_all(plan.grid, image, row["key"])
        for rendering in fan_out(plan.grid, decoded, row["key"], wanted):
            for position in wanted.intersection(rendering.variants):
                yield (ids[position], row, rendering.pixels), rendering.digest


def _read_source(read: ReadSource, source: Source, row: SampleRow) -> bytes:
    try:
        data = read(source)
    except Exception as error:
        raise InputError(
            f"reading sample {row['key']!r} from {source.name!r}: {error}; check --images"
        ) from error
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != row["source_sha256"]:
        raise InputError(
            f"sample {row['key']!r}: {source.name!r} has the sha256 {sha256}, expected "
            f"{row['source_sha256']}; give the --images that the set was made from"
        )
    return data

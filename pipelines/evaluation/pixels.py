"""The images of an evaluation: from the shards of a set, or made from its sources."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

from sysnoise.manifests.errors import SetError
from sysnoise.manifests.reading import FinishedSet, open_set
from sysnoise.manifests.sample_tables import SampleTables
from sysnoise.manifests.tables import DatasetKind
from sysnoise.pipelines.evaluation.records import SampleImage, SampleRow
from sysnoise.transforms.digests import pixel_digest


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
) -> Iterator[SampleImage]:
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
        # With it come all codecs, which take longer to import than hundreds of images to read.
        from sysnoise.pipelines.evaluation.made_images import made_images

        images = made_images(set_url, images_url, shard, variants, rows)
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
) -> Iterator[tuple[SampleImage, bytes]]:
    """Read the images, and yield each with its pixel digest."""
    by_key = {row["key"]: row for row in rows}
    for variant in variants:
        for key, data in found.images(variant, shard):
            if key in by_key:
                pixels = found.decode(variant, shard, key, data)
                yield (variant, by_key[key], pixels), pixel_digest(pixels)

"""The images of an evaluation, made from their sources."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from sysnoise.pipelines.errors import InputError
from sysnoise.pipelines.evaluation.records import SampleImage, SampleRow
from sysnoise.pipelines.planning.plan import load_plan, read_sources
from sysnoise.pipelines.readers.access import ReadSource, source_reader
from sysnoise.pipelines.readers.sources import Source
from sysnoise.pipelines.storage.root import open_root
from sysnoise.pipelines.workers.job import prepare_libraries
from sysnoise.transforms.codecs.encoded import EncodedImage
from sysnoise.transforms.fanout import decode_all, fan_out


def made_images(
    set_url: str, images_url: str, shard: int, variants: Sequence[str], rows: Sequence[SampleRow]
) -> Iterator[tuple[SampleImage, bytes]]:
    """Make the images, as ``sysnoise generate`` does, and yield each with its pixel digest.

    Args:
        set_url: the set, which holds the plan.
        images_url: the source images.
        shard: number of the shard.
        variants: ids of the variants.
        rows: rows of the samples table.

    Raises:
        InputError: a source cannot be read or is another one.
        GridError: a method of the set's grid is not installed.
    """
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

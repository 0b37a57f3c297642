"""What a shard already holds of the smaller grid that its set is grown from."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sysnoise.manifests import layout
from sysnoise.manifests.files import FileRow
from sysnoise.manifests.layout import ShardFormat, variant_path
from sysnoise.manifests.plan import Plan
from sysnoise.manifests.stored import stored_images
from sysnoise.manifests.tables import Duplicates, SampleStatus, parse_parquet
from sysnoise.pipelines.planning.growth import read_earlier_plan
from sysnoise.pipelines.planning.receipts import read_receipt_if_whole
from sysnoise.pipelines.shards.sample import Rendered
from sysnoise.pipelines.storage.reading import open_file, read_file, read_if_there
from sysnoise.pipelines.storage.root import Root
from sysnoise.transforms.difference import Difference

KeptFiles = Mapping[int, FileRow]
"""Rows of the files table, by position of the variant in the larger grid."""

SampleRow = Mapping[str, Any]
"""A row of the samples table, by column."""


@dataclass(frozen=True)
class EarlierShard:
    """What a shard holds of the smaller grid.

    Attributes:
        plan: the plan of the smaller grid.
        files: the shard's rows of the files table, by path.
        samples: the shard's rows of the samples table.
        positions: positions of the smaller grid's variants in the larger grid, by id.
    """

    plan: Plan
    files: Mapping[str, FileRow]
    samples: Sequence[SampleRow]
    positions: Mapping[str, int]

    def kept_files(self, plan: Plan, name: str, shard_format: ShardFormat) -> KeptFiles:
        """Return the files that stay as they are if all samples stay.

        Parquet files have row groups by the size of the grid, grids that apply EXIF a second
        geometry, and which file stands for its duplicates depends on all variants.
        """
        stays = (
            plan.duplicates is Duplicates.STORE
            and plan.grid.exif is self.plan.grid.exif
            and (
                shard_format is ShardFormat.WEBDATASET
                or plan.row_group_rows == self.plan.row_group_rows
            )
        )
        if not stays:
            return {}
        return {
            position: self.files[variant_path(variant_id, plan.split, name, shard_format)]
            for variant_id, position in self.positions.items()
        }


class DamagedShardError(Exception):
    """A stored file whose bytes are not those that its receipt names."""


def open_earlier(plan: Plan, shard: int, output: Root) -> EarlierShard | None:
    """Return what a shard holds of the smaller grid that its set is grown from, if anything.

    Raises:
        DamagedShardError: its table of samples is not the one of the receipt.
    """
    name = plan.shard_name(shard)
    earlier = read_earlier_plan(output)
    if earlier is None:
        return None
    data = read_if_there(output, layout.earlier_receipt_path(name))
    receipt = None if data is None else read_receipt_if_whole(data)
    if receipt is None:
        return None
    files = {file.path: file for file in receipt.files}
    path = layout.samples_path(name)
    _refuse_damaged(output, files[path])
    positions = {variant: place for place, variant in enumerate(plan.grid.variants)}
    return EarlierShard(
        earlier,
        files,
        parse_parquet(read_file(output, path)).to_pylist(),
        {variant.id: positions[variant] for variant in earlier.grid.variants},
    )


def _refuse_damaged(output: Root, file: FileRow) -> None:
    with open_file(output, file.path) as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != file.sha256:
            raise DamagedShardError(file.path)


def earlier_digests(earlier: EarlierShard) -> Iterator[Mapping[int, Rendered]]:
    """Yield for each source image its variants in the smaller grid, by position, without images.

    A reject has none.
    """
    for row in earlier.samples:
        yield _variants(earlier, row, dict.fromkeys(earlier.positions, b""))


def earlier_variants(
    earlier: EarlierShard, name: str, output: Root
) -> Iterator[Mapping[int, Rendered]]:
    """Yield for each source image its variants in the smaller grid, by position; none of a reject.

    Args:
        earlier: what the shard holds.
        name: name of the shard.
        output: the output that holds the set.

    Raises:
        DamagedShardError: a file is not the one of the receipt.
    """
    with contextlib.ExitStack() as stack:
        files = {
            variant_id: _images(earlier, name, variant_id, output, stack)
            for variant_id in earlier.positions
        }
        for row in earlier.samples:
            images = {}
            if _is_accepted(row):
                images = {each: _next_image(row["key"], file) for each, file in files.items()}
            yield _variants(earlier, row, images)


def _is_accepted(row: SampleRow) -> bool:
    return bool(row["status"] == SampleStatus.OK.value)


def _variants(
    earlier: EarlierShard, row: SampleRow, images: Mapping[str, bytes]
) -> dict[int, Rendered]:
    """Return the variants of a sample by position; none of a reject."""
    if not _is_accepted(row):
        return {}
    return {
        earlier.positions[variant_id]: _rendered(row, variant_id, image)
        for variant_id, image in images.items()
    }


def _images(
    earlier: EarlierShard, name: str, variant_id: str, output: Root, stack: contextlib.ExitStack
) -> Iterator[tuple[str, bytes]]:
    plan, shard_format = earlier.plan, earlier.plan.formats[0]
    path = variant_path(variant_id, plan.split, name, shard_format)
    stored = earlier.files[path].same_as or path
    _refuse_damaged(output, earlier.files[stored])
    opened = stack.enter_context(open_file(output, stored))
    return stored_images(opened, shard_format, plan.image_format)


def _next_image(key: str, images: Iterator[tuple[str, bytes]]) -> bytes:
    found, image = next(images)
    if found != key:
        raise DamagedShardError(key)
    return image


def _rendered(row: SampleRow, variant_id: str, image: bytes) -> Rendered:
    slug = layout.variant_slug(variant_id)
    sums = row["differences"][slug]
    if sums is None:
        return Rendered(image, row[slug], None)
    size = row["geometry"]["output_width"] * row["geometry"]["output_height"]
    identical = int(sums["changed_pixels"] == 0)
    return Rendered(
        image, row[slug], Difference(images=1, identical_images=identical, pixels=size, **sums)
    )

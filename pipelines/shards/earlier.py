"""What a shard already holds of the smaller grid that its set is grown from."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sysnoise.manifests import layout
from sysnoise.manifests.layout import ShardFormat, variant_path
from sysnoise.manifests.stored import stored_images
from sysnoise.manifests.tables import Duplicates, SampleStatus, parse_parquet
from sysnoise.pipelines.planning.growth import read_earlier_plan
from sysnoise.pipelines.planning.plan import Plan
from sysnoise.pipelines.planning.receipts import parse_receipt
from sysnoise.pipelines.shards.sample import Rendered
from sysnoise.pipelines.storage.reading import open_file, read_file
from sysnoise.pipelines.storage.root import Root
from sysnoise.transforms.difference import Difference


@dataclass(frozen=True)
class EarlierShard:
    """What a shard holds of the smaller grid.

    Attributes:
        plan: of the smaller grid.
        files: its rows of the files table, by path.
        samples: its rows of the samples table.
        positions: of its variants in the larger grid, by id.
    """

    plan: Plan
    files: Mapping[str, Mapping[str, Any]]
    samples: Sequence[Mapping[str, Any]]
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


KeptFiles = Mapping[int, Mapping[str, Any]]
"""Rows of the files table, by position of the variant in the larger grid."""


class DamagedShardError(Exception):
    """A stored file that has not the bytes that its receipt says."""


def open_earlier(plan: Plan, shard: int, output: Root) -> EarlierShard | None:
    """Return what a shard holds of the smaller grid that its set is grown from, if anything.

    Raises:
        DamagedShardError: its table of samples is not the one of the receipt.
    """
    name = plan.shard_name(shard)
    earlier = read_earlier_plan(output)
    if earlier is None:
        return None
    try:
        receipt = parse_receipt(read_file(output, layout.earlier_receipt_path(name)))
    except FileNotFoundError:
        return None
    if receipt is None:
        return None
    files = {row["path"]: row for row in receipt["files"]}
    path = layout.samples_path(name)
    _refuse_damaged(output, files[path])
    positions = {variant: place for place, variant in enumerate(plan.grid.variants)}
    return EarlierShard(
        earlier,
        files,
        parse_parquet(read_file(output, path)).to_pylist(),
        {variant.id: positions[variant] for variant in earlier.grid.variants},
    )


def _refuse_damaged(output: Root, row: Mapping[str, Any]) -> None:
    with open_file(output, row["path"]) as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != row["sha256"]:
            raise DamagedShardError(row["path"])


def earlier_variants(
    earlier: EarlierShard, name: str, output: Root, with_images: bool
) -> Iterator[Mapping[int, Rendered]]:
    """Yield for each source image its variants in the smaller grid, by position; none of a reject.

    Args:
        earlier: what the shard holds.
        name: of the shard.
        output: of the set.
        with_images: whether the images are read; empty ones stand for them otherwise.

    Raises:
        DamagedShardError: a file is not the one of the receipt.
    """
    with contextlib.ExitStack() as stack:
        images = {
            variant_id: _images(earlier, name, variant_id, output, stack) if with_images else None
            for variant_id in earlier.positions
        }
        for row in earlier.samples:
            yield {
                earlier.positions[variant_id]: _rendered(
                    row, variant_id, _next_image(row["key"], opened)
                )
                for variant_id, opened in images.items()
                if row["status"] == SampleStatus.OK.value
            }


def _images(
    earlier: EarlierShard, name: str, variant_id: str, output: Root, stack: contextlib.ExitStack
) -> Iterator[tuple[str, bytes]]:
    plan, shard_format = earlier.plan, earlier.plan.formats[0]
    path = variant_path(variant_id, plan.split, name, shard_format)
    stored = earlier.files[path]["same_as"] or path
    _refuse_damaged(output, earlier.files[stored])
    opened = stack.enter_context(open_file(output, stored))
    return stored_images(opened, shard_format, plan.image_format)


def _next_image(key: str, images: Iterator[tuple[str, bytes]] | None) -> bytes:
    if images is None:
        return b""
    found, image = next(images)
    if found != key:
        raise DamagedShardError(key)
    return image


def _rendered(row: Mapping[str, Any], variant_id: str, image: bytes) -> Rendered:
    slug = layout.variant_slug(variant_id)
    sums = row["differences"][slug]
    if sums is None:
        return Rendered(image, row[slug], None)
    size = row["geometry"]["output_width"] * row["geometry"]["output_height"]
    identical = int(sums["changed_pixels"] == 0)
    return Rendered(
        image, row[slug], Difference(images=1, identical_images=identical, pixels=size, **sums)
    )
